"""`describe_neuron`: what one neuron writes, on which prompts it is active, and which facts it serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import nlargest
from itertools import islice

from factneurons.asking.types import ActivePrompt, NeuronDescription, ServedFact
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.neurons import existing
from factneurons.models.prompts import ask
from factneurons.models.types import Neuron, Query
from factneurons.models.written import reaches_head, written
from factneurons.settings import check_number

_QUERIES = 64


def describe_neuron(
    model: Model,
    neuron: tuple[int, int],
    among: Iterable[KnowledgeNeurons | Fact] = (),
    *,
    tokens: int = 10,
    prompts: int = 10,
    multi_mask: bool = False,
) -> NeuronDescription:
    """Say what a neuron writes, on which prompts it is active, and which facts it serves.

    What it writes is read off its weights (`factneurons.models.written` says how); what it reads are the prompts on
    which its value at the blank is farthest from 0, as in Geva et al., Transformer Feed-Forward Layers Are Key-Value
    Memories (EMNLP 2021), section 3.

    Args:
        model: a loaded model.
        neuron: (layer, index).
        among: knowledge neurons of facts (from `locate`, or `known_of` a run), or facts alone: their prompts are read.
        tokens: how many tokens at either end.
        prompts: how many prompts are kept.
        multi_mask: masked models: ask for answers of several tokens with as many masks.

    Raises:
        BadSetting: a neuron the model does not have (says the sizes), or a number below 1.
    """
    check_number("prompts", prompts, whole=True, least=1)
    (own,) = existing(model.backbone, [neuron])
    (writes,) = written(model, [own], tokens)
    everything = tuple(among)
    known = [each for each in everything if isinstance(each, KnowledgeNeurons)]
    read, active = _read(model, own, everything, prompts, multi_mask)
    counts = Counter(each for found in known for each in set(found.neurons))
    return NeuronDescription(
        model=model.name,
        neuron=own,
        writes=writes,
        weakness=weakness_of(model, own.layer),
        active=active,
        prompts=read,
        serves=tuple(sorted(_served(own, known), key=lambda each: (each.position, each.fact_id, each.language))),
        facts=len(everything),
        rank=1 + sum(count > counts[own] for count in counts.values()) if own in counts else None,
        neurons=len(counts),
    )


def weakness_of(model: Model, layer: int) -> str:
    """How far what a neuron of a layer writes can be read off its weights, in a sentence."""
    backbone = model.backbone
    if not reaches_head(backbone, layer):
        return "It is in the encoder: no direct path leads to the vocabulary, so its weights name no tokens."
    above = backbone.layer_count - 1 - layer
    what = []
    if above:
        layers = "layer above reads" if above == 1 else "layers above read"
        what.append(f"the {above} {layers} it too, and what they make of it is not in these tokens")
    if backbone.layers[layer].after_residual is not None:
        what.append("this model normalises after every addition and transforms before the vocabulary")
    if not what:
        return "It is in the last layer, where its weights say all that it writes."
    return f"A weak reading: {'; '.join(what)}."


def _queries(model: Model, among: Iterable[KnowledgeNeurons | Fact], multi_mask: bool) -> Iterator[tuple[Fact, Query]]:
    """The prompts that can be asked; knowledge neurons may come without their queries."""
    for each in among:
        fact = each.fact if isinstance(each, KnowledgeNeurons) else each
        asked = each.queries if isinstance(each, KnowledgeNeurons) else ()
        for query in asked or ask(model, fact, multi_mask=multi_mask)[0]:
            yield fact, query


def _read(
    model: Model, neuron: Neuron, among: Iterable[KnowledgeNeurons | Fact], count: int, multi_mask: bool
) -> tuple[int, tuple[ActivePrompt, ...]]:
    """How many prompts the neuron was read on, and those on which it is most active."""
    stream = _queries(model, among, multi_mask)
    read, active = 0, list[ActivePrompt]()
    while batch := list(islice(stream, _QUERIES)):
        values = model.activations([query for _, query in batch])[:, neuron.layer, neuron.index]
        found = (
            ActivePrompt(fact.id, fact.language, query.prompt.text, float(value))
            for (fact, query), value in zip(batch, values, strict=True)
        )
        active = nlargest(count, [*active, *found], key=lambda each: abs(each.value))
        read += len(batch)
    return read, tuple(active)


def _served(neuron: Neuron, known: Iterable[KnowledgeNeurons]) -> Iterator[ServedFact]:
    for each in known:
        if neuron in each.neurons:
            place = each.neurons.index(neuron)
            fact = each.fact
            yield ServedFact(fact.id, fact.language, fact.relation, each.scores[place], place + 1)

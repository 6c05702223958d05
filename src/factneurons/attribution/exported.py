"""Neurons of facts as other tools take them: a Python file that speaks a library's language, or a file of pairs.

A Python file holds FACTS, for every fact

    "neurons": {where a library finds the vector of neurons: [index, ...]}
    "prompts": [{"text", "input_ids", "positions", "answer_ids", "probability", "suppressed"}]

and one function that changes them there. Suppressed at "positions" of "input_ids", they give P(answer) = "suppressed"
in any of the libraries: the product over the answer's tokens of softmax(logits[position])[answer id]. The vector of
neurons is what enters an MLP's down-projection, found in the model as `models/structure.py` found it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.errors import BadSetting
from factneurons.models.questions import asking
from factneurons.settings import check_choice

if TYPE_CHECKING:
    from factneurons.models.model import Model

_BATCH = 64

_HEAD = '''"""Knowledge neurons of facts {library}. Written by factneurons.

FACTS: fact -> "neurons", {{{where}: [index, ...]}}, and "prompts". Of a prompt, "positions" says where in
"input_ids" its neurons are meant, "probability" is P(answer) as the model is, "suppressed" with the neurons at 0 there.
{use}"""
'''

_TORCH = '''
from contextlib import contextmanager

import torch


@contextmanager
def changed(model, neurons, positions, factor=0.0):
    """Multiply the values of neurons at token positions by a factor, for the time of a `with` block."""

    def hook_of(indices):
        def hook(module, inputs):
            values = inputs[0].clone()
            values[..., torch.tensor(positions)[:, None], torch.tensor(indices)] *= factor
            return (values, *inputs[1:])

        return hook

    hooks = [model.get_submodule(where).register_forward_pre_hook(hook_of(each)) for where, each in neurons.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
'''

_TRANSFORMER_LENS = '''
import torch


def hooks(neurons, positions, factor=0.0):
    """What `run_with_hooks` takes to multiply the values of neurons at token positions by a factor."""

    def hook_of(indices):
        def hook(values, hook):
            values = values.clone()
            values[..., torch.tensor(positions)[:, None], torch.tensor(indices)] *= factor
            return values

        return hook

    return [(where, hook_of(indices)) for where, indices in neurons.items()]
'''

_NNSIGHT = '''
import torch


def change(model, neurons, positions, factor=0.0):
    """Within a trace: multiply the values of neurons at token positions by a factor."""
    for where, indices in neurons.items():
        model.get(where).input[..., torch.tensor(positions)[:, None], torch.tensor(indices)] *= factor
'''

_PYVENE = '''
import pyvene


def config(neurons, factor=0.0):
    """An IntervenableConfig that multiplies the values of neurons by a factor."""

    def change_of(indices):
        def change(base, source):
            values = base.clone()
            values[..., indices] *= factor
            return values

        return change

    return pyvene.IntervenableConfig(
        [{"component": where, "unit": "pos", "intervention": change_of(each)} for where, each in neurons.items()]
    )


def locations(neurons, positions):
    """Where in the tokens: the `unit_locations` of a pass."""
    return {"base": [[list(positions)]] * len(neurons)}
'''


@dataclass(frozen=True, slots=True)
class NeuronFormat:
    """A way to write neurons down for others.

    Attributes:
        suffix: how a file's name ends.
        meaning: one line for help texts and docs.
        write: the file's text, from a model and the facts' neurons.
    """

    suffix: str
    meaning: str
    write: Callable[[Model, Sequence[KnowledgeNeurons]], str]


def _python(
    code: str, library: str, where: str, use: str, place: Callable[[str], str]
) -> Callable[[Model, Sequence[KnowledgeNeurons]], str]:
    """A writer of Python files.

    Args:
        code: what follows the text at the head.
        library: for whom.
        where: what the neurons are listed by, in words.
        use: lines of code that use the file.
        place: the library's name of the vector of neurons, from the dotted path of a down-projection.
    """
    head = _HEAD.format(library=library, where=where, use="\n    " + use.strip().replace("\n", "\n    ") + "\n")

    def write(model: Model, known: Sequence[KnowledgeNeurons]) -> str:
        places = [place(path) for path in _paths(model)]
        named, lines = list(_named(known).items()), []
        for start in range(0, len(named), _BATCH):
            batch = named[start : start + _BATCH]
            answers = model.answer([asking(each.queries, [(), each.neurons]) for _, each in batch])
            facts = zip(batch, answers, strict=True)
            lines += [f"    {name!r}: {_fact(each, places, table.tolist())!r},\n" for (name, each), table in facts]
        return f"{head}{code}\n\nMODEL = {_model(model)!r}\n\nFACTS = {{\n{''.join(lines)}}}\n"

    return write


def _fact(known: KnowledgeNeurons, places: Sequence[str], probabilities: list[list[float]]) -> dict[str, Any]:
    """A fact's entry of a Python file."""
    neurons: dict[str, list[int]] = {}
    for layer, index in sorted(known.neurons):
        neurons.setdefault(places[layer], []).append(index)
    prompts = [
        {
            "text": query.prompt.text,
            "input_ids": list(query.input_ids),
            "positions": list(query.places(encoder=False)),
            "target_positions": list(query.target_positions),
            "answer_ids": list(query.answer_ids),
            "probability": before,
            "suppressed": after,
        }
        for query, (before, after) in zip(known.queries, probabilities, strict=True)
    ]
    return {"neurons": neurons, "prompts": prompts}


def _paths(model: Model) -> list[str]:
    """The dotted path of every layer's down-projection.

    Raises:
        BadSetting: other libraries have no such module, or the neurons are not meant at one place of one text.
    """
    backbone = model.backbone
    if backbone.adapter.experts:
        why = "its experts are side by side in factneurons only"
    elif backbone.kind == "encoder-decoder":
        why = "its encoder and its decoder are changed at different places"
    else:
        names = {module: path for path, module in backbone.module.named_modules()}
        return [names[layer.down] for layer in backbone.layers]
    raise BadSetting(f"{model.name}: no hooks can be written for it, for {why}; json and easyedit take its neurons")


def _numbered(path: str) -> str:
    """transformer.h.3.mlp.c_proj -> transformer.h[3].mlp.c_proj"""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", path)


def _block_number(path: str) -> str:
    """The number of the block, which is the only number before the MLP's own parts."""
    found = re.search(r"\.(\d+)\.", path)
    assert found is not None, path
    return found[1]


def _pairs(model: Model, known: Sequence[KnowledgeNeurons]) -> str:
    """{fact: [[layer, index], ...]}, best first."""
    return json.dumps({name: [list(neuron) for neuron in each.neurons] for name, each in _named(known).items()})


def _rows(model: Model, known: Sequence[KnowledgeNeurons]) -> str:
    """Rows, and what tells the model from others: what `attribution/given.py` reads and checks."""
    from factneurons.models.fingerprint import model_fingerprint

    rows = [
        {"fact": each.fact.id, "language": each.fact.language, "layer": layer, "index": index, "score": score}
        for each in known
        for (layer, index), score in zip(each.neurons, each.scores, strict=True)
    ]
    return json.dumps({"model": {**_model(model), "files": model_fingerprint(model.backbone)}, "neurons": rows})


def _model(model: Model) -> dict[str, str | int]:
    return {"name": model.name, "layers": model.layer_count, "width": model.width}


def _named(known: Sequence[KnowledgeNeurons]) -> Mapping[str, KnowledgeNeurons]:
    """By the fact's id; where several languages have it, by "id (language)".

    Raises:
        BadSetting: a fact comes twice.
    """
    often = Counter(each.fact.id for each in known)
    found: dict[str, KnowledgeNeurons] = {}
    for each in known:
        name = each.fact.id if often[each.fact.id] == 1 else f"{each.fact.id} ({each.fact.language})"
        if name in found:
            raise BadSetting(f"fact {name!r}: it is among the neurons twice")
        found[name] = each
    return found


NEURON_FORMATS: dict[str, NeuronFormat] = {
    "torch": NeuronFormat(
        ".py",
        "hooks of PyTorch, by the model's own modules",
        _python(
            _TORCH,
            "as hooks of PyTorch",
            "a module whose input they are",
            """
fact = FACTS["..."]
prompt = fact["prompts"][0]
with changed(model, fact["neurons"], prompt["positions"]):
    logits = model(torch.tensor([prompt["input_ids"]])).logits
""",
            lambda path: path,
        ),
    ),
    "transformer-lens": NeuronFormat(
        ".py",
        "hook names of TransformerLens",
        _python(
            _TRANSFORMER_LENS,
            "by the hook names of TransformerLens",
            "a hook name",
            """
fact = FACTS["..."]
prompt = fact["prompts"][0]
tokens = torch.tensor([prompt["input_ids"]])
logits = bridge.run_with_hooks(tokens, fwd_hooks=hooks(fact["neurons"], prompt["positions"]))
""",
            lambda path: f"blocks.{_block_number(path)}.mlp.hook_post",
        ),
    ),
    "nnsight": NeuronFormat(
        ".py",
        "modules of nnsight",
        _python(
            _NNSIGHT,
            "by the modules of nnsight",
            "a module whose input they are",
            """
fact = FACTS["..."]
prompt = fact["prompts"][0]
with model.trace(torch.tensor([prompt["input_ids"]])):
    change(model, fact["neurons"], prompt["positions"])
    logits = model.output.logits.save()
""",
            lambda path: path,
        ),
    ),
    "pyvene": NeuronFormat(
        ".py",
        "a configuration of pyvene",
        _python(
            _PYVENE,
            "as a configuration of pyvene",
            "a component",
            """
fact = FACTS["..."]
prompt = fact["prompts"][0]
intervenable = pyvene.IntervenableModel(config(fact["neurons"]), model=model)
base = {"input_ids": torch.tensor([prompt["input_ids"]])}
_, changed = intervenable(base, unit_locations=locations(fact["neurons"], prompt["positions"]))
""",
            lambda path: f"{_numbered(path)}.input",
        ),
    ),
    "easyedit": NeuronFormat(
        ".json", "{fact: [[layer, index], ...]}, as EasyEdit and EleutherAI/knowledge-neurons have them", _pairs
    ),
    "json": NeuronFormat(
        ".json",
        "rows of fact, layer, index and score with the model's sizes and hashes; factneurons test reads it",
        _rows,
    ),
}
"""Every way to write neurons down, by name."""


def neurons_as(format: str, model: Model, known: Sequence[KnowledgeNeurons]) -> str:
    """The neurons of facts as the text of a file.

    Args:
        format: a name of `NEURON_FORMATS`.
        model: the model they were found in.
        known: the neurons of every fact.

    Raises:
        BadSetting: an unknown format, a fact twice, a neuron that the model does not have (says the sizes), or a model
            that no hooks can be written for.
    """
    from factneurons.models.neurons import existing

    check_choice("format", format, NEURON_FORMATS)
    existing(model.backbone, [neuron for each in known for neuron in each.neurons])
    return NEURON_FORMATS[format].write(model, known)

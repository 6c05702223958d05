"""E3: in which layers do the neurons of facts lie?

'Journey to the Center of the Knowledge Neurons' (AAAI 2024), distribution over layers: histograms of the knowledge
neurons N, of the language-independent ones L, of the degenerate pairs, and of the components of degenerate knowledge
neurons ('Cracking Factual Knowledge', ACL 2025). The paper finds L in the last one or two layers.

    depth = mean layer of a fact's neurons / last layer, from 0 to 1

What L's layers would be by chance follows from those of the N_k: in a layer of width m, random sets of the same sizes
share prod_k |N_k in it| / m^(K-1) neurons on average. These shares are one control. Layers that hold many neurons of
every language hold most of them. The other control are other facts: what the fact's neurons in the language that is
asked share, on average, with those of other facts of the relation in each other language,

    sum over n of N_asked in it of prod_k (share of the other facts with n in their N_k)

which holds the neurons that many facts have in any language.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.settings import PairSettings
from factneurons.errors import NotAskable
from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Work
from factneurons.experiments.study import Study
from factneurons.experiments.suite.cross_lingual import SHARED
from factneurons.experiments.types import Measured
from factneurons.facts.related import RelatedFacts
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron

KNOWLEDGE, PAIRS, COMPONENTS = "knowledge neurons", "degenerate pairs", "components"
REPAIRED = "shared with other facts"

OTHERS = 20
"""Other facts of the relation at most, a fixed draw."""

MEASURES = {
    "share of layer": "share of the fact's neurons that lie in the layer, 0 to 1",
    "depth": "mean layer of the neurons as a share of the last layer, 0 (first) to 1 (last)",
    "last two layers": "share of the neurons that lie in the last two layers, 0 to 1",
    "neurons": "how many neurons there are",
    "other facts": f"other facts of the relation with neurons in every language, of {OTHERS} at most",
}


def prepare(study: Study) -> Work:
    """Every kind of neurons, on one fact."""
    around = RelatedFacts(study.facts)

    def work(fact: Fact) -> Iterator[Measured]:
        study.require_known(fact)
        known = study.knowledge(fact, study.settings.methods[0])
        for condition, neurons in _kinds(study, known):
            counts = Counter(neuron.layer for neuron in neurons)
            if counts:
                yield Measured(condition, "neurons", float(counts.total()))
                yield from _spread(condition, counts, study.model.layer_count)
        yield from _by_chance(study, fact)
        yield from _repaired(study, around, known)

    return work


def _kinds(study: Study, known: KnowledgeNeurons) -> Iterator[tuple[str, Sequence[Neuron]]]:
    from factneurons.degeneracy.pairs import pairs_of

    yield KNOWLEDGE, known.neurons
    sets = [frozenset(each.neurons) for each in _in_all_languages(study, known.fact)]
    yield SHARED, sorted(frozenset.intersection(*sets)) if len(sets) > 1 else ()
    yield PAIRS, [neuron for pair in pairs_of(study.model, known, PairSettings()).pairs for neuron in pair.neurons]
    yield COMPONENTS, study.degenerate(known.fact)


def _in_all_languages(study: Study, fact: Fact) -> list[KnowledgeNeurons]:
    """Its knowledge neurons in every language that has some."""
    found = []
    for sister in study.languages(fact).values():
        try:
            study.require_known(sister)
            found.append(study.knowledge(sister, study.settings.methods[0]))
        except NotAskable:
            continue
    return found


def _by_chance(study: Study, fact: Fact) -> Iterator[Measured]:
    """The layers of what random sets of the same sizes and layers would share."""
    known = _in_all_languages(study, fact)
    if len(known) < 2:
        return
    counts = [Counter(neuron.layer for neuron in each.neurons) for each in known]
    widths = study.model.backbone.widths
    expected = {
        layer: float(np.prod([own[layer] for own in counts])) / widths[layer] ** (len(counts) - 1)
        for layer in range(study.model.layer_count)
    }
    if any(expected.values()):
        yield Measured(f"{RANDOM_FOR}{SHARED}", "neurons", sum(expected.values()))
        yield from _spread(f"{RANDOM_FOR}{SHARED}", expected, study.model.layer_count)


def _repaired(study: Study, around: RelatedFacts, known: KnowledgeNeurons) -> Iterator[Measured]:
    """The layers of what the fact's neurons share with other facts of the relation, asked in the other languages."""
    from factneurons.editing.build import drawn

    fact = known.fact
    languages = sorted(set(study.languages(fact)) - {fact.language})
    if not languages:
        return
    others = drawn(around.neighbours(fact), study.settings.seed)[:OTHERS]
    found = [{each.fact.language: set(each.neurons) for each in _in_all_languages(study, other)} for other in others]
    found = [sets for sets in found if sets.keys() >= set(languages)]
    yield Measured(REPAIRED, "other facts", float(len(found)))
    expected: dict[int, float] = defaultdict(float)
    for neuron in known.neurons if found else ():
        shares = (np.mean([neuron in sets[language] for sets in found]) for language in languages)
        expected[neuron.layer] += float(np.prod(list(shares)))
    if any(expected.values()):
        yield Measured(REPAIRED, "neurons", sum(expected.values()))
        yield from _spread(REPAIRED, expected, study.model.layer_count)


def _spread(condition: str, counts: Mapping[int, float], layers: int) -> Iterator[Measured]:
    """Shares of the layers; `counts` is layer -> neurons, not all 0."""
    total = sum(counts.values())
    shares = [counts.get(layer, 0) / total for layer in range(layers)]
    for layer, share in enumerate(shares):
        yield Measured(condition, "share of layer", share, place=str(layer))
    yield Measured(condition, "depth", float(np.dot(shares, range(layers))) / max(1, layers - 1))
    yield Measured(condition, "last two layers", sum(shares[-2:]))


EXPERIMENT = Experiment(
    id="E3",
    title="Layers",
    source="Journey to the Center of the Knowledge Neurons (AAAI 2024); Cracking Factual Knowledge (ACL 2025)",
    question="In which layers do knowledge neurons lie, those that languages share, and those that back each other up?",
    smallest="50 facts that the model knows, of 5 relations, in two languages",
    example=(
        'factneurons experiment E3 --model pocket-gpt2 --facts "bundled?joined=yes&sample=60&seed=1" --out '
        "runs/two-languages-shared"
    ),
    measures=MEASURES,
    claims=(
        Claim("Language-independent neurons lie deeper than knowledge neurons.", "depth", SHARED, "greater", KNOWLEDGE),
        Claim(
            "They lie in the last two layers more often than knowledge neurons.",
            "last two layers",
            SHARED,
            "greater",
            KNOWLEDGE,
        ),
        Claim(
            "They lie deeper than what random sets of the same layers would share.",
            "depth",
            SHARED,
            "greater",
            f"{RANDOM_FOR}{SHARED}",
        ),
        Claim(
            "They lie deeper than what the fact's neurons share with other facts of the relation.",
            "depth",
            SHARED,
            "greater",
            REPAIRED,
        ),
        Claim("Degenerate pairs lie deeper than knowledge neurons.", "depth", PAIRS, "greater", KNOWLEDGE),
        Claim("Components lie deeper than knowledge neurons.", "depth", COMPONENTS, "greater", KNOWLEDGE),
    ),
    prepare=prepare,
    charts=(
        Chart("Where neurons lie", ("share of layer",), across="place"),
        Chart("Depth", ("depth", "last two layers")),
    ),
)

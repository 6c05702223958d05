"""The tables of degeneracy: how facts are stored, in which groups, what these carry beside, and degenerate pairs.

The first four are read off `DegenerateNeurons`, `acquisition` off `FactCurves`, `carried` off `CarriedFacts`, the
last two off `DegeneratePairs`. `pair_facts` is shown in memory only: a run keeps a fact without pairs as skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from factneurons.degeneracy.types import (
    STORAGE,
    AcquisitionCurve,
    AcquisitionPoint,
    Bar,
    Carried,
    CarriedFacts,
    Component,
    Connection,
    DegenerateNeurons,
    DegeneratePair,
    DegeneratePairs,
    FactCurves,
)
from factneurons.facts.saved import SavedTable
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron
from factneurons.tables import (
    FLAG,
    INTEGER,
    INTEGERS,
    KEY,
    NAMED_NUMBERS,
    NEURONS,
    NUMBER,
    RELATION,
    TEXT,
    Column,
    Formerly,
    Table,
)


class _Component(NamedTuple):
    fact: Fact
    number: int
    role: str
    component: Component


class _Bar(NamedTuple):
    fact: Fact
    bar: Bar


class _Connection(NamedTuple):
    fact: Fact
    connection: Connection


class _Point(NamedTuple):
    fact: Fact
    clusterer: str
    curve: AcquisitionCurve
    point: AcquisitionPoint


class _Carried(NamedTuple):
    found: CarriedFacts
    number: int
    carried: Carried

    @property
    def fact(self) -> Fact:
        return self.found.fact


class _Pair(NamedTuple):
    found: DegeneratePairs
    neurons: tuple[Neuron, Neuron]
    prompts: int
    agreed: DegeneratePair | None

    @property
    def fact(self) -> Fact:
        return self.found.fact


def _components(found: DegenerateNeurons) -> Iterator[_Component]:
    """Those that pass first; the numbers are the same wherever a component is named."""
    passing = {component.neurons for component in found.components}
    rest = [candidate for candidate in found.candidates if candidate.neurons not in passing]
    for number, component in enumerate([*found.components, *rest], start=1):
        yield _Component(found.fact, number, "component" if component.neurons in passing else "candidate", component)


def _bars(found: DegenerateNeurons) -> Iterator[_Bar]:
    return (_Bar(found.fact, bar) for bar in found.barcode)


def _connections(found: DegenerateNeurons) -> Iterator[_Connection]:
    return (_Connection(found.fact, connection) for connection in found.connections)


def _points(found: FactCurves) -> Iterator[_Point]:
    return (_Point(found.fact, found.clusterer, curve, point) for curve in found.curves for point in curve.points)


def _carried(found: CarriedFacts) -> Iterator[_Carried]:
    return (_Carried(found, number, each) for number, each in enumerate(found.components, start=1))


def _pairs(found: DegeneratePairs) -> Iterator[_Pair]:
    """Every pair that any prompt has."""
    agreed = {pair.neurons: pair for pair in found.pairs}
    for neurons, prompts in Counter(pair for prompt in found.prompts for pair in prompt.pairs).items():
        yield _Pair(found, neurons, prompts, agreed.get(neurons))


DEGENERATE: Table[DegenerateNeurons] = Table(
    "degenerate",
    "One row per fact: whether it has degenerate knowledge neurons, and the graded numbers behind it.",
    (
        *KEY,
        RELATION,
        Column("knowledge_neurons", INTEGER, "how many knowledge neurons the search started from",
               lambda found: found.knowledge_neurons),
        Column("components", INTEGER, "how many components pass the filter; 0, or at least 2",
               lambda found: len(found.components)),
        Column("candidates", INTEGER, "how many clusters were tested", lambda found: len(found.candidates)),
        Column("reason", TEXT, "why there is no degenerate knowledge neuron, or it is undecided; empty: there is one",
               lambda found: found.reason),
        Column("drop_all", NUMBER, "relative loss of P(answer) when all components are suppressed; null: not tested",
               lambda found: found.drop_all, optional=True),
        Column("degeneracy_index", NUMBER,
               "1 - mean loss with one component left / loss with none left, 0 to 1; 1: any one component suffices;"
               " null: no components", lambda found: found.degeneracy_index, optional=True),
        Column("coverage", NUMBER, "share of the fact's knowledge neurons that the components hold, 0 to 1",
               lambda found: found.coverage, optional=True),
        Column("grouping", TEXT,
               "evidence; distinct: the components pass the halving test; arbitrary: not, other groupings would do as"
               " well; undecided: they cannot be tested; no-groups: no components",
               lambda found: found.grouping, choices=("distinct", "arbitrary", "undecided", "no-groups"),
               formerly=Formerly(
                   "verdict", {"components": "distinct", "interchangeable": "arbitrary", "none": "no-groups"})),
        Column("storage", TEXT,
               "how the fact is stored, in one word (docs/degeneracy.md); other facts that its neurons carry are looked"
               " for among those of the run", lambda found: found.storage, choices=tuple(STORAGE)),
        Column("details", NAMED_NUMBERS, "further numbers of the search, by name", lambda found: found.details),
    ),
)  # fmt: skip

COMPONENTS: Table[_Component] = Table(
    "components",
    "One row per cluster of a fact's knowledge neurons that was tested as a base degenerate component.",
    (
        *KEY,
        Column("component", INTEGER, "its number within the fact, from 1, those that pass first",
               lambda each: each.number),
        Column("role", TEXT, "component: it passes the functional filter; candidate: it does not",
               lambda each: each.role, choices=("component", "candidate")),
        Column("neurons", NEURONS, "its neurons, sorted", lambda each: each.component.neurons),
        Column("size", INTEGER, "how many neurons it has", lambda each: len(each.component.neurons)),
        Column("layers", INTEGERS, "the layers they are in, sorted, each once", lambda each: each.component.layers),
        Column("birth", NUMBER, "the distance at which the cluster formed; null where there is no tree",
               lambda each: each.component.birth, optional=True),
        Column("death", NUMBER, "the distance at which it merged into a larger one; null where there is no tree",
               lambda each: each.component.death, optional=True),
        Column("persistence", NUMBER, "death - birth; null where there is no tree",
               lambda each: each.component.persistence, optional=True),
        Column("drop_alone", NUMBER, "relative loss of P(answer) when only it is suppressed; null if P is 0",
               lambda each: each.component.drop_alone, optional=True),
        Column("drop_without_others", NUMBER,
               "relative loss of P(answer) when all other components are suppressed and it is left; null if not tested",
               lambda each: each.component.drop_without_others, optional=True),
        Column("mean_distance", NUMBER, "mean finite distance between its neurons; null where there is none",
               lambda each: each.component.mean_distance, optional=True),
    ),
    order=("component",),
    records=_components,
)  # fmt: skip

BARCODES: Table[_Bar] = Table(
    "barcodes",
    "One row per cluster of the single-linkage tree of a fact's knowledge neurons.",
    (
        *KEY,
        Column("birth", NUMBER, "the distance at which the cluster formed", lambda each: each.bar.birth),
        Column("death", NUMBER, "the distance at which it merged into a larger one", lambda each: each.bar.death),
        Column("size", INTEGER, "how many neurons it has", lambda each: len(each.bar.neurons)),
        Column("chosen", FLAG, "whether it was chosen as a candidate component", lambda each: each.bar.chosen),
    ),
    order=("birth", "death", "size", "chosen"),
    records=_bars,
)  # fmt: skip

CONNECTIONS: Table[_Connection] = Table(
    "connections",
    "One row per connection at which clusters of a fact's knowledge neurons form: the strongest that join all of them.",
    (
        *KEY,
        Column("layer", INTEGER, "the layer of the earlier neuron", lambda each: each.connection.neurons[0].layer),
        Column("index", INTEGER, "its place in the layer", lambda each: each.connection.neurons[0].index),
        Column("to_layer", INTEGER, "the layer of the later one", lambda each: each.connection.neurons[1].layer),
        Column("to_index", INTEGER, "its place in the layer", lambda each: each.connection.neurons[1].index),
        Column("weight", NUMBER, "|w|, what the first hands to the second through the weights; 1 / their distance",
               lambda each: each.connection.weight),
    ),
    order=("layer", "index", "to_layer", "to_index"),
    records=_connections,
)  # fmt: skip

ACQUISITION: Table[_Point] = Table(
    "acquisition",
    "One row per fact, kind of groups and number of groups suppressed: how much of the fact is lost.",
    (
        *KEY,
        Column("clusterer", TEXT, "what grouped the neurons", lambda each: each.clusterer),
        Column("which", TEXT,
               "components: they passed the functional filter; candidates: before it; random for ...: random partitions"
               " of the fact's knowledge neurons into parts of the same sizes, mean over them",
               lambda each: each.curve.which,
               choices=("components", "candidates", "random for components", "random for candidates")),
        Column("groups", INTEGER, "how many groups there are", lambda each: each.curve.groups),
        Column("size", INTEGER, "how many neurons they hold together", lambda each: each.curve.size),
        Column("k", INTEGER, "how many of the groups were suppressed, from 1 to all",
               lambda each: each.point.suppressed),
        Column("subsets", INTEGER,
               "subsets of k groups that were measured: all of them, or 32 drawn where there are many",
               lambda each: each.point.subsets),
        Column("mean_drop", NUMBER, "relative loss of P(answer), mean over these subsets",
               lambda each: each.point.mean_drop),
    ),
    order=("clusterer", "which", "k"),
    records=_points,
)  # fmt: skip

CARRIED: Table[_Carried] = Table(
    "carried",
    "One row per component of a fact with degenerate knowledge neurons: what it carries beside the fact.",
    (
        *KEY,
        Column("component", INTEGER, "its number within the fact, as in the table components",
               lambda each: each.number),
        Column("others", INTEGER, "how many other facts were asked with it suppressed", lambda each: each.found.others),
        Column("other_facts", NUMBER,
               "share of them whose log P(answer) changes by more than 0.1 nats; null: there are no other facts",
               lambda each: each.carried.other_facts, optional=True),
        Column("random_other_facts", NUMBER,
               "the same with random neurons of the same layers and strength, mean over the draws;"
               " null: too few neurons",
               lambda each: each.carried.random_other_facts, optional=True),
        Column("p_value", NUMBER, "share of random draws that change as many; null: too few neurons",
               lambda each: each.carried.p_value, optional=True),
        Column("shared", NUMBER,
               "share of the other facts whose knowledge neurons hold at least half of it; null: no other facts",
               lambda each: each.carried.shared, optional=True),
        Column("overlap", NUMBER,
               "largest Jaccard index of the facts it changes and those another component changes;"
               " 1: neither changes any",
               lambda each: each.carried.overlap),
        Column("redundancy", NUMBER, "largest product of overlap and cosine of the out-weights with another component",
               lambda each: each.carried.redundancy),
        Column("carries", TEXT,
               "of the fact, evidence; others: each component carries other facts, and any two different ones;"
               " nothing-else: none does; undecided: neither", lambda each: each.found.carries,
               choices=("others", "nothing-else", "undecided"),
               formerly=Formerly("verdict", {"degenerate": "others", "redundant": "nothing-else"})),
    ),
    order=("component",),
    records=_carried,
)  # fmt: skip

PAIRS: Table[_Pair] = Table(
    "pairs",
    "One row per degenerate pair of a fact: two neurons that can each be spared, but not both.",
    (
        *KEY,
        RELATION,
        Column("neurons", NEURONS, "the pair, the neuron with the higher score first", lambda each: each.neurons),
        Column("prompts", INTEGER, "how many of the fact's prompts have the pair", lambda each: each.prompts),
        Column("agreed", FLAG, "whether these are enough of its prompts", lambda each: each.agreed is not None),
        Column("drop_first", NUMBER,
               "loss of P(answer) with only the first suppressed, mean over these prompts; null: they are not enough",
               lambda each: each.agreed and each.agreed.drops_alone[0], optional=True),
        Column("drop_second", NUMBER, "the same with only the second; null likewise",
               lambda each: each.agreed and each.agreed.drops_alone[1], optional=True),
        Column("drop_together", NUMBER, "the same with both; null likewise",
               lambda each: each.agreed and each.agreed.drop_together, optional=True),
    ),
    order=("prompts",),
    records=_pairs,
)  # fmt: skip

PAIR_FACTS: Table[DegeneratePairs] = Table(
    "pair_facts",
    "One row per fact, with pairs or without.",
    (
        *KEY,
        RELATION,
        Column("pairs", INTEGER, "how many pairs enough prompts agree on", lambda found: len(found.pairs)),
        Column("pairs_of_any_prompt", INTEGER, "how many different pairs at least one prompt has",
               lambda found: len({pair for prompt in found.prompts for pair in prompt.pairs})),
        Column("potentials", NUMBER, "mean number of neurons per prompt that can be spared alone",
               lambda found: sum(len(prompt.potentials) for prompt in found.prompts) / max(1, len(found.prompts))),
        Column("considered", INTEGER, "how many knowledge neurons were looked at, those with the best scores",
               lambda found: found.considered),
        Column("left_out", INTEGER, "how many more the fact has, beyond the cap", lambda found: found.left_out),
        Column("probability", NUMBER,
               "P(answer) with nothing suppressed, mean over the prompts; null: the model was not asked",
               lambda found: found.probability, optional=True),
        Column("reason", TEXT, "why there is no pair; empty text where there is one", lambda found: found.reason),
    ),
)  # fmt: skip

FOUND: tuple[Table[Any], ...] = (DEGENERATE, COMPONENTS, BARCODES, CONNECTIONS)
"""The tables of the degenerate neurons of facts, the main one first."""
PAIRED: tuple[Table[Any], ...] = (PAIRS, PAIR_FACTS)
"""The tables of the degenerate pairs of facts, the main one first."""


class DegenerateNeuronTable(SavedTable[DegenerateNeurons]):
    """The degenerate neurons of many facts; `save(path)` keeps them in a JSON file, `load(path)` reads it."""

    result, seen_as = DegenerateNeurons, FOUND


class DegeneratePairTable(SavedTable[DegeneratePairs]):
    """The degenerate pairs of many facts; `save(path)` keeps them in a JSON file, `load(path)` reads it."""

    result, seen_as = DegeneratePairs, PAIRED

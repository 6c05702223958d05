"""The neurons of a run seen from their side: which serve most facts, what they write, where relations have theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from factneurons.findings.degeneracy import keys
from factneurons.findings.effects import FactKey
from factneurons.models.types import Neuron
from factneurons.report.reading import Reading, records
from factneurons.report.sections.rows import LISTED_FACTS, Filter, by_frequency

LISTED_NEURONS = 500

_LISTED_RELATIONS = 60
_NAMED_FACTS = 8
_NAMED_RELATIONS = 3
_TOKENS = 5


@dataclass(frozen=True, slots=True)
class NamedFact:
    """A fact as a neuron's row names it: its number in the report and its row of the table `facts`."""

    number: int
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NeuronRow:
    """One neuron that is a knowledge neuron of some fact.

    Attributes:
        neuron: the neuron.
        facts: how many facts it is a knowledge neuron of, one in two languages counted twice.
        score: its mean score over these.
        promotes, suppresses: the tokens it writes for and against; empty where the run has none.
        named: the first of its facts, those with the highest scores; `more` are not named.
        relations: those with most of its facts; `more_relations` are not named.
        filters: the places of its values in each `Filter`, joined by commas where it has several.
    """

    neuron: Neuron
    facts: int
    score: float
    promotes: Sequence[str]
    suppresses: Sequence[str]
    named: Sequence[NamedFact]
    more: int
    relations: Sequence[str]
    more_relations: int
    filters: tuple[str, ...]

    @property
    def order(self) -> tuple[float | None, ...]:
        """What its columns of numbers are sorted by: layer and index, facts, score."""
        return self.neuron.layer + self.neuron.index / 1e6, self.facts, self.score


@dataclass(frozen=True, slots=True)
class RelationRow:
    """How many knowledge neurons a relation's facts have in each layer."""

    relation: str
    facts: int
    counts: Sequence[int]

    @property
    def shares(self) -> list[float]:
        """The share of each layer, from 0 to 1."""
        return [count / max(1, sum(self.counts)) for count in self.counts]


@dataclass(frozen=True, slots=True)
class Neurons:
    """Everything the page says of neurons.

    Attributes:
        rows: those that serve most facts first.
        filters: what the rows can be filtered by.
        left_out: how many neurons are not listed.
        matrix: the relations with most facts first; `relations_left_out` are not listed.
        shared: how many neurons serve two facts or more, of `total`.
    """

    rows: Sequence[NeuronRow]
    filters: Sequence[Filter]
    left_out: int
    matrix: Sequence[RelationRow]
    relations_left_out: int
    shared: int
    total: int

    @property
    def listed(self) -> set[Neuron]:
        """The neurons that have a row."""
        return {row.neuron for row in self.rows}


def neurons_of(reading: Reading) -> Neurons | None:
    """The neurons of all facts; None without any."""
    table = reading.neurons
    if table.empty:
        return None
    grouped = table.groupby(["layer", "index"], sort=True)
    served = grouped.agg(facts=("fact_id", "size"), score=("score", "mean")).reset_index()
    served = served.sort_values(["facts", "score"], ascending=False, kind="stable", ignore_index=True)
    listed = served.head(LISTED_NEURONS)
    own = table.merge(listed[["layer", "index"]], on=["layer", "index"])
    own = own.sort_values(["score", "fact_id", "language"], ascending=[False, True, True], kind="stable")
    layers = Filter("Layer", [str(layer) for layer in sorted(own["layer"].unique().tolist())])
    filters = [each for each in (layers, Filter("Relation", by_frequency(own["relation"]))) if len(each.values) > 1]
    numbered = _numbered(reading)
    by_neuron = {Neuron(*map(int, name)): rows for name, rows in own.groupby(["layer", "index"])}  # type: ignore[arg-type]
    by_place = [
        Neuron(layer, index) for layer, index in zip(listed["layer"].tolist(), listed["index"].tolist(), strict=True)
    ]
    matrix, relations_left_out = _matrix(reading)
    return Neurons(
        [_row(reading, neuron, by_neuron[neuron], filters, numbered) for neuron in by_place],
        filters,
        len(served) - len(listed),
        matrix,
        relations_left_out,
        int((served["facts"] > 1).sum()),
        len(served),
    )


def _numbered(reading: Reading) -> dict[FactKey, NamedFact]:
    rows = records(reading.facts.head(LISTED_FACTS)[["fact_id", "language", "subject", "answer"]])
    return {(row["fact_id"], row["language"]): NamedFact(number, row) for number, row in enumerate(rows, start=1)}


def _row(
    reading: Reading,
    neuron: Neuron,
    own: pd.DataFrame,
    filters: Sequence[Filter],
    numbered: Mapping[FactKey, NamedFact],
) -> NeuronRow:
    relations = by_frequency(own["relation"])
    named = [numbered[key] for key in keys(own) if key in numbered][:_NAMED_FACTS]
    promotes, suppresses = reading.written.get(neuron, ((), ()))
    values = {"Layer": [str(neuron.layer)], "Relation": relations}
    return NeuronRow(
        neuron=neuron,
        facts=len(own),
        score=float(own["score"].mean()),
        promotes=promotes[:_TOKENS],
        suppresses=suppresses[:_TOKENS],
        named=named,
        more=len(own) - len(named),
        relations=relations[:_NAMED_RELATIONS],
        more_relations=max(0, len(relations) - _NAMED_RELATIONS),
        filters=tuple(",".join(str(each.values.index(value)) for value in values[each.name]) for each in filters),
    )


def _matrix(reading: Reading) -> tuple[list[RelationRow], int]:
    facts = Counter(reading.facts["relation"].tolist())
    counts: dict[str, Counter[int]] = {}
    for relation, layer in zip(reading.neurons["relation"], reading.neurons["layer"], strict=True):
        counts.setdefault(relation, Counter())[int(layer)] += 1
    listed = [relation for relation, _ in facts.most_common() if relation in counts]
    rows = [
        RelationRow(relation, facts[relation], [counts[relation][layer] for layer in range(reading.layers)])
        for relation in listed[:_LISTED_RELATIONS]
    ]
    return rows, max(0, len(listed) - _LISTED_RELATIONS)

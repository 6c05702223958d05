"""Degenerate knowledge neurons of many facts, as a collection and as data frames with documented columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.types import DETAILS, Component, DegenerateNeurons
from factneurons.errors import BadFact

FACT_COLUMNS: dict[str, str] = {
    "fact_id": "the fact's id",
    "language": "the fact's language",
    "relation": "the fact's relation",
    "grouping": "distinct, arbitrary or no-groups: evidence, of which storage is the verdict",
    "storage": "how the fact is stored: degenerate, redundant, interchangeable, conjunctive, shared, single or none",
    "reason": 'why there is no degenerate knowledge neuron; "" where there is one',
    "components": "how many components passed the tests",
    "candidates": "how many clusters were tested",
    "neurons": "how many neurons the components hold",
    "coverage": "share of the fact's knowledge neurons that the components hold",
    "drop_all": "relative loss of P(answer) with all components suppressed",
    "degeneracy_index": "1: any one component suffices; 0: all are needed",
    "p_value": "against random partitions of the same sizes, the larger of the two p-values",
    **DETAILS,
}
"""Columns of `DegeneracyTable.to_frame`, one row per fact: name -> meaning."""

COMPONENT_COLUMNS: dict[str, str] = {
    "fact_id": "the fact's id",
    "language": "the fact's language",
    "component": "number of the cluster within its fact, from 0",
    "passed": "whether it is a component; else it is a candidate that failed",
    "size": "how many neurons it holds",
    "neurons": "its neurons, a list of [layer, index]",
    "layers": "the layers they are in, a list",
    "birth": "the distance at which the cluster formed; NaN where the clusterer has no tree",
    "death": "the distance at which it merged into a larger one; NaN where the clusterer has no tree",
    "persistence": "death - birth",
    "mean_distance": "mean finite distance between its neurons",
    "drop_alone": "relative loss of P(answer) when only this cluster is suppressed (F1)",
    "drop_without_candidates": "relative loss when all other candidates are suppressed",
    "drop_without_components": "relative loss when all other components are suppressed (F2); NaN if not passed",
}
"""Columns of `DegeneracyTable.components_frame`, one row per candidate: name -> meaning."""

BARCODE_COLUMNS: dict[str, str] = {
    "fact_id": "the fact's id",
    "language": "the fact's language",
    "birth": "the distance at which the cluster formed",
    "death": "the distance at which it merged into a larger one",
    "persistence": "death - birth",
    "size": "how many neurons it holds",
    "chosen": "whether clustering chose it",
}
"""Columns of `DegeneracyTable.barcode_frame`, one row per cluster of the tree: name -> meaning."""


@dataclass(frozen=True, slots=True)
class DegeneracyTable:
    """The degenerate knowledge neurons of many facts, in the order they were asked.

    Iterate over it, take its length, or look a fact up by its id, or by (id, language) where several
    languages share the id.

    Raises:
        BadFact: a fact (id and language) that comes twice.
    """

    rows: tuple[DegenerateNeurons, ...]
    settings: DegeneracySettings

    def __post_init__(self) -> None:
        seen: set[tuple[str, str]] = set()
        for row in self.rows:
            name = (row.fact.id, row.fact.language)
            if name in seen:
                raise BadFact(f"fact {name[0]!r} ({name[1]}): it comes twice; give every fact once")
            seen.add(name)

    def __iter__(self) -> Iterator[DegenerateNeurons]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str | tuple[str, str]) -> DegenerateNeurons:
        """The row of a fact, by id or by (id, language).

        Raises:
            BadFact: no such fact, or an id alone where several languages have it.
        """
        wanted, language = (name, None) if isinstance(name, str) else name
        found = [row for row in self.rows if row.fact.id == wanted and language in (None, row.fact.language)]
        if not found:
            raise BadFact(f"fact {name!r}: it is not among the {len(self.rows)} of this table")
        if len(found) > 1:
            languages = ", ".join(row.fact.language for row in found)
            raise BadFact(f"fact {name!r}: it is here in {languages}; ask with (id, language)")
        return found[0]

    def to_frame(self) -> pd.DataFrame:
        """One row per fact; the columns are those of `FACT_COLUMNS`."""
        return pd.DataFrame([_fact_row(row) for row in self.rows], columns=list(FACT_COLUMNS))

    def components_frame(self) -> pd.DataFrame:
        """One row per candidate, passed or not; the columns are those of `COMPONENT_COLUMNS`."""
        rows = [
            _component_row(row, number, candidate)
            for row in self.rows
            for number, candidate in enumerate(row.candidates)
        ]
        return pd.DataFrame(rows, columns=list(COMPONENT_COLUMNS))

    def barcode_frame(self) -> pd.DataFrame:
        """One row per cluster of the trees; the columns are those of `BARCODE_COLUMNS`."""
        rows = [
            {
                "fact_id": row.fact.id,
                "language": row.fact.language,
                "birth": bar.birth,
                "death": bar.death,
                "persistence": bar.persistence,
                "size": len(bar.neurons),
                "chosen": bar.chosen,
            }
            for row in self.rows
            for bar in row.barcode
        ]
        return pd.DataFrame(rows, columns=list(BARCODE_COLUMNS))


def _fact_row(row: DegenerateNeurons) -> dict[str, object]:
    return {
        "fact_id": row.fact.id,
        "language": row.fact.language,
        "relation": row.fact.relation,
        "grouping": row.grouping,
        "storage": row.storage,
        "reason": row.reason,
        "components": len(row.components),
        "candidates": len(row.candidates),
        "neurons": len(row.neurons),
        "coverage": row.coverage,
        "drop_all": row.drop_all,
        "degeneracy_index": row.degeneracy_index,
        "p_value": row.p_value,
        **{name: row.details.get(name, float("nan")) for name in DETAILS},
    }


def _component_row(row: DegenerateNeurons, number: int, candidate: Component) -> dict[str, object]:
    passed = {component.neurons: component for component in row.components}
    component = passed.get(candidate.neurons)
    return {
        "fact_id": row.fact.id,
        "language": row.fact.language,
        "component": number,
        "passed": component is not None,
        "size": len(candidate.neurons),
        "neurons": [list(neuron) for neuron in candidate.neurons],
        "layers": list(candidate.layers),
        "birth": candidate.birth,
        "death": candidate.death,
        "persistence": candidate.persistence,
        "mean_distance": candidate.mean_distance,
        "drop_alone": candidate.drop_alone,
        "drop_without_candidates": candidate.drop_without_others,
        "drop_without_components": component.drop_without_others if component else float("nan"),
    }

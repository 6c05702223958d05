"""Rows of the intervention test, and the way back: from a run's rows to facts with their neurons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.runs.schema import Row
from factneurons.runs.store import Run

Rows = dict[str, list[Row]]


def intervention_row(
    fact: Fact,
    *,
    neurons: str,
    draw: int,
    action: str,
    other: Fact | None,
    size: int,
    before: float,
    after: float,
    prompts: int,
) -> Row:
    """One row of `interventions`."""
    return {
        "fact_id": fact.id,
        "language": fact.language,
        "relation": fact.relation,
        "neurons": neurons,
        "draw": draw,
        "action": action,
        "prompts": "related" if other is None else "unrelated",
        "other_fact_id": None if other is None else other.id,
        "size": size,
        "probability_before": before,
        "probability_after": after,
        "prompt_count": prompts,
    }


def merged(tables: Iterable[Rows]) -> Rows:
    """The rows of several facts, by table."""
    result: Rows = defaultdict(list)
    for rows in tables:
        for name, own in rows.items():
            result[name] += own
    return dict(result)


class LocatedNeuron(NamedTuple):
    """A knowledge neuron of a fact, with its score, its share of the prompts, and the round that found it."""

    neuron: Neuron
    score: float
    share: float
    round: int


def located_facts(run: Run) -> Iterator[tuple[Fact, dict[str, Any], list[LocatedNeuron]]]:
    """Every fact of a run's `locate` stage: the fact, its row, and its neurons in their order."""
    for tables in run.committed("locate", "facts", "neurons"):
        neurons: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for row in tables["neurons"]:
            neurons[row["fact_id"], row["language"]].append(row)
        for row in tables["facts"]:
            own = sorted(neurons[row["fact_id"], row["language"]], key=lambda each: int(each["position"]))
            yield (
                _fact(row),
                row,
                [LocatedNeuron(Neuron(r["layer"], r["index"]), r["score"], r["share"], r["round"]) for r in own],
            )


def _neuron(row: Mapping[str, Any]) -> LocatedNeuron:
    return LocatedNeuron(Neuron(row["layer"], row["index"]), row["score"], row["share"], row["round"])


def degenerate_neurons_of(run: Run) -> Iterator[tuple[Fact, list[Neuron]]]:
    """Every fact whose components passed, with the neurons of all of them together."""
    components: dict[tuple[str, str], list[Neuron]] = {}
    for tables in run.committed("degenerate", "components"):
        for row in tables["components"]:
            if row["role"] == "component":
                own = components.setdefault((row["fact_id"], row["language"]), [])
                own += [Neuron(each["layer"], each["index"]) for each in row["neurons"]]
    for fact, _, _ in located_facts(run):
        if (fact.id, fact.language) in components:
            yield fact, sorted(components[fact.id, fact.language])


def _fact(row: Mapping[str, Any]) -> Fact:
    return Fact(
        id=row["fact_id"],
        relation=row["relation"],
        subject=row["subject"],
        answer=row["answer"],
        language=row["language"],
        prompts=tuple(Prompt(text) for text in row["prompts"]),
        date=row["date"],
        source=row["source"],
    )

"""The way back from a run's rows to what they were made of: facts with their neurons, components, pairs, numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron, Positions
from factneurons.runs.store import Run


class LocatedNeuron(NamedTuple):
    """A knowledge neuron of a fact, with its score, its share of the prompts, and the round that found it."""

    neuron: Neuron
    score: float
    share: float
    round: int


def positions_of(run: Run) -> Positions:
    """Where the neurons of a run's facts are meant: located, tested and grouped (`Query.positions`)."""
    found: Positions = run.manifest.stages["locate"].settings.get("attribution", {}).get("positions", "target")
    return found


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


def pairs_of_run(run: Run) -> Iterator[tuple[tuple[str, str], list[Neuron], bool]]:
    """(fact_id, language), the two neurons, and whether enough prompts agree on the pair."""
    for row in run.rows("pairs"):
        neurons = [Neuron(each["layer"], each["index"]) for each in row["neurons"]]
        yield (row["fact_id"], row["language"]), neurons, row["agreed"]


def speakers_of(row: Mapping[str, object]) -> list[tuple[str, float]]:
    """The neurons of a row of `checks` (layer/index) with their shares, those that say most first."""
    named = row["speakers"]
    if named is None:
        return []
    pairs = [(str(each["name"]), float(each["value"])) for each in named]  # type: ignore[attr-defined]
    return sorted(pairs, key=lambda pair: (-abs(pair[1]), pair[0]))


def joined_sets(run: Run) -> dict[str, dict[str, list[Neuron]]]:
    """Fact id -> the neurons that are language-independent (under ""), and those of each language."""
    found: dict[str, dict[str, list[Neuron]]] = {}
    for tables in run.committed("languages", "languages", "language_neurons"):
        for row in tables["languages"]:
            names = ["", *(each["name"] for each in row["sizes"])]
            found[row["fact_id"]] = {name: [] for name in names}
        for row in tables["language_neurons"]:
            neuron = Neuron(row["layer"], row["index"])
            for name in [*row["languages"], *([""] if row["shared"] else [])]:
                found[row["fact_id"]][name].append(neuron)
    return found


def measurements_of(run: Run, experiment: str) -> pd.DataFrame:
    """The rows of one experiment.

    Raises:
        BadRun: a part is missing or damaged.
    """
    table = run.table("measurements")
    return table[table["experiment"] == experiment].reset_index(drop=True)


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

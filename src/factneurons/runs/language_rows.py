"""Rows of facts joined over languages, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from factneurons.facts.types import Fact
from factneurons.models.types import Neuron
from factneurons.multilingual.types import LanguageIndependent
from factneurons.runs.reading import Rows, intervention_row
from factneurons.runs.schema import Row
from factneurons.runs.store import Run
from factneurons.runs.tables.languages import ALL


def language_rows(found: LanguageIndependent, cuts: Sequence[float]) -> Rows:
    """Rows of `languages` and `language_neurons` for one fact.

    Args:
        found: the fact, joined over languages.
        cuts: the cut of each of its languages.
    """
    key = {"fact_id": found.fact_id, "language": ALL}
    row: Row = {
        **key,
        "relation": found.known[0].fact.relation,
        "rule": found.rule,
        "needed": found.needed,
        "sizes": dict(zip(found.languages, found.sizes, strict=True)),
        "cuts": dict(zip(found.languages, cuts, strict=True)),
        "neurons": found.neurons,
        "size": len(found.neurons),
        "jaccard": found.jaccard,
        "expected": found.expected,
        "p_value": found.p_value,
        "exact": found.exact,
        "reason": found.reason,
    }
    shared = set(found.neurons)
    anywhere = sorted(shared.union(*(each.neurons for each in found.known)))
    neurons: list[Row] = [
        {
            **key,
            "layer": neuron.layer,
            "index": neuron.index,
            "languages": list(found.holders(neuron)),
            "shared": neuron in shared,
        }
        for neuron in anywhere
    ]
    return {"languages": [row], "language_neurons": neurons}


def language_effect_row(neurons_of: str, **measured: Any) -> Row:
    """One row of `language_effects`: whose neurons they are, and what `intervention_row` takes."""
    return {**intervention_row(**measured), "neurons_of": neurons_of}


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


def fact_in_all(facts: Sequence[Fact]) -> Fact:
    """A fact in all its languages, as one fact of the language `ALL`."""
    first = facts[0]
    return Fact(
        id=first.id,
        relation=first.relation,
        subject=first.subject,
        answer=first.answer,
        language=ALL,
        prompts=tuple(prompt for fact in facts for prompt in fact.prompts),
        date=first.date,
        source=first.source,
    )

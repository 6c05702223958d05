"""Rows of fact-checking, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from factneurons.degeneracy.types import DegeneratePairs
from factneurons.factcheck.statements import Statement
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron
from factneurons.runs.schema import Row
from factneurons.runs.store import Run


@dataclass(frozen=True, slots=True)
class Scored:
    """A statement with its score under one condition: what a row of `checks` holds beside the fact's own columns.

    Attributes:
        statement: the statement.
        truth: whether it is right.
        split: "train" or "test".
        known: whether the model knows the fact.
        condition: the condition's name.
        score: the score; NaN: none.
        draw: the draw of random neurons.
        speakers: the neurons that say most, with their shares.
    """

    statement: Statement
    truth: bool
    split: str
    known: bool
    condition: str
    score: float
    draw: int = 0
    speakers: Sequence[tuple[Neuron, float]] = field(default=())


def check_row(scored: Scored) -> Row:
    """One row of `checks`."""
    statement = scored.statement
    return {
        "fact_id": statement.fact_id,
        "language": statement.language,
        "relation": statement.relation,
        "subject": statement.subject,
        "split": scored.split,
        "known": scored.known,
        "prompt": statement.prompt.text,
        "candidate": statement.candidate,
        "truth": scored.truth,
        "condition": scored.condition,
        "draw": scored.draw,
        "score": scored.score,
        "speakers": {f"{neuron.layer}/{neuron.index}": share for neuron, share in scored.speakers},
    }


def pair_rows(fact: Fact, found: DegeneratePairs) -> list[Row]:
    """One row of `pairs` for every pair that any prompt of a fact has."""
    counts: dict[tuple[Neuron, Neuron], int] = {}
    for prompt in found.prompts:
        for pair in prompt.pairs:
            counts[pair] = counts.get(pair, 0) + 1
    agreed = {pair.neurons for pair in found.pairs}
    return [
        {
            "fact_id": fact.id,
            "language": fact.language,
            "relation": fact.relation,
            "neurons": pair,
            "prompts": count,
            "agreed": pair in agreed,
        }
        for pair, count in counts.items()
    ]


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

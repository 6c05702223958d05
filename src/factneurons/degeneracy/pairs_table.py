"""What the search for degenerate pairs returns, and the same as data frames with documented columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from factneurons.facts.types import Fact
from factneurons.models.types import Neuron, Query

if TYPE_CHECKING:
    from factneurons.degeneracy.settings import PairSettings

PAIR_REASONS: dict[str, str] = {
    "too-few-neurons": "fewer than two knowledge neurons",
    "zero-probability": "the model gives the answer no probability, so nothing can be lost",
    "fewer-than-two-potentials": "for no prompt there are two neurons that can each be spared",
    "no-pair-is-needed": "no two neurons that can each be spared are missed together",
    "prompts-disagree": "prompts have pairs, but too few prompts have the same ones",
}
"""Why a fact has no degenerate pair: code -> meaning, in the order they are looked at."""

PAIR_COLUMNS: dict[str, str] = {
    "fact_id": "the fact's id",
    "language": "the fact's language",
    "relation": "the fact's relation",
    "first_layer": "layer of the pair's first neuron, the one with the higher score",
    "first_index": "its index",
    "second_layer": "layer of the second neuron",
    "second_index": "its index",
    "drop_first": "loss of P(answer) when only the first is suppressed, mean over the prompts that found the pair",
    "drop_second": "loss when only the second is suppressed",
    "drop_together": "loss when both are suppressed",
    "share": "share of the fact's prompts that found the pair",
}
"""Columns of `PairTable.to_frame`, one row per pair: name -> meaning."""

PAIR_FACT_COLUMNS: dict[str, str] = {
    "fact_id": "the fact's id",
    "language": "the fact's language",
    "relation": "the fact's relation",
    "pairs": "how many pairs enough prompts agree on",
    "pairs_of_any_prompt": "how many different pairs at least one prompt has",
    "potentials": "mean number of neurons per prompt that can be spared alone",
    "considered": "how many knowledge neurons were looked at, those with the best scores",
    "left_out": "how many more the fact has, beyond the cap",
    "probability": "P(answer) with nothing suppressed, mean over the prompts",
    "reason": 'why there is no pair; "" where there is one',
}
"""Columns of `PairTable.facts_frame`, one row per fact: name -> meaning."""


@dataclass(frozen=True, slots=True)
class DegeneratePair:
    """Two neurons that can each be spared, but not both.

    Attributes:
        neurons: the pair, the neuron with the higher score first.
        drops_alone: losses of P(answer) with the first, and with the second, suppressed; mean over the prompts
            that found the pair, relative or absolute as in the settings.
        drop_together: the loss with both suppressed, likewise.
        share: share of the fact's prompts that found it.
    """

    neurons: tuple[Neuron, Neuron]
    drops_alone: tuple[float, float]
    drop_together: float
    share: float


@dataclass(frozen=True, slots=True)
class PromptPairs:
    """What one prompt has: P(answer) untouched, the neurons that can be spared alone, and the pairs."""

    query: Query
    probability: float
    potentials: tuple[Neuron, ...]
    pairs: tuple[tuple[Neuron, Neuron], ...]


@dataclass(frozen=True, slots=True)
class DegeneratePairs:
    """The degenerate pairs of one fact.

    Attributes:
        fact: the fact.
        pairs: those that enough prompts agree on, by falling share and loss.
        prompts: what every prompt has by itself.
        probability: P(answer) untouched, mean over the prompts; NaN if the model was not asked.
        considered: how many knowledge neurons were looked at.
        left_out: how many more the fact has, beyond the cap.
        reason: why there is no pair ("" where there is one); a key of `PAIR_REASONS`.
        settings: how they were searched for.
    """

    fact: Fact
    pairs: tuple[DegeneratePair, ...]
    prompts: tuple[PromptPairs, ...]
    probability: float
    considered: int
    left_out: int
    reason: str
    settings: PairSettings

    @property
    def neurons(self) -> tuple[Neuron, ...]:
        """The neurons of all pairs, sorted, each once."""
        return tuple(sorted({neuron for pair in self.pairs for neuron in pair.neurons}))


@dataclass(frozen=True, slots=True)
class PairTable:
    """The degenerate pairs of many facts, in the order they were asked; iterate over it, or index it by place."""

    rows: tuple[DegeneratePairs, ...]

    def __iter__(self) -> Iterator[DegeneratePairs]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> DegeneratePairs:
        return self.rows[place]

    def to_frame(self) -> pd.DataFrame:
        """One row per pair; the columns are those of `PAIR_COLUMNS`."""
        rows = [
            (
                *(row.fact.id, row.fact.language, row.fact.relation),
                *(*pair.neurons[0], *pair.neurons[1]),
                *(*pair.drops_alone, pair.drop_together, pair.share),
            )
            for row in self.rows
            for pair in row.pairs
        ]
        return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))

    def facts_frame(self) -> pd.DataFrame:
        """One row per fact, with pairs or without; the columns are those of `PAIR_FACT_COLUMNS`."""
        rows = [
            (
                *(row.fact.id, row.fact.language, row.fact.relation),
                len(row.pairs),
                len({pair for prompt in row.prompts for pair in prompt.pairs}),
                sum(len(prompt.potentials) for prompt in row.prompts) / max(1, len(row.prompts)),
                *(row.considered, row.left_out, row.probability, row.reason),
            )
            for row in self.rows
        ]
        return pd.DataFrame(rows, columns=list(PAIR_FACT_COLUMNS))

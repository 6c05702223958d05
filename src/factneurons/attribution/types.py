"""What attribution returns: scores for one query, chosen neurons for one fact."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from factneurons.facts.saved import Saved
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron, Query, Refusal, Written
from factneurons.statistics import LEAST_PROBABILITY

AnyFloats = npt.NDArray[np.floating]
AnyInts = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Scores of every neuron for one query.

    Attributes:
        scores: [layers, width], in units of probability (or of the chosen target).
        method: the method's name, for instance "amig".
        rule: the quadrature rule's name.
        probability: P(answer), untouched.
        baseline_probability: [layers], the target function at the baseline (mean over baselines).
        completeness_error: [layers], |sum of scores - (F(activation) - F(baseline))|, the largest over
            baselines; NaN for methods that promise no completeness.
        completeness_ratio: [layers], the same divided by |F(activation) - F(baseline)|.
        points: [layers], path points spent per baseline.
        query: what was asked.
    """

    scores: AnyFloats
    method: str
    rule: str
    probability: float
    baseline_probability: AnyFloats
    completeness_error: AnyFloats
    completeness_ratio: AnyFloats
    points: AnyInts
    query: Query


@dataclass(frozen=True, slots=True)
class KnowledgeNeurons(Saved):
    """The neurons chosen for one fact, best first.

    `save(path)` keeps them in a JSON file, `load(path)` reads it. Their queries are the tokens of their model, whose
    name and hashes only an export has (`export_neurons(known, "json", path, model=model)`).

    Attributes:
        fact: the fact.
        neurons: the chosen neurons, by falling score.
        scores: their scores: the mean over the prompts whose coarse set holds the neuron.
        shares: the share of the prompts whose coarse set holds the neuron, from 0 to 1.
        queries: the prompts that were asked of the model.
        method: the attribution method.
        threshold: the fraction of the maximum that a score had to reach.
        refined: whether several prompts had to agree; False when only one prompt could be asked.
        probability: P(answer), mean over the queries.
        rank: the best rank of the answer over the queries (1: the model knows it).
        rounds: the round in which each neuron was found; (): all in the first.
    """

    fact: Fact
    neurons: tuple[Neuron, ...]
    scores: tuple[float, ...]
    shares: tuple[float, ...]
    queries: tuple[Query, ...]
    method: str
    threshold: float
    refined: bool
    probability: float
    rank: int
    rounds: tuple[int, ...] = ()

    @property
    def round_of_each(self) -> tuple[int, ...]:
        """The round of the search that found each neuron, from 1."""
        return self.rounds or (1,) * len(self.neurons)


@dataclass(frozen=True, slots=True)
class Completeness:
    """The completeness of one prompt's attribution, without its scores (fields as in `Attribution`)."""

    query: Query
    completeness_error: tuple[float, ...]
    completeness_ratio: tuple[float, ...]
    baseline_probability: tuple[float, ...]
    points: tuple[int, ...]
    probability: float


@dataclass(frozen=True, slots=True)
class Located:
    """What was found for one fact.

    Attributes:
        fact: the fact.
        known: its knowledge neurons; None if none of its prompts could be asked.
        completeness: per asked prompt.
        refusals: the prompts that could not be asked.
        answer_tokens: the answer as the model's tokens; none if no prompt could be asked.
        seconds: its share of the time of its batch.
        written: what each of its neurons writes, in their order; (): not read.
    """

    fact: Fact
    known: KnowledgeNeurons | None
    completeness: tuple[Completeness, ...]
    refusals: tuple[Refusal, ...]
    answer_tokens: tuple[str, ...]
    seconds: float
    written: tuple[Written | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one set of neurons does to one group of prompts.

    Attributes:
        fact: the fact whose neurons were changed.
        neurons: which ones, "knowledge" or "degenerate", or "random for ..." of them.
        draw: 0 for the found set, 1 and up for random sets.
        action: "suppress" or "enhance".
        other: the unrelated fact that was asked; None: the fact itself.
        size: how many neurons were changed.
        before, after: P(answer), mean over the prompts.
        prompts: how many prompts were asked.
        neurons_of: the language whose neurons they are, where they were found by language; "" otherwise.
        log_change: ln P(answer) after - before in nats, of every prompt, then their mean; NaN: P is 0 in one of them.
    """

    fact: Fact
    neurons: str
    draw: int
    action: str
    other: Fact | None
    size: int
    before: float
    after: float
    prompts: int
    neurons_of: str = ""
    log_change: float = math.nan

    @classmethod
    def of(
        cls,
        fact: Fact,
        probabilities: tuple[AnyFloats, AnyFloats],
        *,
        neurons: str,
        size: int,
        draw: int = 0,
        action: str = "suppress",
        other: Fact | None = None,
    ) -> Measurement:
        """From P(answer) of every prompt, [prompts] before and after."""
        before, after = probabilities
        with np.errstate(divide="ignore", invalid="ignore"):
            change = float(np.mean(np.log(after) - np.log(before)))
        return cls(
            fact=fact,
            neurons=neurons,
            draw=draw,
            action=action,
            other=other,
            size=size,
            before=float(np.mean(before)),
            after=float(np.mean(after)),
            prompts=len(before),
            log_change=change if math.isfinite(change) else math.nan,
        )

    @property
    def relative(self) -> float | None:
        """(after - before) / before; None where it was below `LEAST_PROBABILITY` before."""
        return (self.after - self.before) / self.before if self.before >= LEAST_PROBABILITY else None

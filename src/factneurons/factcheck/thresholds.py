"""From scores to verdicts: one rule for every condition.

A statement is true if its score reaches the threshold of its relation. The threshold is the one with the best F1 on
the training statements, half-way to the next score below; where a relation has fewer than `LEAST` of them, the one
with the best F1 over all relations. Probabilities come from the same statements by isotonic regression, under the
same rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from factneurons.errors import BadSetting
from factneurons.factcheck.types import Group
from factneurons.statistics import Numbers

Flags = npt.NDArray[np.bool_]

LEAST = 10
"""Training statements that a relation needs for a threshold of its own."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What turns a score into a verdict and a probability.

    Attributes:
        value: a statement whose score reaches it is judged true.
        scores, probabilities: [k], rising: the probability of being true at these scores, straight lines between.
        statements: how many training statements it rests on.
    """

    value: float
    scores: Numbers
    probabilities: Numbers
    statements: int

    def probability(self, scores: Numbers) -> Numbers:
        """P(true) of statements with these scores."""
        return np.interp(scores, self.scores, self.probabilities)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The thresholds of some groups of statements, and of all others.

    Attributes:
        own: group -> its threshold, where it has enough training statements.
        pooled: the threshold of all training statements together.
    """

    own: Mapping[Group, Threshold]
    pooled: Threshold

    def of(self, group: Group) -> Threshold:
        """The threshold of a group."""
        return self.own.get(group, self.pooled)


def choose_thresholds(groups: Sequence[Group], scores: Numbers, truth: Flags, least: int = LEAST) -> Thresholds:
    """Choose thresholds on training statements.

    Args:
        groups: [n], the relation (and language) of each statement.
        scores: [n].
        truth: [n].
        least: training statements that a group needs for a threshold of its own.

    Raises:
        BadSetting: no true, or no false statement.
    """
    if not truth.any() or truth.all():
        kind = "false" if truth.any() else "true"
        raise BadSetting(f"a threshold needs true and false training statements; there is no {kind} one")
    rows: dict[Group, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    own = {
        group: _threshold(scores[chosen], truth[chosen])
        for group, chosen in rows.items()
        if len(chosen) >= least and truth[chosen].any() and not truth[chosen].all()
    }
    return Thresholds(own, _threshold(scores, truth))


def _threshold(scores: Numbers, truth: Flags) -> Threshold:
    # One more true and one more false statement keep the ends away from certainty.
    from sklearn.isotonic import IsotonicRegression  # here, because reports need thresholds and not this second

    fitted = IsotonicRegression().fit(
        np.concatenate([scores, [scores.min(), scores.max()]]), np.concatenate([truth, [True, False]]).astype(float)
    )
    return Threshold(
        best_threshold(scores, truth),
        np.asarray(fitted.X_thresholds_, dtype=np.float64),
        np.asarray(fitted.y_thresholds_, dtype=np.float64),
        len(scores),
    )


def best_threshold(scores: Numbers, truth: Flags) -> float:
    """The threshold with the best F1, half-way between two scores; of equally good ones the lowest.

    Where everything had better be judged true, it lies just below the lowest score.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    found = np.cumsum(truth[order])[ends]
    values = 2 * found / (truth.sum() + ends + 1)
    best = int(np.flatnonzero(values >= values.max() - 1e-12)[-1])
    here = float(ordered[ends[best]])
    if best + 1 == len(ends):
        return float(np.nextafter(here, -np.inf))
    middle = (here + float(ordered[ends[best + 1]])) / 2
    return middle if middle < here else here

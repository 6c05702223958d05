"""How good a check is: counts, precision, recall, F1, AUROC, average precision, calibration.

The positive class is "true". With TP true statements judged true, FP false ones judged true, FN true ones judged false:

    precision = TP / (TP + FP),  recall = TP / (TP + FN),  F1 = 2 TP / (2 TP + FP + FN)

A ratio of nothing by nothing is 0: a check that calls nothing true finds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from factneurons.statistics import Numbers

Flags = npt.NDArray[np.bool_]

BINS = 10
"""Bins of a calibration curve."""


def precision(truth: Flags, judged: Flags) -> float:
    """Of what was judged true, the share that is."""
    return _ratio(np.count_nonzero(truth & judged), np.count_nonzero(judged))


def recall(truth: Flags, judged: Flags) -> float:
    """Of what is true, the share that was judged so."""
    return _ratio(np.count_nonzero(truth & judged), np.count_nonzero(truth))


def f1(truth: Flags, judged: Flags) -> float:
    """The harmonic mean of precision and recall."""
    return _ratio(np.int64(2 * np.count_nonzero(truth & judged)), np.count_nonzero(truth) + np.count_nonzero(judged))


def _ratio(part: np.integer[Any], whole: np.integer[Any]) -> float:
    return float(part / whole) if whole else 0.0


def auroc(truth: Flags, scores: Numbers) -> float:
    """The chance that a true statement scores higher than a false one, ties counted half; NaN without either."""
    from scipy.stats import rankdata  # here, because it takes longer to load than all else of this room

    positives = int(np.count_nonzero(truth))
    negatives = len(truth) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(truth: Flags, scores: Numbers) -> float:
    """The mean of precision over recall's steps, equal scores taken together; NaN without a true statement."""
    if not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = np.cumsum(truth[order])[ends]
    steps = np.diff(found, prepend=0) / found[-1]
    return float((steps * found / (ends + 1)).sum())


def roc(truth: Flags, scores: Numbers) -> tuple[Numbers, Numbers]:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = np.concatenate([[0], np.cumsum(truth[order])[ends]])
    wrong = np.concatenate([[0], np.cumsum(~truth[order])[ends]])
    return wrong / max(1, int(wrong[-1])), found / max(1, int(found[-1]))


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Statements whose probability lies in one bin: its mean, the share that is true, and how many there are."""

    predicted: float
    true: float
    count: int


def calibration_curve(truth: Flags, probabilities: Numbers, bins: int = BINS) -> list[CalibrationBin]:
    """Equal bins of probability; empty ones are left out."""
    places = np.minimum((probabilities * bins).astype(int), bins - 1)
    curve = []
    for place in range(bins):
        inside = places == place
        if inside.any():
            predicted, true = float(probabilities[inside].mean()), float(truth[inside].mean())
            curve.append(CalibrationBin(predicted, true, int(inside.sum())))
    return curve


def expected_calibration_error(truth: Flags, probabilities: Numbers, bins: int = BINS) -> float:
    """The mean distance of predicted and true shares over the bins, weighed by their counts."""
    curve = calibration_curve(truth, probabilities, bins)
    return sum(each.count * abs(each.predicted - each.true) for each in curve) / len(truth)

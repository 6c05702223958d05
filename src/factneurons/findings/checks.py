"""How well every condition tells right from wrong statements: from rows of scores to measures with intervals.

Thresholds and probabilities are chosen on training statements of facts that the model knows, and judged on test
statements; the subjects of the two are different ones. Facts that the model does not know are a table of their own.
All conditions of a table judge the same statements. Random neurons: the mean over their draws.

About a statement in the very prompt that makes its fact a known one (or an unknown one), asking the model is right (or
wrong) by design: such facts are counted, and where there are no others nothing can be told of asking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from factneurons.factcheck import measures
from factneurons.factcheck.conditions import CONDITIONS, HEADLINE
from factneurons.factcheck.thresholds import choose_thresholds
from factneurons.statistics import Finding, Interval, Numbers, bootstrap_interval

Flags = npt.NDArray[np.bool_]

DRAWS = 500
"""Bootstrap samples of an interval."""

RANDOM = "random"
"""The condition of random neurons."""

ASKING = "asking"
"""The condition about which the design may decide."""

_FIXED = 2
_FACT = ["fact_id", "language"]


@dataclass(frozen=True, slots=True)
class Judged:
    """Test statements under one condition.

    Attributes:
        condition: its name.
        known: whether the model knows the facts they are about.
        frame: one row per statement: fact_id, language, relation, subject, prompt, candidate, truth, speakers.
        judged, scores, probabilities: [statements, draws].
        thresholds: [statements, draws].
    """

    condition: str
    known: bool
    frame: pd.DataFrame
    judged: Flags
    scores: Numbers
    probabilities: Numbers
    thresholds: Numbers

    @property
    def truth(self) -> Flags:
        """Which statements are right, [statements]."""
        return self.frame["truth"].to_numpy(bool)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How well one condition does; every measure with its interval, subjects resampled.

    Attributes:
        judged: the statements it rests on.
        facts: how many facts they are about.
        left_out: facts of the test that some condition of the table has no score for.
        measures: name of MEASURES -> its value, beside that of random neurons.
        by_design: about how many of the facts the design decides, not the model.
    """

    judged: Judged
    facts: int
    left_out: int
    measures: dict[str, Finding]
    by_design: int = 0

    @property
    def title(self) -> str:
        """What the condition is called; and that nothing can be told of it, where the design decides all."""
        return title_of(self.judged.condition) + ("" if self.could_tell else " (by design)")

    @property
    def could_tell(self) -> bool:
        """Whether the model decides about any fact."""
        return self.by_design < self.facts


def title_of(condition: str) -> str:
    """What a condition is called."""
    return CONDITIONS[condition].title


def training_rows(checks: pd.DataFrame) -> pd.DataFrame:
    """The rows of `checks` that thresholds are chosen on."""
    return checks[(checks["split"] == "train") & checks["known"] & checks["score"].notna()]


def judged_of(checks: pd.DataFrame) -> list[Judged]:
    """The test statements of every condition, those about known facts first; in the order of CONDITIONS.

    Args:
        checks: the table `checks`.
    """
    train = dict(list(training_rows(checks).groupby("condition")))
    test = checks[(checks["split"] == "test") & checks["score"].notna()]
    result = []
    for known in (True, False):
        part = test[test["known"] == known]
        for name in CONDITIONS:
            own = part[part["condition"] == name]
            if len(own):
                result.append(_judged(name, known, own, train.get(name)))
    return result


def _judged(name: str, known: bool, test: pd.DataFrame, train: pd.DataFrame | None) -> Judged:
    by = [*_FACT, "truth"]
    frame = test[test["draw"] == 0].sort_values(by, ignore_index=True)
    columns: dict[str, list[Numbers]] = {"score": [], "threshold": [], "probability": []}
    groups = list(zip(frame["relation"], frame["language"], strict=True))
    for draw, own in test.sort_values(by).groupby("draw"):
        scores = own["score"].to_numpy(np.float64)
        columns["score"].append(scores)
        trained = None if train is None else train[train["draw"] == draw]
        if trained is None or not len(trained):
            columns["threshold"].append(np.full(len(scores), np.nan))
            columns["probability"].append(np.full(len(scores), np.nan))
            continue
        chosen = choose_thresholds(
            list(zip(trained["relation"], trained["language"], strict=True)),
            trained["score"].to_numpy(np.float64),
            trained["truth"].to_numpy(bool),
        )
        own_thresholds = [chosen.of(group) for group in groups]
        columns["threshold"].append(np.array([each.value for each in own_thresholds]))
        found = [threshold.probability(scores[[row]])[0] for row, threshold in enumerate(own_thresholds)]
        columns["probability"].append(np.array(found))
    scores, thresholds, probabilities = (np.column_stack(columns[key]) for key in columns)
    return Judged(name, known, frame, scores >= thresholds, scores, probabilities, thresholds)


def results_of(checks: pd.DataFrame, *, draws: int = DRAWS) -> list[CheckResult]:
    """How well every condition does on known facts, then on unknown ones; [] without test statements.

    Args:
        checks: the table `checks`.
        draws: bootstrap samples.
    """
    result = []
    everything = judged_of(checks)
    for known in (True, False):
        judged = [each for each in everything if each.known == known]
        common = _common(judged) if known else None
        total = checks[(checks["split"] == "test") & (checks["known"] == known)].groupby(_FACT).ngroups
        own = [each if common is None else _restricted(each, common) for each in judged]
        measured = {each.condition: _measured(each, draws) for each in own if len(each.frame)}
        for each in own:
            if each.condition in measured:
                facts = each.frame.groupby(_FACT).ngroups
                beside = _beside_random(measured, each.condition, known)
                result.append(CheckResult(each, facts, total - facts, beside, _by_design(each)))
    return result


def _by_design(judged: Judged) -> int:
    """How many facts are asked about in the prompt that decides whether they are known."""
    if judged.condition != ASKING:
        return 0
    facts = judged.frame.drop_duplicates(_FACT)
    return int((facts["apart"] != True).sum())  # noqa: E712  # missing in runs of earlier versions: it may be the same


def _beside_random(measured: Mapping[str, Mapping[str, Interval]], condition: str, known: bool) -> dict[str, Finding]:
    random = {} if condition == RANDOM else measured.get(RANDOM, {})
    under: dict[str, str | int] = {"condition": condition, "facts": "known" if known else "not known"}
    return {name: Finding(name, value, under, random.get(name)) for name, value in measured[condition].items()}


def _common(judged: Sequence[Judged]) -> set[tuple[str, str]]:
    """The facts that every headline condition with any score has scores for."""
    sets = [set(_names(each.frame)) for each in judged if each.condition in HEADLINE]
    return set.intersection(*sets) if sets else set()


def _names(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(frame["fact_id"], frame["language"], strict=True))


def _restricted(judged: Judged, facts: set[tuple[str, str]]) -> Judged:
    rows = np.array([name in facts for name in _names(judged.frame)], dtype=bool)
    return Judged(
        judged.condition,
        judged.known,
        judged.frame[rows].reset_index(drop=True),
        judged.judged[rows],
        judged.scores[rows],
        judged.probabilities[rows],
        judged.thresholds[rows],
    )


# Measures of a matrix [statements, 2 + 3 draws]: truth, relation, then judged, scores and probabilities of every draw.


def _parts(values: Numbers) -> tuple[Flags, Numbers, Flags, Numbers, Numbers]:
    draws = (values.shape[1] - _FIXED) // 3
    judged, scores, probabilities = np.split(values[:, _FIXED:], [draws, 2 * draws], axis=1)
    return values[:, 0] > 0, values[:, 1], judged > 0, scores, probabilities


def _mean_of(measure: Callable[[Flags, Flags], float]) -> Callable[[Numbers], float]:
    def measured(values: Numbers) -> float:
        truth, _, judged, _, _ = _parts(values)
        return float(np.mean([measure(truth, column) for column in judged.T]))

    return measured


def _auroc(values: Numbers) -> float:
    from scipy.stats import rankdata  # here, because it takes longer to load than all else of this room

    truth, _, _, scores, _ = _parts(values)
    positives = np.count_nonzero(truth)
    negatives = len(truth) - positives
    ranks = rankdata(scores, axis=0)[truth].sum(axis=0)
    return float(np.mean((ranks - positives * (positives + 1) / 2) / (positives * negatives)))


def _average_precision(values: Numbers) -> float:
    truth, _, _, scores, _ = _parts(values)
    return float(np.mean([measures.average_precision(truth, column) for column in scores.T]))


def _brier(values: Numbers) -> float:
    truth, _, _, _, probabilities = _parts(values)
    return float(np.mean((probabilities - truth[:, None]) ** 2))


def _calibration_error(values: Numbers) -> float:
    truth, _, _, _, probabilities = _parts(values)
    return float(np.mean([measures.expected_calibration_error(truth, column) for column in probabilities.T]))


def _macro(measure: Callable[[Numbers], float]) -> Callable[[Numbers], float]:
    def measured(values: Numbers) -> float:
        return float(np.mean([measure(values[values[:, 1] == relation]) for relation in np.unique(values[:, 1])]))

    return measured


MEASURES: dict[str, tuple[str, Callable[[Numbers], float], bool]] = {
    "precision": ("of the statements judged true, the share that is", _mean_of(measures.precision), True),
    "recall": ("of the right statements, the share that is judged true", _mean_of(measures.recall), True),
    "F1": ("harmonic mean of precision and recall, all relations pooled", _mean_of(measures.f1), True),
    "macro F1": ("the mean of the relations' F1", _macro(_mean_of(measures.f1)), True),
    "AUROC": ("chance that a right statement scores above a wrong one, all relations pooled", _auroc, False),
    "macro AUROC": ("the same within relations, their mean", _macro(_auroc), False),
    "average precision": ("mean of precision over recall", _average_precision, False),
    "Brier score": ("mean squared error of the probability, lower is better, 0.25 by chance", _brier, True),
    "calibration error": ("mean distance of predicted and true shares, lower is better", _calibration_error, True),
}
"""Name -> meaning, the measure, and whether it needs a threshold."""


def _measured(judged: Judged, draws: int) -> dict[str, Interval]:
    relations = pd.factorize(pd.MultiIndex.from_frame(judged.frame[["relation", "language"]]))[0]
    values = np.column_stack([judged.truth, relations, judged.judged, judged.scores, judged.probabilities])
    fitted = bool(np.isfinite(judged.probabilities).all())
    clusters = judged.frame["subject"].tolist()
    return {
        name: _interval(np.nan_to_num(values.astype(np.float64)), clusters, measure, draws)
        for name, (_, measure, needs_threshold) in MEASURES.items()
        if fitted or not needs_threshold
    }


def _interval(values: Numbers, clusters: Sequence[str], measure: Callable[[Numbers], float], draws: int) -> Interval:
    return bootstrap_interval(values, clusters=clusters, statistic=measure, draws=draws)

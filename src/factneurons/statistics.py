"""Statistics shared by all experiments: aggregates, bootstrap intervals, a paired test, corrections for many tests.

No NaN enters a number silently: it is refused, or dropped on request and counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Literal

import numpy as np
import numpy.typing as npt

from factneurons.errors import BadNumber, BadSetting

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

LEAST_PROBABILITY = 0.001
"""No relative change is told of a P(answer) that was smaller before: only the change of its logarithm."""

SIGNIFICANCE = 0.05
"""The p-value up to which what was measured counts as better than chance, in every room."""
Alternative = Literal["two-sided", "greater", "less"]

TRIM = 0.1
"""The share of the values that the trimmed mean leaves out at either end."""

_CELLS = 250_000
"""Resampled values held at once; keeps the memory flat however many values and draws there are."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its bootstrap interval.

    Attributes:
        estimate: the statistic of all values.
        low: lower end; -inf with fewer than two clusters, which say nothing about spread.
        high: upper end; inf likewise.
        n: how many values entered.
        clusters: how many clusters they came from (n where every value stands alone).
        dropped: how many values were left out because they were NaN or infinite.
        level: the nominal coverage, for instance 0.95.
    """

    estimate: float
    low: float
    high: float
    n: int
    clusters: int
    dropped: int
    level: float


NO_NUMBER = Interval(math.nan, math.nan, math.nan, n=0, clusters=0, dropped=0, level=0.95)
"""Where no value entered."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A number over facts: what the terminal, the page and Python read.

    Attributes:
        name: what it is, for instance "relative change of P(answer)".
        interval: the number with its interval.
        under: the conditions it was measured under, for instance neurons -> knowledge.
        control: the same number of matched random neurons; None: there is none.
        difference: the number minus its control, over the facts that have both; None likewise.
        p_value: of a test that the number is its control; None: not tested.
    """

    name: str
    interval: Interval
    under: Mapping[str, str | int] = field(default_factory=dict)
    control: Interval | None = None
    difference: Interval | None = None
    p_value: float | None = None

    @property
    def value(self) -> float:
        """The number."""
        return self.interval.estimate

    @property
    def n(self) -> int:
        """How many facts entered."""
        return self.interval.n


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A paired permutation test.

    Attributes:
        difference: mean of first - second.
        p_value: share of sign flips that do at least as well; never 0.
        exact: whether all sign flips were counted, not a sample of them.
        n: how many pairs entered.
        clusters: how many clusters they came from.
    """

    difference: float
    p_value: float
    exact: bool
    n: int
    clusters: int


@dataclass(frozen=True, slots=True)
class RankTest:
    """A permutation test of Spearman's rank correlation.

    Attributes:
        correlation: Spearman's rho, -1 to 1; 0 where one side does not vary.
        p_value: two-sided: share of the orders in which both go together at least as well; never 0.
        n: how many pairs entered.
    """

    correlation: float
    p_value: float
    n: int


def mean(values: npt.ArrayLike) -> float:
    """The mean.

    Raises:
        BadNumber: no values, or a NaN or an infinity among them.
    """
    return _of_all("mean", values)


def median(values: npt.ArrayLike) -> float:
    """The median; of an even number of values, the mean of the middle two.

    Raises:
        BadNumber: no values, or a NaN or an infinity among them.
    """
    return _of_all("median", values)


def trimmed_mean(values: npt.ArrayLike) -> float:
    """The mean without the lowest and the highest 10 % of the values (rounded down).

    Raises:
        BadNumber: no values, or a NaN or an infinity among them.
    """
    return _of_all("trimmed_mean", values)


def ratio_of_sums(changes: npt.ArrayLike, bases: npt.ArrayLike) -> float:
    """sum(changes) / sum(bases): a relative change in which tiny bases do not explode.

    Raises:
        BadNumber: no values, a NaN or an infinity among them, or bases that sum to 0.
        BadSetting: not as many bases as changes.
    """
    above, below = _array(changes), _array(bases)
    if above.shape != below.shape:
        raise BadSetting(f"pairs are needed, not {above.shape} changes and {below.shape} bases")
    return _of_all("ratio_of_sums", np.column_stack([above, below]))


def bootstrap_interval(
    values: npt.ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    statistic: str | Callable[[Numbers], float] = "mean",
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 42,
    drop_missing: bool = False,
) -> Interval:
    """The percentile bootstrap interval of a statistic, resampling whole clusters.

    Args:
        values: [n]; for "ratio_of_sums" [n, 2]: change and base.
        clusters: [n] labels, for instance subjects; values of one label are drawn together. None: each alone.
        statistic: "mean", "median", "trimmed_mean", "ratio_of_sums", or a function of the values [m] or [m, k].
        level: nominal coverage. With few clusters the true coverage is somewhat lower.
        draws: how many resamples.
        seed: of the resampling.
        drop_missing: leave out values that are NaN or infinite (counted in the result) instead of refusing.

    Raises:
        BadNumber: no values; NaN or infinity without `drop_missing`; or a statistic that is none.
        BadSetting: an unknown statistic, an impossible level or number of draws, labels that do not fit.
    """
    if not 0 < level < 1:
        raise BadSetting(f"level is between 0 and 1, not {level}")
    if draws < 1:
        raise BadSetting(f"draws is at least 1, not {draws}")
    numbers = _array(values)
    weigh = _weighted(statistic, numbers)
    numbers, kept = _usable(numbers, drop_missing)
    members, cluster_count = _cluster_numbers(clusters, kept)
    order = np.argsort(numbers, kind="stable") if numbers.ndim == 1 else np.arange(len(numbers))
    numbers, members = numbers[order], members[order]
    ones = np.ones((1, len(numbers)), dtype=np.int64)
    estimate = _checked(weigh(numbers, ones))[0]
    low, high = -np.inf, np.inf
    if cluster_count > 1:
        resampled = _resample(weigh, numbers, members, cluster_count, draws, seed)
        low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    dropped = len(kept) - len(numbers)
    return Interval(float(estimate), float(low), float(high), len(numbers), cluster_count, dropped, level)


def paired_permutation_test(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    clusters: Sequence[Hashable] | None = None,
    alternative: Alternative = "two-sided",
    draws: int = 10_000,
    seed: int = 42,
) -> PairedTest:
    """Is first - second 0 on average? Flips the signs of the differences, of a whole cluster together.

    If there are no more than `draws` ways to flip, all are counted and the test is exact; otherwise
    p = (1 + hits) / (1 + draws) over random flips.

    Args:
        first: [n].
        second: [n], paired with the first.
        clusters: [n] labels; None: every pair alone.
        alternative: "two-sided", "greater" (first > second) or "less".
        draws: how many random flips.
        seed: of the flips.

    Raises:
        BadNumber: no pairs, or a NaN or an infinity among them.
        BadSetting: arrays or labels of different lengths, or an unknown alternative.
    """
    if alternative not in _AT_LEAST:
        raise BadSetting(f"unknown alternative {alternative!r}; there are: {', '.join(_AT_LEAST)}")
    left, right = _array(first), _array(second)
    if left.shape != right.shape:
        raise BadSetting(f"pairs are needed, not {left.shape} and {right.shape} values")
    differences, kept = _usable(left - right, drop_missing=False)
    members, count = _cluster_numbers(clusters, kept)
    sums = np.asarray(np.bincount(members, weights=differences, minlength=count), dtype=np.float64)
    exact = 2**count <= draws
    flipped = _all_flips(sums) if exact else _random_flips(sums, draws, seed)
    # Equal sums added in another order differ in their last bits; they count as ties.
    slack = 1e-12 * np.abs(sums).sum()
    hits = int(np.count_nonzero(_AT_LEAST[alternative](flipped, sums.sum(), slack)))
    p_value = hits / len(flipped) if exact else (1 + hits) / (1 + draws)
    return PairedTest(float(differences.mean()), p_value, exact, len(differences), count)


def smallest_p_value(clusters: int, *, draws: int = 10_000) -> float:
    """The smallest two-sided p that `paired_permutation_test` can give, however large the differences are.

    2 / 2^clusters where all flips are counted (the flips that leave all signs or turn all do at least as well), else
    1 / (1 + draws).

    Args:
        clusters: how many clusters, at least 1.
        draws: as there.
    """
    return 2 / 2**clusters if 2**clusters <= draws else 1 / (1 + draws)


def rank_test(first: npt.ArrayLike, second: npt.ArrayLike, *, draws: int = 10_000, seed: int = 42) -> RankTest:
    """Do two sequences rise together? Spearman's rho; the second is put into every order.

    If there are no more than `draws` orders (seven pairs), all are counted and the test is exact; otherwise
    p = (1 + hits) / (1 + draws) over random orders. Equal values share the mean of their ranks.

    Args:
        first: [n].
        second: [n], paired with the first.
        draws: how many random orders.
        seed: of the orders.

    Raises:
        BadNumber: no pairs, or a NaN or an infinity among them.
        BadSetting: arrays of different lengths.
    """
    left, right = _array(first), _array(second)
    if left.shape != right.shape:
        raise BadSetting(f"pairs are needed, not {left.shape} and {right.shape} values")
    _usable(left + right, drop_missing=False)
    ranks, others = _ranks(left), _ranks(right)
    ranks, others = ranks - ranks.mean(), others - others.mean()
    scale = float(np.sqrt((ranks**2).sum() * (others**2).sum()))
    together = float(ranks @ others)
    exact = math.factorial(len(ranks)) <= draws
    if exact:
        orders = np.array(list(permutations(others.tolist())))
    else:
        orders = np.random.default_rng(seed).permuted(np.tile(others, (draws, 1)), axis=1)
    hits = int(np.count_nonzero(np.abs(orders @ ranks) >= abs(together) - 1e-9))  # ranks are halves at the finest
    p_value = hits / len(orders) if exact else (1 + hits) / (1 + draws)
    return RankTest(together / scale if scale else 0.0, p_value, len(ranks))


def smallest_rank_p_value(pairs: int, *, draws: int = 10_000) -> float:
    """The smallest p that `rank_test` can give of so many pairs: 2 / n! where all orders are counted, at most 1.

    Args:
        pairs: how many, at least 1.
        draws: as there.
    """
    orders = math.factorial(pairs)
    return min(1.0, 2 / orders) if orders <= draws else 1 / (1 + draws)


def holm(p_values: npt.ArrayLike) -> Numbers:
    """Holm's step-down adjusted p-values, in the order given: max over smaller ones of (m - rank) p, at most 1.

    What stays at most 0.05 holds no false finding with probability 0.95.
    Source: Holm (1979), "A simple sequentially rejective multiple test procedure".

    Args:
        p_values: [m].

    Raises:
        BadNumber: a NaN, or a value outside 0 to 1.
    """
    values, order = _ordered(p_values)
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * values[order]))
    return adjusted


def benjamini_hochberg(p_values: npt.ArrayLike) -> Numbers:
    """Benjamini and Hochberg's adjusted p-values, in the order given: min over larger ones of m p / rank, at most 1.

    Of what stays at most 0.05, no more than 5 % is expected to be false, if the tests are independent or
    depend on each other positively.
    Source: Benjamini and Hochberg (1995), "Controlling the false discovery rate".

    Args:
        p_values: [m].

    Raises:
        BadNumber: a NaN, or a value outside 0 to 1.
    """
    from scipy.stats import false_discovery_control  # here, because it takes longer to load than all else of this room

    values, _ = _ordered(p_values)
    adjusted: Numbers = false_discovery_control(values)
    return adjusted


def _ordered(p_values: npt.ArrayLike) -> tuple[Numbers, npt.NDArray[np.intp]]:
    """Checked p-values and their rising order."""
    values = _array(p_values)
    if not np.all((values >= 0) & (values <= 1)):
        raise BadNumber(f"p-values lie between 0 and 1: {values[~((values >= 0) & (values <= 1))][0]} does not")
    return values, np.argsort(values, kind="stable")


# Weighted statistics: values [n] sorted (or [n, 2]), weights [draws, n] of how often each was drawn -> [draws].

Weighted = Callable[[Numbers, Counts], Numbers]


def _weighted_mean(values: Numbers, weights: Counts) -> Numbers:
    result: Numbers = weights.astype(np.float64) @ values / weights.sum(axis=1)
    return result


def _weighted_median(values: Numbers, weights: Counts) -> Numbers:
    reached = np.cumsum(weights, axis=1)
    total = reached[:, -1:]
    lower = np.argmax(reached > (total - 1) // 2, axis=1)
    upper = np.argmax(reached > total // 2, axis=1)
    result: Numbers = (values[lower] + values[upper]) / 2
    return result


def _weighted_trimmed_mean(values: Numbers, weights: Counts) -> Numbers:
    reached = np.cumsum(weights, axis=1)
    total = reached[:, -1:]
    cut = np.floor(TRIM * total).astype(np.int64)
    within = np.clip(reached, cut, total - cut)
    kept: Counts = within - np.hstack([cut, within[:, :-1]])
    return _weighted_mean(values, kept)


def _weighted_ratio_of_sums(values: Numbers, weights: Counts) -> Numbers:
    sums = weights.astype(np.float64) @ values
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Numbers = sums[:, 0] / sums[:, 1]
    return result


_STATISTICS: dict[str, tuple[int, Weighted]] = {
    "mean": (1, _weighted_mean),
    "median": (1, _weighted_median),
    "trimmed_mean": (1, _weighted_trimmed_mean),
    "ratio_of_sums": (2, _weighted_ratio_of_sums),
}
"""Name -> (dimensions of its values, the weighted statistic)."""

_AT_LEAST: dict[str, Callable[[Numbers, float, float], npt.NDArray[np.bool_]]] = {
    "two-sided": lambda flipped, seen, slack: np.abs(flipped) >= abs(seen) - slack,
    "greater": lambda flipped, seen, slack: flipped >= seen - slack,
    "less": lambda flipped, seen, slack: flipped <= seen + slack,
}


def _weighted(statistic: str | Callable[[Numbers], float], numbers: Numbers) -> Weighted:
    if callable(statistic):
        function = statistic

        def repeated(values: Numbers, weights: Counts) -> Numbers:
            return np.array([function(np.repeat(values, row, axis=0)) for row in weights], dtype=np.float64)

        return repeated
    if statistic not in _STATISTICS:
        raise BadSetting(f"unknown statistic {statistic!r}; there are: {', '.join(_STATISTICS)}")
    dimensions, weighted = _STATISTICS[statistic]
    if numbers.ndim != dimensions or (dimensions == 2 and numbers.shape[1] != 2):
        raise BadSetting(f"{statistic} is taken of {'pairs' if dimensions == 2 else 'single values'}")
    return weighted


def _of_all(statistic: str, values: npt.ArrayLike) -> float:
    numbers, _ = _usable(_array(values), drop_missing=False)
    weigh = _weighted(statistic, numbers)
    ordered = np.sort(numbers) if numbers.ndim == 1 else numbers
    return float(_checked(weigh(ordered, np.ones((1, len(numbers)), dtype=np.int64)))[0])


def _resample(weigh: Weighted, numbers: Numbers, members: Counts, cluster_count: int, draws: int, seed: int) -> Numbers:
    generator = np.random.default_rng(seed)
    at_once = max(1, _CELLS // max(len(numbers), cluster_count))
    results = []
    for start in range(0, draws, at_once):
        rows = min(at_once, draws - start)
        drawn = generator.integers(0, cluster_count, size=(rows, cluster_count))
        drawn += np.arange(rows)[:, None] * cluster_count
        counts = np.bincount(drawn.ravel(), minlength=rows * cluster_count).reshape(rows, cluster_count)
        results.append(weigh(numbers, counts[:, members]))
    return _checked(np.concatenate(results))


def _all_flips(sums: Numbers) -> Numbers:
    signs: Numbers = np.array(list(product((1.0, -1.0), repeat=len(sums))))
    return signs @ sums


def _random_flips(sums: Numbers, draws: int, seed: int) -> Numbers:
    generator = np.random.default_rng(seed)
    at_once = max(1, _CELLS // len(sums))
    chunks = [min(at_once, draws - start) for start in range(0, draws, at_once)]
    return np.concatenate([(2.0 * generator.integers(0, 2, size=(rows, len(sums))) - 1.0) @ sums for rows in chunks])


def _ranks(values: Numbers) -> Numbers:
    """1 for the least; equal values share the mean of their ranks."""
    _, members, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[members], dtype=np.float64)


def _array(values: npt.ArrayLike) -> Numbers:
    return np.atleast_1d(np.asarray(values, dtype=np.float64))


def _usable(numbers: Numbers, drop_missing: bool) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """The finite values, and which they are."""
    kept: npt.NDArray[np.bool_] = np.isfinite(numbers)
    if numbers.ndim > 1:
        kept = np.logical_and.reduce(kept, axis=1)
    if not drop_missing and not kept.all():
        place = int(np.argmin(kept))
        raise BadNumber(f"{len(kept) - kept.sum()} of {len(kept)} values are no numbers, the first is value {place}")
    if not kept.any():
        raise BadNumber("a statistic of no values")
    return numbers[kept], kept


def _cluster_numbers(clusters: Sequence[Hashable] | None, kept: npt.NDArray[np.bool_]) -> tuple[Counts, int]:
    """The number of each kept value's cluster, from 0, and how many clusters there are."""
    if clusters is None:
        return np.arange(int(kept.sum())), int(kept.sum())
    if len(clusters) != len(kept):
        raise BadSetting(f"{len(clusters)} cluster labels for {len(kept)} values")
    numbers: dict[Hashable, int] = {}
    members = [numbers.setdefault(label, len(numbers)) for label, keep in zip(clusters, kept, strict=True) if keep]
    return np.array(members, dtype=np.int64), len(numbers)


def _checked(results: Numbers) -> Numbers:
    wrong = int(np.count_nonzero(~np.isfinite(results)))
    if wrong:
        raise BadNumber(f"the statistic is no number for {wrong} of {len(results)} samples (a division by 0?)")
    return results

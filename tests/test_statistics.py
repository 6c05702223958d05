"""Aggregates, bootstrap, paired test and Holm against scipy, brute force, known distributions and invariants."""

from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons import statistics
from factneurons.errors import BadNumber, BadSetting
from factneurons.statistics import (
    benjamini_hochberg,
    bootstrap_interval,
    holm,
    mean,
    median,
    paired_permutation_test,
    ratio_of_sums,
    smallest_p_value,
    trimmed_mean,
)

numbers = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=40)
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(numbers)
def test_aggregates_agree_with_scipy(values):
    scale = 1e-9 * (1 + max(map(abs, values)))
    assert mean(values) == pytest.approx(np.mean(values), abs=scale)
    assert median(values) == np.median(values)
    assert trimmed_mean(values) == pytest.approx(scipy.stats.trim_mean(values, 0.1), abs=scale)


def test_ratio_of_sums():
    assert ratio_of_sums([-0.1, -0.2], [0.2, 0.8]) == pytest.approx(-0.3)
    with pytest.raises(BadNumber, match="no number"):
        ratio_of_sums([1.0, 2.0], [0.5, -0.5])
    with pytest.raises(BadSetting, match="pairs"):
        ratio_of_sums([1.0, 2.0], [0.5])


@pytest.mark.parametrize("function", [mean, median, trimmed_mean, bootstrap_interval])
@pytest.mark.parametrize("bad", [[], [1.0, np.nan], [np.inf, 1.0]])
def test_what_is_no_number_is_refused(function, bad):
    with pytest.raises(BadNumber):
        function(bad)


def test_missing_values_are_dropped_only_on_request_and_counted():
    values = [1.0, np.nan, 3.0, np.inf, 5.0]
    interval = bootstrap_interval(values, drop_missing=True, clusters=["a", "b", "b", "c", "d"])
    assert (interval.estimate, interval.n, interval.clusters, interval.dropped) == (3.0, 3, 3, 2)
    with pytest.raises(BadNumber, match="2 of 5 values are no numbers, the first is value 1"):
        bootstrap_interval(values)
    with pytest.raises(BadNumber, match="no values"):
        bootstrap_interval([np.nan], drop_missing=True)


SLOW = {
    "mean": np.mean,
    "median": np.median,
    "trimmed_mean": lambda values: scipy.stats.trim_mean(values, 0.1),
    "ratio_of_sums": lambda pairs: pairs[:, 0].sum() / pairs[:, 1].sum(),
}


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("clustered", [False, True])
def test_the_fast_statistics_equal_a_plain_function_of_the_resampled_values(name, clustered):
    generator = np.random.default_rng(0)
    values = generator.uniform(0.1, 1, size=(37, 2))
    values = values if name == "ratio_of_sums" else values[:, 0]
    clusters = [f"subject {i % 9}" for i in range(37)] if clustered else None
    fast = bootstrap_interval(values, clusters=clusters, statistic=name, draws=300)
    slow = bootstrap_interval(values, clusters=clusters, statistic=SLOW[name], draws=300)
    assert (fast.estimate, fast.low, fast.high) == pytest.approx((slow.estimate, slow.low, slow.high), abs=1e-12)


def test_the_bootstrap_of_three_values_is_that_of_all_27_resamples():
    values = np.array([0.0, 1.0, 10.0])
    means = np.mean(list(product(values, repeat=3)), axis=1)
    interval = bootstrap_interval(values, draws=200_000, level=0.8)
    assert interval.low == pytest.approx(np.quantile(means, 0.1), abs=1e-9)
    assert interval.high == pytest.approx(np.quantile(means, 0.9), abs=1e-9)


def test_chunks_change_nothing(monkeypatch):
    values = np.random.default_rng(1).normal(size=50)
    whole = bootstrap_interval(values)
    test = paired_permutation_test(values, values * 0)
    monkeypatch.setattr(statistics, "_CELLS", 777)
    chunked = bootstrap_interval(values)
    assert (chunked.low, chunked.high) == pytest.approx((whole.low, whole.high), abs=1e-12)
    assert paired_permutation_test(values, values * 0).p_value == test.p_value


@pytest.mark.parametrize(
    ("statistic", "draw", "truth"),
    [
        ("mean", lambda generator: generator.exponential(size=60), 1.0),
        ("median", lambda generator: generator.normal(size=60), 0.0),
        ("trimmed_mean", lambda generator: generator.normal(size=60), 0.0),
        ("ratio_of_sums", lambda generator: generator.uniform(0, [1, 2], size=(60, 2)), 0.5),
    ],
)
def test_intervals_cover_the_truth_about_as_often_as_they_say(statistic, draw, truth):
    generator = np.random.default_rng(7)
    intervals = [
        bootstrap_interval(draw(generator), statistic=statistic, level=0.9, draws=400, seed=seed) for seed in range(200)
    ]
    coverage = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    assert 0.82 <= coverage <= 0.96


def test_clusters_widen_the_interval_when_their_values_go_together():
    generator = np.random.default_rng(3)
    covered = {False: 0, True: 0}
    for seed in range(150):
        effects = np.repeat(generator.normal(size=30), 10)
        values = effects + 0.1 * generator.normal(size=300)
        for clustered in covered:
            clusters = np.repeat(np.arange(30), 10).tolist() if clustered else None
            interval = bootstrap_interval(values, clusters=clusters, level=0.9, draws=300, seed=seed)
            covered[clustered] += interval.low <= 0 <= interval.high
    assert covered[True] / 150 > 0.8
    assert covered[False] / 150 < 0.6


def test_one_cluster_says_nothing_about_spread():
    interval = bootstrap_interval([1.0, 2.0], clusters=["France", "France"])
    assert (interval.estimate, interval.low, interval.high, interval.clusters) == (1.5, -np.inf, np.inf, 1)


@settings(max_examples=30)
@given(numbers, st.floats(0.1, 100), st.floats(-100, 100))
def test_intervals_move_with_their_values(values, scale, shift):
    there = bootstrap_interval(values, draws=100)
    moved = bootstrap_interval(np.array(values) * scale + shift, draws=100)
    assert there.low <= there.high
    slack = 1e-6 * (1 + max(map(abs, values))) * (1 + scale + abs(shift))
    if len(values) > 1:
        assert moved.low == pytest.approx(there.low * scale + shift, abs=slack)
        assert moved.high == pytest.approx(there.high * scale + shift, abs=slack)
    assert moved.estimate == pytest.approx(there.estimate * scale + shift, abs=slack)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1.0}, "level"),
        ({"draws": 0}, "draws"),
        ({"statistic": "mode"}, "there are: mean, median"),
        ({"statistic": "ratio_of_sums"}, "pairs"),
        ({"clusters": ["a"]}, "1 cluster labels for 2 values"),
    ],
)
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(BadSetting, match=message):
        bootstrap_interval([1.0, 2.0], **options)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("shift", [0.0, 0.4, -0.9])
def test_the_exact_paired_test_agrees_with_scipy(alternative, shift):
    generator = np.random.default_rng(5)
    first, second = generator.normal(size=(2, 10))
    first += shift
    ours = paired_permutation_test(first, second, alternative=alternative)
    theirs = scipy.stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        alternative=alternative,
        n_resamples=np.inf,
    )
    assert ours.exact
    assert ours.p_value == pytest.approx(theirs.pvalue)
    assert ours.difference == pytest.approx(theirs.statistic)


def test_equal_differences_are_ties_whatever_the_order_of_adding():
    assert paired_permutation_test([0.1] * 10, [0.0] * 10).p_value == 2 / 2**10


def test_the_sampled_paired_test_comes_near_the_exact_one():
    generator = np.random.default_rng(6)
    first = generator.normal(0.5, 1, size=12)
    exact = paired_permutation_test(first, np.zeros(12))
    sampled = paired_permutation_test(first, np.zeros(12), draws=4000)
    assert (exact.exact, sampled.exact) == (True, False)
    assert sampled.p_value == pytest.approx(exact.p_value, abs=0.02)
    assert paired_permutation_test(np.ones(50), np.zeros(50)).p_value == 1 / 10_001


def test_a_cluster_flips_as_one():
    first = [1.0, 1.0, 1.0, 2.0, 2.0]
    clusters = ["a", "a", "a", "b", "b"]
    result = paired_permutation_test(first, np.zeros(5), clusters=clusters)
    assert (result.p_value, result.n, result.clusters) == (0.5, 5, 2)


def test_p_values_of_no_difference_are_spread_evenly():
    generator = np.random.default_rng(8)
    p_values = [paired_permutation_test(*generator.normal(size=(2, 9)), draws=600).p_value for _ in range(400)]
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.001


def test_a_paired_test_needs_pairs():
    with pytest.raises(BadSetting, match="pairs"):
        paired_permutation_test([1.0], [1.0, 2.0])
    with pytest.raises(BadSetting, match="two-sided, greater, less"):
        paired_permutation_test([1.0], [1.0], alternative="both")
    with pytest.raises(BadNumber):
        paired_permutation_test([np.nan], [1.0])


def test_holm_by_hand():
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04 -> made monotone
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


@given(probabilities)
def test_holm_keeps_order_and_never_lowers(p_values):
    adjusted = holm(p_values)
    values = np.array(p_values)
    assert np.all(adjusted >= values)
    assert np.all(adjusted <= np.minimum(1, len(values) * values) + 1e-12)
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(adjusted[order]) >= 0)
    # Step-down by its definition: with the hypotheses in order, reject while p <= alpha / (m - rank).
    for alpha in (0.01, 0.05, 0.3):
        rejected, going = set(), True
        for rank, place in enumerate(order):
            going = going and values[place] * (len(values) - rank) <= alpha
            if going:
                rejected.add(int(place))
        assert set(np.flatnonzero(adjusted <= alpha).tolist()) == rejected


@pytest.mark.parametrize("bad", [[0.5, np.nan], [1.2], [-0.1]])
def test_holm_refuses_what_is_no_p_value(bad):
    with pytest.raises(BadNumber, match="between 0 and 1"):
        holm(bad)


def test_benjamini_hochberg_by_hand():
    # m = 4; sorted 0.005, 0.01, 0.03, 0.04 times 4/1, 4/2, 4/3, 4/4 = 0.02, 0.02, 0.04, 0.04
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    # the larger one bounds the smaller one from above: 0.041 * 2 / 1 > 0.042
    assert benjamini_hochberg([0.041, 0.042]) == pytest.approx([0.042, 0.042])
    assert benjamini_hochberg([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_lies_between_the_p_values_and_holm(p_values):
    adjusted = benjamini_hochberg(p_values)
    assert np.all(adjusted >= np.array(p_values) - 1e-12)
    assert np.all(adjusted <= holm(p_values) + 1e-12)
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(adjusted[order]) >= 0)
    np.testing.assert_allclose(adjusted, scipy.stats.false_discovery_control(p_values), rtol=1e-12)


def test_the_smallest_p_value_is_that_of_the_clearest_difference():
    for clusters in (1, 2, 5, 13, 14, 40):
        clearest = paired_permutation_test([1.0] * clusters, [0.0] * clusters)
        assert smallest_p_value(clusters) <= clearest.p_value
        assert smallest_p_value(clusters) == clearest.p_value or not clearest.exact


@pytest.mark.parametrize(
    ("first", "second"), [([1, 2, 3, 4, 5], [2, 1, 4, 3, 9]), ([3, 1, 2], [1, 1, 5]), ([1, 2, 3, 4], [7, 7, 7, 8])]
)
def test_the_exact_rank_test_agrees_with_counting_scipys_correlations(first, second):
    from itertools import permutations

    from scipy.stats import spearmanr

    found = statistics.rank_test(first, second)
    true = spearmanr(first, second).statistic
    all_orders = [abs(spearmanr(first, order).statistic) for order in permutations(second)]
    assert found.correlation == pytest.approx(true)
    assert found.p_value == pytest.approx(np.mean([each >= abs(true) - 1e-9 for each in all_orders]))
    assert found.n == len(first)


@pytest.mark.parametrize("pairs", range(1, 7))
def test_the_smallest_rank_p_value_is_that_of_a_perfect_order(pairs):
    perfect = statistics.rank_test(range(pairs), [each**2 for each in range(pairs)])
    assert perfect.p_value == pytest.approx(statistics.smallest_rank_p_value(pairs))


def test_what_does_not_vary_goes_together_with_nothing():
    assert statistics.rank_test([1, 2, 3, 4], [5, 5, 5, 5]) == statistics.RankTest(0.0, 1.0, 4)


def test_the_sampled_rank_test_comes_near_the_exact_one():
    first, second = range(7), [2, 0, 1, 4, 3, 6, 5]
    exact, sampled = statistics.rank_test(first, second), statistics.rank_test(first, second, draws=3000)
    assert sampled.p_value == pytest.approx(exact.p_value, abs=0.01)
    assert sampled.correlation == exact.correlation
    with pytest.raises(BadSetting, match="pairs are needed"):
        statistics.rank_test([1, 2], [1])

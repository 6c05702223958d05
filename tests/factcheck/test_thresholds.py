import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.errors import BadSetting
from factneurons.factcheck.measures import f1
from factneurons.factcheck.thresholds import best_threshold, choose_thresholds

SCORED = st.lists(
    st.tuples(st.floats(-5, 5, allow_subnormal=False).map(lambda value: round(value, 2)), st.booleans()),
    min_size=2,
    max_size=40,
).filter(lambda rows: len({truth for _, truth in rows}) == 2)


@given(SCORED)
def test_no_other_threshold_has_a_better_f1(rows):
    scores, truth = np.array([score for score, _ in rows]), np.array([truth for _, truth in rows])
    best = best_threshold(scores, truth)
    tried = [*scores, *(scores + 1e-6), scores.min() - 1]
    assert f1(truth, scores >= best) == pytest.approx(max(f1(truth, scores >= value) for value in tried))


@given(SCORED)
def test_probabilities_rise_with_the_score_and_are_never_certain(rows):
    scores, truth = np.array([score for score, _ in rows]), np.array([truth for _, truth in rows])
    threshold = choose_thresholds([("r", "en")] * len(rows), scores, truth).pooled
    found = threshold.probability(np.linspace(-6, 6, 50))
    assert (np.diff(found) >= -1e-12).all()
    assert ((found > 0) & (found < 1)).all()


def test_the_threshold_lies_between_right_and_wrong():
    assert best_threshold(np.array([0.1, 0.2, 0.6, 0.8]), np.array([False, False, True, True])) == pytest.approx(0.4)


def test_everything_had_better_be_judged_true():
    scores = np.array([0.0, 0.0, 0.0, 1.0])
    assert best_threshold(scores, np.array([True, True, True, False])) < 0


def test_a_relation_with_too_few_statements_takes_the_pooled_threshold():
    groups = [("many", "en")] * 12 + [("few", "en")] * 2
    scores = np.array([0.0, 1.0] * 6 + [5.0, 6.0])
    truth = np.array([False, True] * 7)
    thresholds = choose_thresholds(groups, scores, truth)
    assert thresholds.of(("many", "en")).value == pytest.approx(0.5)
    assert list(thresholds.own) == [("many", "en")]
    assert thresholds.of(("few", "en")) is thresholds.pooled is thresholds.of(("never seen", "zh"))


@pytest.mark.parametrize("kind", [True, False])
def test_one_kind_of_statements_is_not_enough(kind):
    with pytest.raises(BadSetting, match=f"there is no {str(not kind).lower()} one"):
        choose_thresholds([("r", "en")] * 2, np.array([0.0, 1.0]), np.array([kind, kind]))

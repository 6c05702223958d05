"""Against scikit-learn, and the few values that it does not define."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from factneurons.factcheck import measures

STATEMENTS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])), min_size=1, max_size=40
)


@given(STATEMENTS)
def test_the_same_as_scikit_learn(statements):
    truth, scores = np.array([each[0] for each in statements]), np.array([each[1] for each in statements])
    judged = scores >= 0.5
    options = {"zero_division": 0.0}
    assert measures.precision(truth, judged) == pytest.approx(metrics.precision_score(truth, judged, **options))
    assert measures.recall(truth, judged) == pytest.approx(metrics.recall_score(truth, judged, **options))
    assert measures.f1(truth, judged) == pytest.approx(metrics.f1_score(truth, judged, **options))
    if truth.any() and not truth.all():
        assert measures.auroc(truth, scores) == pytest.approx(metrics.roc_auc_score(truth, scores))
        assert measures.average_precision(truth, scores) == pytest.approx(
            metrics.average_precision_score(truth, scores)
        )
        wrong, found = measures.roc(truth, scores)
        assert np.trapezoid(found, wrong) == pytest.approx(measures.auroc(truth, scores))


def test_nothing_to_compare():
    truth = np.array([True, True])
    assert np.isnan(measures.auroc(truth, np.array([0.1, 0.2])))
    assert np.isnan(measures.average_precision(~truth, np.array([0.1, 0.2])))


@given(STATEMENTS)
def test_calibration_bins_hold_every_statement_once(statements):
    truth, chances = np.array([each[0] for each in statements]), np.array([each[1] for each in statements])
    curve = measures.calibration_curve(truth, chances)
    assert sum(each.count for each in curve) == len(truth)
    assert sum(each.count * each.true for each in curve) == pytest.approx(truth.sum())
    assert measures.expected_calibration_error(truth, truth.astype(float)) == 0
    assert 0 <= measures.expected_calibration_error(truth, chances) <= 1

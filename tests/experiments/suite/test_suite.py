"""The suite as a whole: every experiment names what it measures and what it is tested against."""

from __future__ import annotations

import pytest

from factneurons.errors import BadSetting
from factneurons.experiments.suite import EXPERIMENTS, experiment_named


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_claims_charts_and_summaries_are_about_its_measures(experiment):
    measures = set(experiment.measures)
    assert all(experiment.measures.values())
    assert {claim.measure for claim in experiment.claims} <= measures
    assert {measure for chart in experiment.charts for measure in chart.measures} <= measures
    assert {measure for summary in experiment.summaries for measure in summary.measures} <= measures


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_it_says_what_is_asked_where_it_comes_from_and_what_it_takes(experiment):
    assert experiment.question.endswith("?")
    assert experiment.claims
    assert experiment.source
    assert experiment.smallest
    assert all(claim.text.endswith(".") for claim in experiment.claims)


def test_an_unknown_experiment_is_told_with_those_there_are():
    assert experiment_named("E1") is EXPERIMENTS["E1"]
    with pytest.raises(BadSetting, match=r"experiment is 'E99': it must be one of: E1, "):
        experiment_named("E99")

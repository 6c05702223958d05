"""The stages that test neurons: every fact against matched random ones."""

from __future__ import annotations

import pytest

from factneurons.attribution.settings import InterventionSettings
from factneurons.errors import BadRun
from factneurons.stages import test_neurons as stage
from factneurons.stages.degenerate import run_degenerate

FEW = InterventionSettings(draws=2, unrelated=1)


@pytest.fixture(scope="module")
def tested(located, gpt2):
    """Both tests: of knowledge neurons with one draw, of degenerate ones with two."""
    return run_degenerate(located, gpt2, tau1=0.001, draws=2, unrelated=1)


def test_facts_without_such_neurons_are_counted(tested):
    degenerate = tested.table("degenerate")
    without = int((degenerate["components"] == 0).sum())
    assert tested.counts("test_degenerate").skipped.get("no-degenerate-neurons", 0) == without
    assert tested.counts("test_degenerate").done + without == len(degenerate)


def test_knowledge_neurons_are_suppressed_and_enhanced_beside_random_ones(tested):
    effects = tested.table("interventions")
    own = effects[effects["neurons"].str.endswith("knowledge")]
    assert set(own["action"]) == {"suppress", "enhance"}
    assert set(zip(own["neurons"], own["draw"], strict=True)) == {("knowledge", 0), ("random for knowledge", 1)}
    sizes = tested.table("facts").set_index(["fact_id", "language"])["neurons"]
    for row in own.itertuples():
        assert row.size == sizes[row.fact_id, row.language]


def test_other_settings_are_refused(tested, gpt2, seen):
    with pytest.raises(BadRun, match="draws was 1, is 2 now"):
        stage.test_neurons(tested, gpt2, "knowledge", FEW, skip_bad=False, display=seen)
    assert seen.ended == []

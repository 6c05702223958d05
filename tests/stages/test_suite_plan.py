"""Plans: time from the probe times the measured cost, or from what the folder holds; memory by what is held."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.errors import NotAskable
from factneurons.experiments.costs import COSTS, Cost
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.experiments.suite import EXPERIMENTS
from factneurons.experiments.types import Measured
from factneurons.facts.source import load_facts
from factneurons.models.passes.memory import budget_bytes, model_bytes
from factneurons.runs.manifest import Manifest
from factneurons.runs.store import MANIFEST
from factneurons.stages import suite_plan
from factneurons.stages.suite import run_suite
from factneurons.stages.suite_plan import plan_suite, seconds_to_locate

FACTS = "bundled?relation=capital&lang=en&limit=8"


def estimates(*arguments, **options):
    return {each.cell.of: each.estimate for each in plan_suite(*arguments, **options)}


@pytest.fixture
def probed(monkeypatch):
    """Locating one fact takes two seconds."""
    monkeypatch.setattr(suite_plan, "seconds_to_locate", lambda study: 2.0)


def test_a_plan_is_the_probe_times_the_cost_of_every_fact(gpt2, probed, tmp_path, monkeypatch):
    monkeypatch.setitem(COSTS, "E10", Cost(30.0, 2.0, copies=5))
    found = estimates([gpt2], FACTS, tmp_path / "suite", only=["E6", "E10"], draws=7)
    parameters = sum(each.numel() for each in gpt2.backbone.module.parameters())
    memory = model_bytes(gpt2.backbone) + budget_bytes(gpt2.backbone)
    for of, copies in {"E6": 0, "E10": 5}.items():
        assert found[of].seconds == pytest.approx(8 * 2.0 * COSTS[of].of_fact(7))
        assert found[of].memory == memory + 4 * copies * parameters
        assert "4 located facts, 2 s each" in found[of].basis
    assert not (tmp_path / "suite").exists()


def test_what_is_there_takes_no_time_and_what_was_begun_goes_on_at_its_pace(gpt2, probed, tmp_path, monkeypatch):
    def prepare(study):
        return lambda fact: [Measured("none", "loss, values", 0.5, "add")]

    monkeypatch.setitem(EXPERIMENTS, "E6", replace(EXPERIMENTS["E6"], prepare=prepare))
    run_suite([gpt2], FACTS, tmp_path / "suite", only=["E6"])
    there = estimates([gpt2], FACTS, tmp_path / "suite", only=["E6"])["E6"]
    assert (there.seconds, there.basis) == (0, "it is there")
    path = tmp_path / "suite" / "pocket-gpt2" / MANIFEST
    manifest = Manifest.from_bytes(path.read_bytes(), path)
    record = manifest.stages["e6"]
    start = replace(record.starts[0], time="2026-01-01T00:00:00+00:00")
    changed = replace(record, starts=(start,), updated="2026-01-01T00:00:24+00:00")
    path.write_bytes(replace(manifest, stages={"e6": changed}).to_bytes())
    more = FACTS.replace("limit=8", "limit=10")
    going_on = estimates([gpt2], more, tmp_path / "suite", only=["E6"])["E6"]
    assert (going_on.seconds, going_on.basis) == (pytest.approx(2 * 24 / 8), "8 facts measured here")
    twice = replace(changed, starts=(start, start))
    path.write_bytes(replace(manifest, stages={"e6": twice}).to_bytes())
    again = estimates([gpt2], more, tmp_path / "suite", only=["E6"])["E6"]
    assert again.seconds == pytest.approx(2 * 2.0 * COSTS["E6"].of_fact(20))


def test_a_model_that_cannot_be_loaded_or_asked_is_planned_without_time(gpt2, tmp_path, monkeypatch):
    lost = estimates([str(tmp_path / "nothing")], FACTS, tmp_path / "suite", only=["E6"])["E6"]
    assert (lost.seconds, lost.memory) == (None, None)
    assert "nothing" in lost.basis

    def refuses(study, fact):
        raise NotAskable("too-long", "no")

    monkeypatch.setattr(Study, "queries", refuses)
    mute = estimates([gpt2], FACTS, tmp_path / "suite", only=["E6"])["E6"]
    assert (mute.seconds, mute.basis) == (None, "no fact can be asked")
    assert mute.memory


@pytest.mark.parametrize(("limit", "timed"), [(1, 1), (3, 2), (8, suite_plan.PROBED)])
def test_the_first_fact_warms_the_model_up_and_is_not_timed(gpt2, monkeypatch, limit, timed):
    """Every located fact takes ten seconds, the first a thousand."""
    seconds, seen = [0.0], []

    def knowledge(study, fact, method):
        seen.append(fact)
        seconds[0] += 1000 if len(seen) == 1 else 10

    monkeypatch.setattr(Study, "knowledge", knowledge)
    study = Study(gpt2, list(load_facts(f"bundled?relation=capital&lang=en&limit={limit}")), ExperimentSettings())
    assert seconds_to_locate(study, clock=lambda: seconds[0]) == 10
    assert len(seen) == 1 + timed


def test_what_nobody_has_measured_is_planned_without_time(gpt2, probed, tmp_path, monkeypatch):
    monkeypatch.setitem(COSTS, "E6", Cost())
    found = estimates([gpt2], FACTS, tmp_path / "suite", only=["E6"])["E6"]
    assert found.seconds is None
    assert found.memory
    assert found.basis.startswith("what E6 costs has not been measured")


def test_every_experiment_has_a_cost():
    assert set(COSTS) == set(EXPERIMENTS)


def test_a_plan_is_of_the_published_settings_where_they_are_asked_for(gpt2, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(suite_plan, "seconds_to_locate", lambda study: seen.append(study.settings))
    for asked in (False, True):
        plan_suite([gpt2], FACTS, tmp_path / "suite", only=["E6"], as_published=asked)
    assert [settings.methods[0] for settings in seen] == ["amig", "amig_authors"]

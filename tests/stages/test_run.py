"""The whole main job in one call is its stages one by one, and goes on where it was."""

from __future__ import annotations

import pytest

from factneurons.errors import BadSetting
from factneurons.facts.source import load_facts
from factneurons.models.load import load_model
from factneurons.runs.store import Run
from factneurons.stages.degenerate import run_degenerate
from factneurons.stages.locate import run_locate
from factneurons.stages.run import in_several_languages, run

QUICK = {"method": "dai", "draws": 2, "unrelated": 1}


@pytest.fixture(scope="module")
def model():
    return load_model("pocket-gpt2")


@pytest.fixture(scope="module")
def facts():
    """Two facts in two languages."""
    wanted = ("capital/france", "capital/japan")
    found = [fact for fact in load_facts("bundled?relation=capital&lang=en,zh") if fact.id in wanted]
    assert len(found) == 4
    return found


@pytest.fixture(scope="module")
def made(model, facts, tmp_path_factory):
    return run(model, facts, tmp_path_factory.mktemp("runs") / "all", **QUICK)


def test_every_stage_was_done_and_the_page_is_there(made):
    stages = Run.open(made.folder).manifest.stages
    names = {"locate", "test_knowledge", "degenerate", "test_degenerate", "languages", "test_languages"}
    assert set(stages) == names
    assert {stage.state for stage in stages.values()} == {"done"}
    assert "<html" in (made.folder / "report.html").read_text(encoding="utf-8")


def test_it_is_what_the_stages_make_one_by_one(made, model, facts, tmp_path):
    alone = run_degenerate(run_locate(model, facts, tmp_path / "run", **QUICK), model, draws=2, unrelated=1)
    for table in ("neurons", "interventions", "components"):
        assert made.table(table).equals(alone.table(table))


def test_a_second_call_does_nothing_again(made, model, facts):
    again = run(model, facts, made.folder, **QUICK)
    assert {summary.before for name, summary in again.summaries.items() if name == "locate"} == {4}
    assert again.table("neurons").equals(made.table("neurons"))


def test_one_language_is_not_joined(model, facts, tmp_path):
    alone = [fact for fact in facts if fact.language == "en"]
    made = run(model, alone[:1], tmp_path / "run", **QUICK)
    assert "languages" not in made.manifest.stages
    assert not in_several_languages(made)


def test_an_unknown_option_is_refused_before_anything_is_done(model, facts, tmp_path):
    with pytest.raises(BadSetting, match="option is 'drawz'"):
        run(model, facts, tmp_path / "run", drawz=3)
    assert not (tmp_path / "run").exists()

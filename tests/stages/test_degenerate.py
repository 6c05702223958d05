"""`run_degenerate`: the run holds what the search in memory finds, and goes on where it was."""

from __future__ import annotations

import pytest

from factneurons.attribution.locate import locate
from factneurons.degeneracy.find import find_degenerate
from factneurons.errors import BadRun, BadSetting
from factneurons.facts.source import load_facts
from factneurons.stages.check import run_check
from factneurons.stages.degenerate import run_degenerate
from factneurons.stages.locate import run_locate
from factneurons.stages.located import known_of

FEW = {"draws": 1, "unrelated": 0}


@pytest.fixture(scope="module")
def searched(located, gpt2):
    return run_degenerate(located, gpt2, **FEW)


def test_components_are_those_of_the_search_in_memory(searched, gpt2):
    known = list(locate(gpt2, load_facts(searched.manifest.data["spec"]), method="dai"))
    found = {(each.fact.id, each.fact.language): each for each in find_degenerate(gpt2, known)}
    table = searched.table("degenerate")
    assert len(table) == len(found) == len(searched.table("facts"))
    for row in table.itertuples():
        one = found[row.fact_id, row.language]
        assert row.components == len(one.components)
        assert row.grouping == one.grouping
        assert row.degeneracy_index == pytest.approx(one.degeneracy_index, rel=1e-6, nan_ok=True)


def test_what_was_found_at_the_subject_is_tested_and_grouped_there(gpt2, tmp_path):
    spec = "bundled?relation=capital&lang=en&limit=1&reverse=no"
    options = {"method": "dai", "positions": "subject_last"}
    run = run_degenerate(run_locate(gpt2, spec, tmp_path / "run", **options, **FEW), gpt2, **FEW)
    (known,) = locate(gpt2, load_facts(spec), **options)
    effects = run.table("interventions").set_index(["neurons", "draw", "action"])
    suppressed, untouched = gpt2.probabilities_with(known.queries, [known.neurons, ()]).mean(0)
    assert effects.loc[("knowledge", 0, "suppress"), "probability_after"] == pytest.approx(suppressed, rel=1e-5)
    assert suppressed < untouched
    (own,) = known_of(run, gpt2)
    assert own.queries == known.queries
    (found,) = find_degenerate(gpt2, [known])
    assert [row.components for row in run.table("degenerate").itertuples()] == [len(found.components)]
    assert run.manifest.stages["locate"].settings["attribution"]["positions"] == "subject_last"
    with pytest.raises(BadRun, match="its neurons are meant at positions 'subject_last', and a check reads neurons"):
        run_check(run, gpt2)


def test_every_table_of_the_stage_is_written(searched):
    assert set(searched.table("components")["fact_id"]) <= set(searched.table("facts")["fact_id"])
    assert searched.manifest.stages["degenerate"].state == searched.manifest.stages["test_degenerate"].state == "done"
    assert "seed" not in searched.manifest.stages["degenerate"].settings["carried"]


def test_again_does_nothing_twice(searched, gpt2, seen, parts):
    before = parts(searched)
    again = run_degenerate(searched.folder, gpt2, progress=seen, **FEW)
    assert parts(again) == before
    assert seen.ended == ["degenerate", "test_degenerate"]


def test_other_settings_are_refused(searched, gpt2):
    with pytest.raises(BadRun, match="made with other settings: degenerate"):
        run_degenerate(searched, gpt2, tau1=0.001, **FEW)


def test_options_that_there_are_not(located, gpt2):
    with pytest.raises(BadSetting, match="option is 'clustering'"):
        run_degenerate(located, gpt2, clustering="ntc")

"""`run_check`: statements of a run's facts, scored; checkers that say the same when they are loaded again."""

from __future__ import annotations

import pytest

from factneurons.errors import BadRun, BadSetting
from factneurons.factcheck.checker import FactChecker
from factneurons.models.prompts import queries_of
from factneurons.stages.check import run_check
from factneurons.stages.locate import run_locate

FACTS = "bundled?relation=capital&lang=en&limit=8"


@pytest.fixture(scope="module")
def run(gpt2, tmp_path_factory):
    return run_locate(gpt2, FACTS, tmp_path_factory.mktemp("check") / "run", method="dai", draws=1, unrelated=0)


@pytest.fixture(scope="module")
def checked(run, gpt2):
    return run_check(run, gpt2, draws=2)


def test_every_fact_has_a_true_and_a_false_statement_under_every_condition(checked):
    rows = checked.checks.groupby(["fact_id", "condition", "draw"])["truth"]
    assert (rows.count() == 2).all()
    assert (rows.sum() == 1).all()
    assert set(checked.checks["condition"]) >= {"knowledge", "random", "asking", "probability"}
    by_fact = checked.checks.groupby("fact_id")
    assert checked.unknown == int((~by_fact["known"].first()).sum())
    assert checked.summary.counts.done == len(checked.facts) == 8


def test_statements_are_in_other_prompts_than_those_that_make_facts_known(checked, gpt2):
    for fact in checked.facts:
        own = checked.checks[checked.checks["fact_id"] == fact.id]
        asked = queries_of(gpt2, fact)
        stated = set(own["prompt"])
        assert own["apart"].all() == (len(asked) > 1)
        assert stated <= {query.prompt.text for query in asked[1::2] or asked}
        assert own["known"].all() == any(each.rank == 1 for each in gpt2.evaluate(asked[::2]))


def test_subjects_of_the_test_are_in_no_training_set(checked):
    split = checked.checks.groupby("fact_id")["split"]
    assert (split.nunique() == 1).all()
    assert set(split.first()) == {"train", "test"}


def test_a_saved_checker_says_the_same(checked, gpt2):
    name = "knowledge" if "knowledge" in checked.checkers else next(iter(checked.checkers))
    statements = [line.statement for line in checked.read(["The capital of France is Paris.", "I like cheese."])]
    assert statements[1] is None
    loaded = FactChecker.load(checked.checkers_folder / name, gpt2)
    for one, other in zip(checked.checkers[name].check(statements[:1]), loaded.check(statements[:1]), strict=True):
        assert (one.true, one.score, one.threshold) == (other.true, other.score, other.threshold)


def test_again_does_nothing_twice(checked, gpt2, parts, seen):
    before = parts(checked.run)
    again = run_check(checked.run, gpt2, draws=2, progress=seen)
    assert parts(again.run) == before
    assert seen.ended == ["check"]
    assert any("components of degenerate neurons enter after factneurons degenerate" in note for note in seen.notes)
    assert again.sets == checked.sets


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"share": 0.3}, BadRun, "made with other settings: check"),
        ({"source": "components"}, BadRun, "has no components"),
        ({"facts": "bundled?relation=currency"}, BadRun, "is not what "),
        ({"sharing": 0.3}, BadSetting, "sharing"),
    ],
)
def test_refusals(checked, gpt2, options, error, message):
    with pytest.raises(error, match=message):
        run_check(checked.run, gpt2, **{"draws": 2, **options})

"""What goes into a run at once or not at all, and what it counts."""

import pytest

from factneurons.errors import BadFact, BadNumber, BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.runs.commits import Skip
from factneurons.runs.counts import Counts
from factneurons.runs.store import Run
from factneurons.runs.verify import verify


@pytest.fixture
def run(tmp_path, small):
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        yield run


def named(fact_id, language="en"):
    return Fact(fact_id, "capital", "France", "Paris", language, (Prompt("The capital of France is ___."),))


def test_a_fact_all_of_whose_prompts_were_skipped_counts_as_skipped_once(run, small):
    fact = small.make_facts(2)[0]
    skips = [Skip.of(fact, "blank inside", "not at the end", prompt=prompt.text) for prompt in fact.prompts]
    run.commit(small.STAGE, [fact], {}, skips)
    counts = run.counts(small.STAGE)
    assert (counts.read, counts.done, counts.skipped, counts.skipped_prompts) == (
        1,
        0,
        {"blank inside": 1},
        {"blank inside": 2},
    )


def test_a_commit_is_refused_whole_when_its_rows_are_wrong(run, small):
    first, second = small.make_facts(4)[2:]
    rows = small.work([first, second]).rows
    with pytest.raises(ValueError, match="rows of facts that are not in this commit"):
        run.commit(small.STAGE, [first], rows)
    with pytest.raises(ValueError, match="without any row"):
        run.commit(small.STAGE, [first, second, small.make_facts(6)[4]], rows)
    with pytest.raises(ValueError, match="holds a fact twice"):
        run.commit(small.STAGE, [first, first, second], rows)
    with pytest.raises(ValueError, match="given as skips"):
        run.commit(small.STAGE, [first, second], {"skipped": [{}]})
    with pytest.raises(BadSetting, match="no table 'fact'"):
        run.commit(small.STAGE, [first], {"fact": small.work([first]).rows["facts"]})
    bad = {**rows, "facts": [{**rows["facts"][0], "probability": float("nan")}, rows["facts"][1]]}
    with pytest.raises(BadNumber, match=r"fact 'capital/0001' \(en\), table 'facts', column 'probability'"):
        run.commit(small.STAGE, [first, second], bad)
    assert run.counts(small.STAGE) == Counts()
    assert list((run.folder / "parts").iterdir()) == []
    assert list((run.folder / "unfinished").iterdir()) == []


HOSTILE = [
    "../x",
    "/etc/passwd",
    "..",
    "a\0b",
    "x" * 300,
    "CON",
    "a/../../b",
    "~/x",
    "$(touch x)",
    "巴黎 🗼",
    "a\nb",
    "facts.parquet",
    "\u202egnp",
]


def test_hostile_ids_name_no_path(tmp_path, run, small):
    before = {path for path in tmp_path.rglob("*") if run.folder not in path.parents}
    for fact_id in HOSTILE:
        fact = named(fact_id)
        run.commit(small.STAGE, [fact], {}, [Skip.of(fact, "reason", "detail")])
    assert set(run.table("skipped").fact_id) == set(HOSTILE)
    assert {name.fact_id for name in run.fact_names(small.STAGE)} == set(HOSTILE)
    assert {path for path in tmp_path.rglob("*") if run.folder not in path.parents} == before
    inside = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    expected = {"manifest.json", "lock"}
    for number in range(1, len(HOSTILE) + 1):
        expected |= {f"parts/{number:06d}-locate/{name}" for name in ("commit.json", "skipped.parquet")}
    assert inside == expected
    assert verify(run) == []


def test_an_id_that_is_no_unicode_is_one_line(run, small):
    fact = small.make_facts(4)[2]
    rows = small.rows_of(fact)
    rows["facts"][0]["subject"] = "\ud800"
    with pytest.raises(BadFact, match="column 'subject': a text that is not valid Unicode"):
        run.commit(small.STAGE, [fact], rows)

"""The one loop that drives a stage: what it keeps, what it does not do again, and how it tells what is bad."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from factneurons.errors import BadFact, BadRun, FactneuronsError
from factneurons.experiments.tables import MEASUREMENTS
from factneurons.experiments.types import Measured, MeasuredFact
from factneurons.facts.types import Fact, Prompt
from factneurons.runs.drive import Batch
from factneurons.runs.store import Run
from factneurons.stages.stage import BATCH, Data, Plan, Stage, drive_stage
from factneurons.tables import rows_of

STAGE = Stage("counting", "counting letters", ("measurements",), needs=())
FACTS = [Fact(f"f{number:02}", "r", f"s{number}", "a", "en", (Prompt("p ___"),)) for number in range(2 * BATCH + 3)]
COUNT = len(FACTS)
NUMBER = Measured("none", "letters", 3.0)
DATA = Data("made up", "ab12")


@pytest.fixture
def drive(gpt2, seen, tmp_path):
    """drive(count, bad=(), ...): the stage over the first so many facts; and what its work was given."""

    def call(count=COUNT, *, bad=(), too_large=None, place=tmp_path / "run", settings=None, data=DATA, **options):
        given = []

        def work(batch):
            given.append(len(batch))
            for fact in batch:
                if fact.id in bad:
                    raise BadFact(f"{fact.id} is bad")
                if fact.id in (too_large or {}):
                    raise too_large[fact.id]
            return Batch(rows_of([MEASUREMENTS], [MeasuredFact("E0", fact, (NUMBER,)) for fact in batch]))

        run = drive_stage(
            STAGE, place, gpt2, data, lambda _: Plan(FACTS[:count], work, count),
            settings=settings or {"letters": 3}, display=seen, **options,
        )  # fmt: skip
        return run, given

    return call


def test_facts_come_in_batches_and_are_kept(drive, seen):
    run, given = drive()
    assert given == [BATCH, BATCH, 3]
    assert run.counts("counting").done == COUNT
    assert run.manifest.stages["counting"].state == "done"
    assert run.summaries["counting"].counts.done == COUNT
    assert seen.titles == ["counting letters"]
    assert Data.of(run) == DATA


def test_what_was_done_is_not_done_again(drive):
    run, _ = drive(BATCH, data=replace(DATA, limit=BATCH))
    assert run.manifest.data["sha256"] == "ab12"
    again, given = drive(data=DATA)
    assert sum(given) == COUNT - BATCH
    assert again.counts("counting").done == COUNT
    assert drive()[1] == []


def test_summaries_of_stages_before_stay(drive):
    run, _ = drive(3)
    run.summaries["before"] = run.summaries["counting"]
    again, _ = drive(3, place=run)
    assert set(again.summaries) == {"before", "counting"}
    assert again.folder == run.folder


def test_one_bad_fact_ends_it_and_says_what_is_kept(drive, tmp_path):
    with pytest.raises(FactneuronsError, match=r"f09 is bad \(\d+ facts? finished before it: kept in .*--skip-bad"):
        drive(bad={"f09"})
    run = Run.open(tmp_path / "run")
    assert run.counts("counting").done >= BATCH
    assert run.manifest.stages["counting"].state != "done"


def test_nothing_was_finished(drive):
    with pytest.raises(FactneuronsError, match=r"f00 is bad \(--skip-bad leaves out what is bad and goes on\)"):
        drive(bad={"f00"})


def test_bad_facts_are_left_out_and_counted(drive):
    run, _ = drive(bad={"f00", "f09"}, skip_bad=True)
    assert run.counts("counting").done == COUNT - 2
    assert sum(run.counts("counting").skipped.values()) == 2


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")], ids=["cpu", "gpu"])
def test_a_fact_that_does_not_fit_is_named_or_counted_and_the_others_go_on(drive, error):
    drive(9, too_large={"f03": error}, skip_bad=True)
    with pytest.raises(
        FactneuronsError, match=r"^fact 'f12' \(en\): counting letters with .*: not enough memory; use a"
    ):
        drive(too_large={"f12": error})
    run, _ = drive(too_large={"f12": error}, skip_bad=True)
    assert run.counts("counting").skipped == {"out-of-memory": 2}
    assert run.counts("counting").done == COUNT - 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"settings": {"letters": 4}}, "letters was 3, is 4 now"),
        ({"seed": 7}, "seed"),
        ({"data": Data("other", "cd34")}, "sha256"),
    ],
)
def test_another_run_is_refused(drive, options, message):
    drive(3)
    with pytest.raises(BadRun, match=message):
        drive(3, **options)


def test_a_seed_among_the_settings_does_not_count(drive):
    """It stands beside them, so that a run says it once."""
    run, _ = drive(3, settings={"letters": 3, "seed": 5}, seed=5)
    assert dict(run.manifest.stages["counting"].settings) == {"letters": 3}

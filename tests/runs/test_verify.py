"""What was changed after it was written is named."""

import json
import shutil

import pytest

from factneurons.errors import BadRun
from factneurons.runs.store import Run
from factneurons.runs.verify import verify


@pytest.fixture
def folder(tmp_path, small):
    small.write_run(tmp_path / "run", 12)
    return tmp_path / "run"


def part_of(folder, number):
    """The part whose first fact is the number-th of its stage."""
    (part,) = (folder / "parts").glob(f"{number:06d}-locate-*")
    return part


def flip_a_bit(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_a_run_as_written_is_whole(folder):
    assert verify(Run.open(folder)) == []


@pytest.mark.parametrize("name", ["facts.parquet", "neurons.parquet", "skipped.parquet"])
@pytest.mark.parametrize("place", [0, 200, -1])
def test_one_changed_bit_of_a_part_is_named(folder, name, place):
    part = part_of(folder, 1) / name
    flip_a_bit(part, place)
    assert verify(Run.open(folder)) == [f"{part}: it was changed after it was written"]


@pytest.mark.trial("tampered")
def test_any_changed_bit_of_any_file_is_named(folder, trial):
    """Of the manifest, the records and the tables; what is no more than the order of spaces is no exception."""
    generator = trial.random
    for _ in range(trial.times):
        file = generator.choice(sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size))
        whole = file.read_bytes()
        place, bit = generator.randrange(len(whole)), generator.randrange(8)
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        try:
            problems = verify(Run.open(folder))
        except BadRun as error:
            problems = [str(error)]
        file.write_bytes(whole)
        assert any(str(file) in problem for problem in problems), (file, place, bit, problems)
    assert verify(Run.open(folder)) == []


def test_a_missing_and_a_foreign_part_are_named(folder):
    part = part_of(folder, 5) / "facts.parquet"
    part.rename(part.with_name("old.parquet"))
    assert verify(Run.open(folder)) == [
        f"{part}: it is missing",
        f"{part.with_name('old.parquet')}: it is no file of this run",
    ]


def test_a_changed_record_is_named(folder):
    record = part_of(folder, 5) / "commit.json"
    content = json.loads(record.read_text())
    content["parts"]["facts"]["rows"] += 1
    record.write_text(json.dumps(content))
    problems = verify(Run.open(folder))
    assert problems[0] == f"{record}: it is missing or was changed"


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        (5, "stage 'locate' is done, but lacks what was at places 5 to 8 of its data"),
        (9, "stage 'locate' has fewer facts on disk than its manifest says"),
    ],
)
def test_a_missing_commit_is_noticed(folder, number, problem):
    shutil.rmtree(part_of(folder, number))
    assert verify(Run.open(folder)) == [f"{folder}: {problem}"]


def test_a_gap_that_others_are_still_to_fill_is_none(tmp_path, small):
    facts = small.make_facts(12)
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        run.commit(small.STAGE, facts[8:12], **vars_of(small.work(facts[8:12])), number=9)
        assert verify(run) == []
        run.set_state(small.STAGE, "done")
        assert verify(run) == [
            f"{tmp_path / 'run'}: stage 'locate' is done, but lacks what was at places 1 to 8 of its data"
        ]


def test_places_that_moved_are_no_gap(tmp_path, small):
    """Facts that were located between others later take places that were other facts' before."""
    facts = small.make_facts(24)
    with Run.create_or_resume(tmp_path / "run", small.make_manifest(), small.STAGE) as run:
        for number, own in ((1, facts[:8]), (9, facts[16:20]), (9, facts[8:16]), (21, facts[20:])):
            run.commit(small.STAGE, own, **vars_of(small.work(own)), number=number)
        run.set_state(small.STAGE, "done")
        assert verify(run) == []


def vars_of(batch):
    return {"rows": batch.rows, "skips": batch.skips}


@pytest.mark.trial("tampered")
def test_a_changed_manifest_is_named(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"threshold": 0.2', '"threshold": 0.3'))
    assert verify(Run.open(folder)) == [f"{path}: it was changed after it was written"]


@pytest.mark.trial("tampered")
def test_another_model_or_other_data_are_named(folder):
    run = Run.open(folder)
    same = {"model.safetensors": "ab12"}
    assert verify(run, model_files=same, data_sha256="cd34") == []
    assert verify(run, model_files={**same, "tokenizer.json": "00"}, data_sha256="ee") == [
        "model file tokenizer.json: it is not the one the run was made with",
        "data bundled: they are not those the run was made with",
    ]

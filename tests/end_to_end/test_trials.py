"""Whole commands, watched from outside: what they touch, how much memory they take, whether they do the same again."""

from __future__ import annotations

import getpass
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import factneurons as fn

PATHS = [
    "../../escaped", "/etc/passwd", "/dev/null", "~/x", "..", ".", "CON", "a/b/c", "a\\b", "x" * 300, "link", "巴黎 🗼",
    "$(touch escaped)", "file:///tmp/escaped", "facts.parquet", "manifest.json", "parts/000001-locate", "\u202egnp",
]  # fmt: skip


@pytest.mark.trial("paths in data")
def test_paths_in_data_lead_nowhere(world, commands, tmp_path, start, write_facts):
    facts = [replace(fact, id=f"{path}", relation=path, source=path) for fact, path in zip(world, PATHS, strict=False)]
    file, out = write_facts(tmp_path / "facts.jsonl", facts), tmp_path / "runs" / "..name $(touch escaped)"
    out.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (out.parent / "link").symlink_to(tmp_path / "elsewhere")
    touched = []
    for arguments in (commands.locate(out, facts=file), commands.degenerate(out), ("report", out), ("verify", out)):
        process = start(*arguments)
        ended = process.wait()
        assert ended.code == 0, ended
        touched += process.touched
    assert len(fn.Run.open(out).table("facts")) == len(PATHS)
    cache_of_torch = Path(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}")
    allowed = (out, cache_of_torch, Path(os.devnull))
    assert touched
    astray = [str(path) for path in touched if not any(path.is_relative_to(place) for place in allowed)]
    assert astray == []
    assert sorted(path.name for path in out.parent.iterdir()) == sorted([out.name, "link"])
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.trial("threads")
def test_the_same_command_gives_the_same_tables(commands, tmp_path, start, tables, same_tables, trial):
    """Bit for bit with the same number of threads; with another number to 1e-4, and bit for bit on most machines."""
    runs: dict[int, list[Path]] = {1: [], 2: []}
    for turn in range(1 + trial.times):
        for threads, folders in runs.items():
            folders.append(tmp_path / f"{threads}-{turn}")
            stages = (commands.locate(folders[-1]), commands.degenerate(folders[-1]))
            for arguments in stages if trial.times > 1 else stages[:1]:  # the search takes too long for the suite
                ended = start(*arguments, threads=threads).wait()
                assert ended.code == 0, ended
    for folders in runs.values():
        for folder in folders[1:]:
            same_tables(folder, folders[0])
    one, two = (tables(folders[0]) for folders in runs.values())
    for name, table in one.items():
        alike(name, table, two[name])
    trial.note(
        f"tables that 1 and 2 threads make alike to the bit: {sum(t.equals(two[n]) for n, t in one.items())}"
        f" of {len(one)}"
    )


def alike(name: str, one: pd.DataFrame, two: pd.DataFrame) -> None:
    """To 1e-4: a score of its fact's largest, an integral's error of the change it misses, other numbers of themselves.

    A small score, or a small error, is what is left where large numbers cancel; of itself it is as exact as they are.
    """
    of: dict[str, pd.Series] = {}
    if name == "neurons":
        of["score"] = one["score"].abs().groupby([one["fact_id"], one["language"]]).transform("max")
    if name == "completeness":
        of["ratio"] = pd.Series(1.0, index=one.index)
        of["error"] = (one["error"] / one["ratio"]).where(one["ratio"] > 0)
    others = [frame.drop(columns=list(of)) for frame in (one, two)]
    pd.testing.assert_frame_equal(*others, check_exact=False, rtol=1e-4, atol=1e-6, obj=name)
    for column, whole in of.items():
        differ = (one[column] - two[column]).abs() > 1e-4 * whole
        assert not differ.any(), (name, column, one[differ], two[differ])


@pytest.mark.trial("memory flat")
def test_memory_does_not_grow_with_the_work(world, commands, tmp_path, start, write_facts, trial):
    """With so many times as many facts, and with ten times as many steps, a batch has the same size."""

    def peak(name: str, number: int, points: int) -> int:
        facts = [replace(world[n % len(world)], id=f"{n}", source="") for n in range(number)]
        file = write_facts(tmp_path / f"{name}.jsonl", facts)
        options = ("--rule", "right", "--points", points, "--method", "dai")
        process = start(*commands.locate(tmp_path / name, *options, facts=file))
        ended = process.wait()
        assert ended.code == 0, ended
        return process.peak

    few = peak("few", 10, 10)
    for what, grown in {
        f"facts 10 to {trial.times}": peak("many", trial.times, 10) / few - 1,
        "steps 10 to 100": peak("long", 10, 100) / few - 1,
    }.items():
        assert grown < 0.05, what
        trial.note(f"{what}: {grown:+.1%}")

"""The whole benchmark: models are made where they are not there yet, judged, and the rows kept in one table.

A model that is there, and a model that is judged, is not touched again: what was stopped goes on where it was.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pandas as pd

import factneurons
from factneurons.benchmark.contestants import groupers, scorers
from factneurons.benchmark.jobs import Job, jobs_of, key_of
from factneurons.benchmark.pace import Pace
from factneurons.benchmark.settings import UNDESIGNED, BenchmarkSettings
from factneurons.planted.base import base_model, check_base
from factneurons.pocket.recipe import RECIPES
from factneurons.runs.files import disk_errors_in_one_line, replace_file, sha256_of
from factneurons.settings import with_options

TABLE = "benchmark.parquet"
"""The table's name in the benchmark's folder."""

Report = Callable[[str], None]


def check_bases(settings: BenchmarkSettings) -> None:
    """Refuse a base that nothing can be planted in before hours are spent on the others.

    Raises:
        BadModel: it cannot be loaded or widened.
    """
    for base in settings.bases:
        check_base(base_model(base, 0))


def run_benchmark(
    out: str | Path,
    settings: BenchmarkSettings | None = None,
    *,
    report: Report | None = None,
    **options: object,
) -> pd.DataFrame:
    """Plant what is missing, judge it, and write the table; returns the table (see `COLUMNS`).

    Args:
        out: the benchmark's folder; it keeps planted models and what was judged.
        settings: what to plant and judge, or
        report: is given a line of progress now and then.
        **options: the settings' fields by name; without any it is the whole benchmark.

    Raises:
        BadSetting: a model in which not one fact could be planted.
        BadModel: a base that cannot be loaded or widened.
    """
    settings = with_options(BenchmarkSettings, settings, options)
    say, folder = report or (lambda _: None), Path(out)
    jobs = jobs_of(folder, settings)
    _say_left_out(settings, say)
    pace = Pace(
        {
            **Counter(job.making for job in jobs if not job.made),
            "judging": sum(not (job.made and _judged_path(folder, job, settings).is_file()) for job in jobs),
        }
    )
    tables = []
    for number, job in enumerate(jobs, 1):
        tables.append(_table_of(folder, job, settings, pace, say))
        if pace.spent and number < len(jobs):
            say(", ".join(part for part in (f"{number} of {len(jobs)} models", str(pace)) if part))
    table = pd.concat(tables, ignore_index=True)
    _write(folder / TABLE, table)
    return table


def _say_left_out(settings: BenchmarkSettings, say: Report) -> None:
    left_out = [base for base in settings.bases if settings.undesigned and base not in RECIPES]
    if left_out:
        say(f"{UNDESIGNED}: no model is trained for {', '.join(left_out)}, only for {', '.join(RECIPES)}")


def model_folders(folder: Path, settings: BenchmarkSettings) -> list[Path]:
    """Where the models of a benchmark stand."""
    return [job.place for job in jobs_of(folder, settings)]


def _table_of(folder: Path, job: Job, settings: BenchmarkSettings, pace: Pace, say: Report) -> pd.DataFrame:
    """The rows of one model; it is made and judged where that was not done yet."""
    if not job.made:
        say(f"{job.making} {job.name}")
        with disk_errors_in_one_line(folder):
            job.place.parent.mkdir(parents=True, exist_ok=True)
            with pace.timed(job.making):
                job.make(lambda line: say(f"{job.name}: {line}"))
    path = _judged_path(folder, job, settings)
    if path.is_file():
        return pd.read_parquet(path)
    say(f"judging {job.name}")
    with pace.timed("judging"):
        table = job.rows(settings)
    _write(path, table)
    return table


def _judged_path(folder: Path, job: Job, settings: BenchmarkSettings) -> Path:
    """The file of one judged model; its name stands for all that decides the rows."""
    content = {
        "known": [path.read_text(encoding="utf-8") for path in job.known],
        "contestants": [sorted(scorers()), {name: asdict(each) for name, each in groupers().items()}],
        "asked": job.asked(settings),
        "code": _code(),
    }
    return folder / "judged" / f"{job.place.name}-{key_of(content)}.parquet"


@cache
def _code() -> str:
    """A hash of this package's source: what was judged by other code is judged again."""
    folder = Path(factneurons.__file__).parent
    return key_of({str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*.py"))})


def _write(path: Path, table: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    scratch = path.parent / "unfinished"
    with disk_errors_in_one_line(path.parent):
        scratch.mkdir(parents=True, exist_ok=True)
        replace_file(path, buffer.getvalue(), scratch / path.name)

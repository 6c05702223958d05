"""The whole benchmark: models are planted where they are not there yet, judged, and the rows kept in one table.

A model that is planted, and a model that is judged, is not touched again: what was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import pandas as pd

import factneurons
from factneurons.benchmark.contestants import groupers, scorers
from factneurons.benchmark.judging import Judged, judge
from factneurons.benchmark.pace import Pace
from factneurons.benchmark.settings import DISTINCT, EASY, RIGHT, BenchmarkSettings
from factneurons.benchmark.summary import MEASURES
from factneurons.planted.base import base_model, check_base, weight_files
from factneurons.planted.plant import plant
from factneurons.planted.settings import PlantingSettings
from factneurons.planted.truth import TRUTH
from factneurons.runs.files import disk_errors_in_one_line, replace_file, sha256_of
from factneurons.settings import with_options

TABLE = "benchmark.parquet"
"""The table's name in the benchmark's folder."""

COLUMNS: dict[str, str] = {
    "model": "the planted model: its base and its seed",
    "base": "the model that facts were planted in",
    "seed": "of everything drawn at random",
    "fact_id": "the fact's id",
    "language": "the fact's language",
    "regime": "how the fact is stored, in truth",
    "part": "localisation, grouping or verdict",
    "neurons": 'where the grouped neurons come from: "true", or a method; "" for localisation',
    "contestant": "the method of attribution, or the clusterer",
    "measure": "what was measured",
    "value": "the number; of a verdict 1 where it is so, else 0, and none where it cannot be",
    "verdict": 'what was concluded; "" where the part is no verdict',
}
"""Columns of the table, one row per number: name -> meaning."""

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
    jobs = _jobs(folder, settings)
    pace = Pace(
        {
            "planting": sum(not job.planted for job in jobs),
            "judging": sum(not (job.planted and _judged_path(folder, job.place, settings).is_file()) for job in jobs),
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


@dataclass(frozen=True, slots=True)
class _Job:
    """One model to be planted and judged."""

    base: str
    seed: int
    place: Path
    group: str
    planting: PlantingSettings

    @property
    def planted(self) -> bool:
        return (self.place / TRUTH).is_file()

    @property
    def name(self) -> str:
        return model_name(self.base, self.seed, self.group)


def model_name(base: str, seed: int, group: str = EASY) -> str:
    """What a planted model is called in the table: its base, its group of regimes where it is not easy, its seed."""
    return "-".join([Path(base).name, *([] if group == EASY else [group]), str(seed)])


def model_folders(folder: Path, settings: BenchmarkSettings) -> list[Path]:
    """Where the planted models of a benchmark stand."""
    return [job.place for job in _jobs(folder, settings)]


def _jobs(folder: Path, settings: BenchmarkSettings) -> list[_Job]:
    """All models, seed by seed: what is stopped early has every base and every regime."""
    jobs = []
    weights = {base: [sha256_of(path) for path in weight_files(base)] for base in settings.bases}
    for seed in settings.seeds:
        for base, (group, mix) in product(settings.bases, settings.mixes.items()):
            planting = replace(settings.planting, seed=seed, mix=mix)
            key = _key({"base": base, "weights": weights[base], "settings": asdict(planting)})
            place = folder / "models" / f"{model_name(base, seed, group)}-{key}"
            jobs.append(_Job(base, seed, place, group, planting))
    return jobs


def _table_of(folder: Path, job: _Job, settings: BenchmarkSettings, pace: Pace, say: Report) -> pd.DataFrame:
    """The rows of one model; it is planted and judged where that was not done yet."""
    if not job.planted:
        say(f"planting {job.name}")
        with disk_errors_in_one_line(folder):
            job.place.parent.mkdir(parents=True, exist_ok=True)
            with pace.timed("planting"):
                plant(job.base, job.place, settings=job.planting, report=lambda line: say(f"{job.name}: {line}"))
    path = _judged_path(folder, job.place, settings)
    if path.is_file():
        return pd.read_parquet(path)
    say(f"judging {job.name}")
    with pace.timed("judging"):
        table = long_table(judge(job.place, grouped_by=settings.grouped_by), job.base, job.seed, job.group)
    _write(path, table)
    return table


def _judged_path(folder: Path, place: Path, settings: BenchmarkSettings) -> Path:
    """The file of one judged model; its name stands for all that decides the rows."""
    content = {
        "truth": (place / TRUTH).read_text(encoding="utf-8"),
        "contestants": [sorted(scorers()), {name: asdict(each) for name, each in groupers().items()}],
        "grouped_by": list(settings.grouped_by),
        "code": _code(),
    }
    return folder / "judged" / f"{place.name}-{_key(content)}.parquet"


@cache
def _code() -> str:
    """A hash of this package's source: what was judged by other code is judged again."""
    folder = Path(factneurons.__file__).parent
    return _key({str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*.py"))})


def long_table(judged: Judged, base: str, seed: int, group: str = EASY) -> pd.DataFrame:
    """The tables of one model as one, a row per number."""
    about = ["fact_id", "language", "regime"]
    localisation = judged.localisation.rename(columns={"method": "contestant"}).assign(neurons="", part="localisation")
    grouping = judged.grouping.rename(columns={"clusterer": "contestant"}).assign(part="grouping")
    verdicts = judged.verdicts.rename(columns={"clusterer": "contestant"}).assign(part="verdict")
    pairs = list(zip(verdicts["regime"], verdicts["verdict"], strict=True))
    verdicts["right"] = [float(verdict in RIGHT[regime]) for regime, verdict in pairs]
    verdicts["false_components"] = [false_components(regime, verdict) for regime, verdict in pairs]
    keys = [*about, "part", "neurons", "contestant"]
    parts = [
        localisation.melt(keys, list(MEASURES["localisation"]), "measure"),
        grouping.melt(keys, list(MEASURES["grouping"]), "measure"),
        verdicts.melt([*keys, "verdict"], list(MEASURES["verdict"]), "measure"),
    ]
    table = pd.concat(parts, ignore_index=True).fillna({"verdict": ""})
    table = table.assign(model=model_name(base, seed, group), base=base, seed=seed)
    return table[list(COLUMNS)]


def false_components(regime: str, verdict: str) -> float:
    """Whether components are said to be where there are none; NaN where there are."""
    return math.nan if set(DISTINCT) & set(RIGHT[regime]) else float(verdict in DISTINCT)


def _write(path: Path, table: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    scratch = path.parent / "unfinished"
    with disk_errors_in_one_line(path.parent):
        scratch.mkdir(parents=True, exist_ok=True)
        replace_file(path, buffer.getvalue(), scratch)


def _key(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:10]

"""The page of a suite: cells by models, with verdicts, effects and intervals, and published numbers beside ours."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from factneurons.experiments.cells import SuiteCell
from factneurons.experiments.published import Published, published_in
from factneurons.experiments.suite import experiment_named
from factneurons.experiments.verdicts import Cell, Tested, cells_of, judged_together
from factneurons.report.html import environment, render, write_page
from factneurons.report.sections.experiments import PAGE as EXPERIMENTS_PAGE
from factneurons.report.sections.ladders import ladder_frame, ladders_in
from factneurons.report.text import could_tell
from factneurons.runs.files import disk_errors_in_one_line, replace_file
from factneurons.runs.reading import measurements_of
from factneurons.runs.store import MANIFEST, Run

PAGE = "suite.html"


@dataclass(frozen=True, slots=True)
class SuiteModel:
    """One model of a suite.

    Attributes:
        name: its name.
        folder: its run, inside the suite's folder.
        failures: experiment's id -> why it could not be measured.
    """

    name: str
    folder: str
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One cell of the grid: a test, or why there is none, and the page that tells more."""

    cell: SuiteCell
    model: SuiteModel
    language: str
    tested: Tested | None
    failure: str

    @property
    def link(self) -> str:
        """The experiment's page, seen from the suite's."""
        return f"{self.model.folder}/{EXPERIMENTS_PAGE}#{self.cell.of}" if self.tested else ""


_Tables = Mapping[tuple[str, str], pd.DataFrame]


def _tables(folder: Path, models: Sequence[SuiteModel], cells: Sequence[SuiteCell]) -> _Tables:
    """(model, experiment) -> its measurements, of those that are there."""
    found = {}
    for model in models:
        if (folder / model.folder / MANIFEST).exists():
            run = Run.open(folder / model.folder)
            for of in dict.fromkeys(cell.of for cell in cells):
                table = measurements_of(run, of) if of.lower() in run.manifest.stages else pd.DataFrame()
                if len(table):
                    found[model.name, of] = table
    return found


def _entries(models: Sequence[SuiteModel], cells: Sequence[SuiteCell], tables: _Tables) -> list[_Entry]:
    """Every cell of every model and language, all tested as one family."""
    spoken: dict[str, set[str]] = {model.name: set() for model in models}
    for (name, _), table in tables.items():
        spoken[name].update(table["language"])
    there = [(cell, model, lang) for cell in cells for model in models for lang in sorted(spoken[model.name]) or [""]]
    asked = [key for key in there if (key[1].name, key[0].of) in tables]
    found = judged_together([(tables[model.name, cell.of], cell.claim, language) for cell, model, language in asked])
    by_name = {(cell.name, model.name, lang): one for (cell, model, lang), one in zip(asked, found, strict=True)}
    return [
        _Entry(cell, model, lang, by_name.get((cell.name, model.name, lang)), model.failures.get(cell.of, ""))
        for cell, model, lang in there
    ]


def _frame(entries: Sequence[_Entry]) -> pd.DataFrame:
    return pd.DataFrame(_row(each) for each in entries)


def _row(entry: _Entry) -> dict[str, object]:
    tested = entry.tested
    effect = tested.difference if tested is not None else None
    return {
        "cell": entry.cell.name,
        "group": entry.cell.group,
        "experiment": entry.cell.of,
        "claim": entry.cell.says,
        "model": entry.model.name,
        "language": entry.language,
        "verdict": tested.verdict if tested is not None else "not measured",
        "difference": effect.estimate if effect is not None else None,
        "low": effect.low if effect is not None else None,
        "high": effect.high if effect is not None else None,
        "p_value": tested.p_value if tested is not None else None,
        "facts": tested.facts if tested is not None else 0,
        "subjects": tested.subjects if tested is not None else 0,
        "smallest_p": tested.smallest_p if tested is not None else None,
        "enough": tested.enough if tested is not None else None,
        "open": could_tell(tested, tested.subjects) if tested is not None else "",
        "by_design": tested.by_design if tested is not None else 0,
        "failure": entry.failure,
        "page": entry.link,
    }


@dataclass(frozen=True, slots=True)
class _Beside:
    """Published numbers of one measure beside the means here.

    Attributes:
        first: what is compared.
        published: the papers' numbers.
        ours: (model, language) -> the mean here; None where there is none.
    """

    first: Published
    published: tuple[Published, ...]
    ours: Mapping[tuple[str, str], Cell | None]


def _beside(columns: Sequence[tuple[str, str]], tables: _Tables) -> list[_Beside]:
    grouped: dict[tuple[str, str, str, str], list[Published]] = {}
    for each in published_in(sorted({of for _, of in tables})):
        grouped.setdefault((each.experiment, each.measure, each.place, each.condition), []).append(each)
    means = {
        (model, of, cell.measure, cell.place, cell.condition, cell.language): cell
        for (model, of), table in tables.items()
        for cell in _means(of, table)
    }
    return [
        _Beside(own[0], tuple(own), {column: means.get((column[0], *key, column[1])) for column in columns})
        for key, own in grouped.items()
    ]


def _means(of: str, table: pd.DataFrame) -> Iterator[Cell]:
    """The means that there are published numbers for; an experiment has many others."""
    names = {each.measure for each in published_in([of])}
    own = table[table["measure"].isin(names)]
    if len(own):
        yield from (cell for cell in cells_of(own, experiment_named(of)) if cell.measure in names)


def write_suite(
    folder: Path, models: Sequence[SuiteModel], cells: Sequence[SuiteCell], data: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write a suite's page, suite.html, and its numbers as files beside it.

    Args:
        folder: the suite's folder, with a run for each model.
        models: the models.
        cells: the cells that were to be measured.
        data: where the facts are from.

    Returns:
        a row per cell, model and language, as in suite.csv; p-values are corrected over all of them. And what is told
        across models, as in suite_ladders.csv.

    Raises:
        BadRun: a part of a run is missing or damaged, or a file cannot be written.
    """
    tables = _tables(folder, models, cells)
    entries = _entries(models, cells, tables)
    columns = list(dict.fromkeys((each.model.name, each.language) for each in entries))
    beside = _beside(columns, tables)
    grid = {(each.cell.name, each.model.name, each.language): each for each in entries}
    groups: dict[str, list[SuiteCell]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    verdicts = Counter(each.tested.verdict for each in entries if each.tested)
    climbed = ladders_in(folder, models, tables)
    html = render(
        environment(), "suite.html.j2", [],
        models=models, data=data, columns=columns, groups=groups, grid=grid, beside=beside, verdicts=verdicts,
        climbed=climbed, could_tell=could_tell,
    )  # fmt: skip
    write_page(folder / PAGE, html)
    results, ladder, binary = _frame(entries), ladder_frame(climbed), io.BytesIO()
    results.to_parquet(binary, index=False)
    with disk_errors_in_one_line(folder):
        replace_file(folder / "suite.csv", results.to_csv(index=False).encode())
        replace_file(folder / "suite.parquet", binary.getvalue())
        replace_file(folder / "suite_ladders.csv", ladder.to_csv(index=False).encode())
        replace_file(folder / "suite_published.csv", _published_frame(beside).to_csv(index=False).encode())
    return results, ladder


def _published_frame(beside: Sequence[_Beside]) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for each in beside:
        key = {name: getattr(each.first, name) for name in ("experiment", "measure", "place", "condition")}
        for one in each.published:
            rows.append({**key, "model": one.model, "language": "", "value": one.value, "provenance": one.provenance})
        for (model, language), cell in each.ours.items():
            if cell is not None:
                ends = {"low": cell.interval.low, "high": cell.interval.high, "facts": cell.interval.n}
                own = {"model": model, "language": language, "value": cell.interval.estimate, **ends}
                rows.append({**key, **own, "provenance": "measured here"})
    names = ["experiment", "measure", "place", "condition", "model", "language", "value", "low", "high", "facts"]
    return pd.DataFrame(rows, columns=[*names, "provenance"])

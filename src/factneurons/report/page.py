"""The report of a run: one HTML file that needs neither a server nor a network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from factneurons.errors import BadSetting
from factneurons.report import drawing, embed, numbers, text
from factneurons.report.about import about
from factneurons.report.acquisition import acquisition_figures
from factneurons.report.facts import sections_of
from factneurons.report.figures import Figure, figures_of
from factneurons.report.findings import findings_of
from factneurons.report.reading import LISTED_SKIPS, Reading, keys, read, records
from factneurons.report.sentences import missing_of, sentences_of, tiles_of
from factneurons.runs import Run
from factneurons.runs.files import disk_errors_in_one_line, sync_folder, write_new

REPORT = "report.html"
FIGURES = "figures"
_LISTED_FACTS = 1000
_FILTERS = (
    *(
        numbers.count,
        numbers.percent,
        numbers.whole_percent,
        numbers.change,
        numbers.loss,
        numbers.loss_range,
        numbers.probability,
        numbers.p_value,
    ),
    *(numbers.plain, numbers.signed, numbers.change_range, numbers.date),
)


def write_report(
    run: Run | Path | str, *, out: Path | str | None = None, figures: Sequence[str] = (), max_facts: int = 40
) -> Path:
    """Write a run's report as one self-contained HTML file; the same run gives the same bytes.

    Args:
        run: a run, or its folder. It may still be written to: the report covers what is finished.
        out: the file to write; default: report.html in the run's folder.
        figures: "png", "svg" or both: write every chart as a file of that kind too, into RUN/figures.
        max_facts: how many facts get a section of their own, the first ones by id and language.

    Returns:
        The path of the HTML file.

    Raises:
        BadRun: there is no run in the folder, it is damaged, or the file cannot be written.
        BadSetting: an unknown kind of figures, a negative max_facts, or an `out` that is a folder.
    """
    drawing.check_formats(figures)
    if max_facts < 0:
        raise BadSetting(f"max_facts is at least 0, not {max_facts}")
    run = run if isinstance(run, Run) else Run.open(run)
    path = Path(out) if out is not None else run.folder / REPORT
    if path.is_dir():
        raise BadSetting(f"{path} is a folder: name the file the report goes to, for instance {path / REPORT}")
    reading = read(run, max_facts)
    html, drawn = _rendered(reading)
    with disk_errors_in_one_line(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        _put(path, html.encode("utf-8", errors="replace"))
    if figures:
        _write_figures(run.folder / FIGURES, drawn, figures)
    return path


def _write_figures(folder: Path, figures: Sequence[Figure], formats: Sequence[str]) -> None:
    with disk_errors_in_one_line(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for figure in figures:
            for name in dict.fromkeys(formats):
                _put(drawing.figure_path(folder, figure, name), drawing.draw(figure, name))


def _put(path: Path, data: bytes) -> None:
    """Write a file and put it in its place by one rename, so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        write_new(temporary, data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def _rendered(reading: Reading) -> tuple[str, list[Figure]]:
    """The page, and every chart in it."""
    findings = findings_of(reading)
    sections = sections_of(reading, findings.degeneracy)
    figures = [*figures_of(reading, findings), *acquisition_figures(findings)]
    drawn = [*figures, *(section.barcode for section in sections if section.barcode is not None)]
    environment = _environment()
    boot, _, _ = environment.loader.get_source(environment, "charts.js")  # type: ignore[union-attr]
    scripts = [embed.code_in_script(code) for code in ((drawing.runtime(), boot) if drawn else (boot,))]
    html = environment.get_template("report.html.j2").render(
        about=about(reading),
        findings=findings,
        sentences=sentences_of(findings),
        tiles=tiles_of(findings),
        missing=missing_of(reading, findings),
        figures=figures,
        sections=sections,
        others=_others(reading),
        others_left_out=max(0, len(reading.facts) - len(reading.shown) - _LISTED_FACTS),
        show_all=text.more_facts(reading.run.folder, len(reading.facts)),
        skipped=reading.skipped,
        skipped_left_out=max(0, reading.skipped_total - LISTED_SKIPS),
        charts=[(figure.name, drawing.page_specification(figure)) for figure in drawn],
        scripts=scripts,
        policy=embed.content_security_policy(scripts),
        no_degenerate=text.no_degenerate,
        reported_by=reading.run.folder.name,
    )
    return html, drawn


def _others(reading: Reading) -> list[dict[str, Any]]:
    """The facts without a section of their own, with their verdicts where there are any."""
    rest = reading.facts.iloc[len(reading.shown) : len(reading.shown) + _LISTED_FACTS]
    verdicts = dict(zip(keys(reading.degenerate), reading.degenerate["verdict"], strict=True))
    return [{**row, "verdict": verdicts.get((row["fact_id"], row["language"]), "")} for row in records(rest)]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("factneurons.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=embed.visible,
    )
    environment.filters.update({function.__name__: function for function in _FILTERS})
    environment.filters["place"] = text.place
    environment.filters["json_in_script"] = embed.json_in_script
    return environment

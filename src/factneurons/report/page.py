"""The report of a run: one HTML file that needs neither a server nor a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from factneurons.degeneracy.types import STORAGE
from factneurons.errors import BadSetting
from factneurons.report import drawing, text
from factneurons.report.charts import Figure
from factneurons.report.figures import figures_of
from factneurons.report.html import environment, render, write_figures, write_page
from factneurons.report.reading import LISTED_SKIPS, Reading, findings_in, read
from factneurons.report.sections.about import about
from factneurons.report.sections.checks import check_figures, checks_of
from factneurons.report.sections.facts import sections_of
from factneurons.report.sections.glossary import TERMS
from factneurons.report.sections.languages import language_figures, languages_of
from factneurons.report.sections.neurons import neurons_of
from factneurons.report.sections.opening import opening_of, picture_of, tiles_of
from factneurons.report.sections.overview import effect_rows, missing_of, sentences_of
from factneurons.report.sections.rows import fact_table
from factneurons.runs.store import Run
from factneurons.settings import check_number

REPORT = "report.html"
FIGURES = "figures"
_PLAIN_ROWS = 200
"""How many rows of a table are there without JavaScript."""


def run_report(
    run: Run | Path | str, *, out: Path | str | None = None, figures: Sequence[str] = (), max_facts: int = 40
) -> Path:
    """Write a run's report as one self-contained HTML file; the same run gives the same bytes.

    A folder of experiments gets their page, experiments.html.

    Args:
        run: a run, or its folder. It may still be written to: the report covers what is finished.
        out: the file to write; default: report.html in the run's folder.
        figures: "png", "svg" or both: write every chart as a file of that kind too, into RUN/figures.
        max_facts: how many facts get a section of their own, the first ones by id and language.

    Returns:
        The path of the HTML file.

    Raises:
        BadRun: there is no run in the folder, it is damaged, or the file cannot be written.
        BadSetting: an unknown kind of figures, a negative max_facts, an `out` that is a folder, or one for experiments.
    """
    drawing.check_formats(figures)
    check_number("max_facts", max_facts, whole=True, least=0)
    run = run if isinstance(run, Run) else Run.open(run)
    if "locate" not in run.manifest.stages:
        # Here, because experiments bring PyTorch with them.
        from factneurons.report.sections.experiments import PAGE, experiments_in, write_experiments

        if experiments_in(run):
            if out is not None:
                raise BadSetting(f"{run.folder} holds experiments: their page is {run.folder / PAGE}; leave out --out")
            return write_experiments(run, figures=figures)[0]
    path = Path(out) if out is not None else run.folder / REPORT
    if path.is_dir():
        raise BadSetting(f"{path} is a folder: name the file the report goes to, for instance {path / REPORT}")
    drawing.prepared_runtime()
    reading = read(run, max_facts)
    html, drawn = _rendered(reading)
    write_page(path, html)
    if figures:
        write_figures(run.folder / FIGURES, drawn, figures)
    return path


def _rendered(reading: Reading) -> tuple[str, list[Figure]]:
    """The page, and every chart in it."""
    findings = findings_in(reading)
    sections = sections_of(reading)
    neurons = neurons_of(reading)
    figures = figures_of(reading, findings)
    picture = picture_of(figures)
    further = [figure for figure in figures if figure is not picture]
    languages = languages_of(reading.run, reading.facts, reading.layers)
    by_language = [] if languages is None else list(language_figures(languages))
    checks = checks_of(reading.run)
    of_checks = [] if checks is None else list(check_figures(checks))
    drawn = [
        *([] if picture is None else [picture]),
        *(section.barcode for section in sections if section.barcode is not None),
        *further,
        *by_language,
        *of_checks,
    ]
    templates = environment()
    templates.filters["place"] = text.place
    html = render(
        templates,
        "report.html.j2",
        drawn,
        code=("charts.js", "browse.js"),
        about=about(reading),
        findings=findings,
        effects=effect_rows(findings),
        opening=opening_of(reading, findings),
        picture=picture,
        sentences=sentences_of(findings),
        tiles=tiles_of(findings),
        missing=missing_of(reading, findings),
        figures=further,
        languages=languages,
        language_figures=by_language,
        checks=checks,
        check_figures=of_checks,
        sections=sections,
        table=fact_table(reading),
        neurons=neurons,
        listed_neurons=set() if neurons is None else neurons.listed,
        plain_rows=_PLAIN_ROWS,
        show_all=text.more_facts(reading.run.folder, len(reading.facts)),
        skipped=reading.skipped,
        skipped_left_out=max(0, reading.skipped_total - LISTED_SKIPS),
        no_degenerate=text.no_degenerate,
        storage=STORAGE,
        terms=TERMS,
        reported_by=reading.run.folder.name,
    )
    return html, drawn

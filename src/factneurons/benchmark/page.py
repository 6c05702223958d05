"""The benchmark as a page: one HTML file that needs neither a server nor a network, and two CSV files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from factneurons.benchmark.figures import benchmark_figures
from factneurons.benchmark.planting import planted_models, regimes_of, trained_models
from factneurons.benchmark.settings import CAPTUM, UNDESIGNED, has_captum
from factneurons.benchmark.summary import COMPARED, comparisons, planted_part, summary
from factneurons.benchmark.tables import (
    CONTROL,
    MEASURE_NAMES,
    confusion_table,
    ranked,
    regime_table,
    source_name,
    sources,
    table_of,
    undesigned_found,
    undesigned_verdicts,
)
from factneurons.report import drawing
from factneurons.report.charts import Figure
from factneurons.report.html import environment, render, write_figures, write_page
from factneurons.runs.files import disk_errors_in_one_line, replace_file

PAGE = "benchmark.html"
SUMMARY = "summary.csv"
COMPARISONS = "comparisons.csv"
FIGURES = "figures"

_ROOM = "factneurons.benchmark"
_SECTIONS = {
    "localisation": (
        "Which neurons",
        "Every method of attribution, judged by the neurons that store the facts. Precision: the share of the"
        " neurons it chooses that are right; recall: the share of the right ones that it chooses; average "
        "precision: the same over all thresholds, 1 where every right neuron scores above every other. Held-"
        "out loss: what P(answer) loses, on prompts that the method did not see, when its neurons are "
        "suppressed.",
    ),
    "grouping": (
        "Which groups",
        "Every clusterer, judged by the components that the neurons form. Adjusted Rand index: how well its "
        "groups agree with them, 1 where they are the same and 0 as by chance. F1: how many components it "
        "finds as a group, and how few groups are none.",
    ),
    "verdict": (
        "Which verdict",
        "How each fact is stored, concluded from the groups of every clusterer. Right verdicts: the share of "
        "facts of which the way they were stored is told. False components: the share that is called "
        "degenerate or redundant among facts that are neither.",
    ),
}


@dataclass(frozen=True, slots=True)
class Written:
    """Where the benchmark's results are, beside its table."""

    page: Path
    summary: Path
    comparisons: Path
    figures: tuple[Path, ...] = ()


def write_results(
    folder: str | Path, table: pd.DataFrame, models: Sequence[Path], *, figures: Sequence[str] = ()
) -> Written:
    """Write the page, the summary and the comparisons; the same table gives the same bytes.

    Args:
        folder: the benchmark's folder.
        table: the benchmark's table.
        models: the folders of its models.
        figures: "png", "svg" or both: write every chart as a file of that kind too, into FOLDER/figures.

    Raises:
        BadRun: a file cannot be written, or a folder holds no model of a benchmark.
        BadSetting: an unknown kind of figures.
    """
    drawing.check_formats(figures)
    place = Path(folder)
    summed, compared = summary(table), comparisons(table)
    drawn = benchmark_figures(planted_part(table), planted_part(summed))
    with disk_errors_in_one_line(place):
        replace_file(place / SUMMARY, summed.to_csv(index=False).encode())
        replace_file(place / COMPARISONS, compared.to_csv(index=False).encode())
    write_page(place / PAGE, _rendered(table, summed, compared, models, drawn))
    paths = write_figures(place / FIGURES, drawn, figures) if figures else []
    return Written(place / PAGE, place / SUMMARY, place / COMPARISONS, tuple(paths))


def _rendered(
    table: pd.DataFrame, summed: pd.DataFrame, compared: pd.DataFrame, models: Sequence[Path], drawn: Sequence[Figure]
) -> str:
    planted, own = planted_models(models), planted_part(table)
    return render(
        environment(_ROOM),
        "benchmark.html.j2",
        drawn,
        planted=planted,
        regimes=regimes_of(planted),
        bases=sorted({model.base for model in planted}),
        accepted=sum(model.accepted.total() for model in planted),
        rejected=sum(model.rejected.total() for model in planted),
        sections=[
            (name, title, about, table_of(summed, name), [figure for figure in drawn if _part(figure) == name])
            for name, (title, about) in _SECTIONS.items()
            if name in set(summed["part"])
        ],
        confusions=[
            (best, source_name(source), confusion_table(table, best, source))
            for source in sources(own)
            for best in ranked(summed, "verdict", source)[:1]
        ],
        by_regime=regime_table(own),
        undesigned=_undesigned(table, summed),
        trained=trained_models(models),
        comparisons=_compared(compared),
        control=CONTROL,
        captum="" if has_captum() else CAPTUM,
    )


def _undesigned(table: pd.DataFrame, summed: pd.DataFrame) -> dict[str, object] | None:
    """What the page says of facts that nobody planted, where there are any."""
    if UNDESIGNED not in set(summed["part"]):
        return None
    tables = (table_of(summed, UNDESIGNED), undesigned_verdicts(table, summed))
    return {"found": undesigned_found(summed), "tables": tables}


def _part(figure: Figure) -> str:
    """The section that a chart belongs to; its name begins with it, except for the tables of verdicts."""
    first = figure.name.split("_")[0]
    return "verdict" if first == "confusion" else first


def _compared(compared: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of the comparisons, with their measure and source in words."""
    return [
        {
            **{str(name): value for name, value in row.items()},
            "measure": MEASURE_NAMES[COMPARED[row["part"]]],
            "source": source_name(row["neurons"]) if row["neurons"] else "",
        }
        for row in compared.to_dict("records")
    ]

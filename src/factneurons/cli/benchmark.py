"""`factneurons benchmark`: every method and clusterer, judged by planted models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

import factneurons as fn
from factneurons.benchmark.page import Written, write_results
from factneurons.benchmark.settings import SMALL, TRUE, UNDESIGNED, BenchmarkSettings, has_captum, scorer_names
from factneurons.benchmark.summary import planted_part, summary
from factneurons.benchmark.tables import (
    SHOWN,
    confusion_table,
    plain,
    ranked,
    table_of,
    undesigned_found,
    undesigned_verdicts,
)
from factneurons.cli.console import say, tell
from factneurons.cli.options import MODEL_HELP, listed
from factneurons.errors import BadSetting
from factneurons.runs.files import FolderLock, disk_errors_in_one_line
from factneurons.settings import check_choice, options_of

EXAMPLES: dict[str, tuple[str, ...]] = {
    "benchmark": (
        "factneurons benchmark --out benchmarks/small --small",
        "factneurons benchmark --out benchmarks/gpt2 --base pocket-gpt2 --seeds 0-2 --grouped-by true,amig,dai",
    ),
}

_LOCK = "lock"
_FULL = BenchmarkSettings()
_HELP = {each.name: each.help.removesuffix(".") for each in options_of(BenchmarkSettings)}


def benchmark(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The benchmark's folder; what is done in it is not done again.")
    ],
    base: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help=f"{_HELP['bases']}; may be given several times. {MODEL_HELP} Or one with random weights: "
            f"{listed(fn.RANDOM_MODELS)}. Default: {listed(_FULL.bases)}.",
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help=f"{_HELP['seeds']}: 0-5, or 0,2,4. Default: {_FULL.seeds[0]}-{_FULL.seeds[-1]}.")
    ] = None,
    grouped_by: Annotated[
        str | None,
        typer.Option(help=f"{_HELP['grouped_by']}: {listed(scorer_names())}. Default: {','.join(_FULL.grouped_by)}."),
    ] = None,
    regimes: Annotated[
        str | None,
        typer.Option(
            help=f"Which groups of regimes are judged: {listed(_FULL.regimes)} (no facts are planted: small models are "
            "trained from scratch, in which facts become degenerate by themselves). Default: all of them."
        ),
    ] = None,
    small: Annotated[
        bool,
        typer.Option("--small", help="For trying it out: few facts in two small models, one seed."),
    ] = False,
    steps: Annotated[int | None, typer.Option(help="Training steps per planted model at most.")] = None,
    png: Annotated[bool, typer.Option("--png", help="Write the figures as PNG too, under FOLDER/figures.")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="Write the figures as SVG too, under FOLDER/figures.")] = False,
) -> None:
    """Judge every method and clusterer by models whose neurons are known.

    Facts are planted in chosen neurons of several models; then every method looks for the neurons, every clusterer
    groups them, and what is concluded is compared with the truth. In other models facts become degenerate by
    themselves, in two groups of neurons that are known. What was stopped goes on where it was.
    """
    from factneurons.benchmark.run import TABLE, check_bases, model_folders, run_benchmark

    settings = _settings(SMALL if small else _FULL, base, seeds, grouped_by, regimes, steps)
    check_bases(settings)
    if not has_captum():
        tell('captum is not installed, so it is not among the methods: pip install "factneurons[benchmarks]"')
    with disk_errors_in_one_line(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(out / _LOCK)
    try:
        table = run_benchmark(out, settings, report=tell)
        figures = [name for name, wanted in (("png", png), ("svg", svg)) if wanted]
        written = write_results(out, table, model_folders(out, settings), figures=figures)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped: models that were made or judged are kept in {out}; run the same command again to go on"
        ) from None
    finally:
        lock.release()
    _show(table, out / TABLE, written)


def _settings(
    usual: BenchmarkSettings,
    base: list[str] | None,
    seeds: str | None,
    grouped_by: str | None,
    regimes: str | None,
    steps: int | None,
) -> BenchmarkSettings:
    """The usual settings with what was asked for."""
    names = None if grouped_by is None else tuple(name.strip() for name in grouped_by.split(","))
    groups = list(usual.regimes) if regimes is None else [name.strip() for name in regimes.split(",")]
    for name in groups:
        check_choice("--regimes", name, usual.regimes)
    return replace(
        usual,
        bases=tuple(dict.fromkeys(base)) if base else usual.bases,
        seeds=usual.seeds if seeds is None else seeds_of(seeds),
        mixes={name: usual.mixes[name] for name in groups if name != UNDESIGNED},
        undesigned=usual.undesigned if UNDESIGNED in groups else 0,
        grouped_by=usual.grouped_by if names is None else tuple(dict.fromkeys(names)),
        planting=usual.planting if steps is None else replace(usual.planting, steps=steps),
    )


def seeds_of(text: str) -> tuple[int, ...]:
    """(0, 1, 2, 5) of "0-2,5".

    Raises:
        BadSetting: it is not of this form.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise BadSetting(f"--seeds: {part.strip()!r} is not a number or a range, for instance 0-5 or 0,2,4")
        seeds.update(dict.fromkeys(range(int(first), int(last or first) + 1)))
    return tuple(seeds)


def _show(table: pd.DataFrame, path: Path, written: Written) -> None:
    """How much was judged, the tables of all parts, the verdicts, and where everything is."""
    summed = summary(table)
    planted = planted_part(table)
    if len(planted):
        facts = len(planted[["model", "fact_id", "language"]].drop_duplicates())
        say(f"{facts} facts in {planted['model'].nunique()} planted models")
    if table["model"].nunique() > 1:
        say("mean [95% bootstrap interval, models resampled]; random is the control")
    for part in SHOWN:
        if part in set(summed["part"]):
            _show_lines(part, plain(table_of(summed, part)))
    if TRUE in set(table["neurons"]):
        best = ranked(summed, "verdict", TRUE)[0]
        what = f"verdicts of {best} with the true neurons; down: the truth, across: the verdict"
        _show_lines(what, plain(confusion_table(table, best, TRUE)))
    if UNDESIGNED in set(summed["part"]):
        _show_lines(
            "verdicts on undesigned facts, all of which are stored twice", plain(undesigned_verdicts(table, summed))
        )
        say(undesigned_found(summed))
    say("")
    for what, where in (("table", path), ("summary", written.summary), ("comparisons", written.comparisons)):
        say(f"{what}: {where}")
    for figure in written.figures:
        say(f"figure: {figure}")
    say(f"page: {written.page}")


def _show_lines(heading: str, lines: list[str]) -> None:
    """A heading and what stands under it."""
    say("")
    say(heading)
    for line in lines:
        say(f"  {line}")

"""`factneurons suite`: every experiment of the papers on several models, with one page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

import factneurons as fn
from factneurons.cli.console import say
from factneurons.cli.options import FactsSpec, Fields, Limit, Loading, SkipBad, listed, settings_as_options
from factneurons.cli.sharing import shared
from factneurons.cli.terminal import Terminal
from factneurons.runs.counts import counted

EXAMPLES: dict[str, tuple[str, ...]] = {
    "suite": (
        'factneurons suite --models pocket-gpt2,pocket-llama --facts "bundled?lang=en&sample=60&seed=1" '
        "--out runs/suite --plan",
        'factneurons suite --models pocket-gpt2 --facts "bundled?lang=en&sample=20&seed=1" --only robustness,E10 '
        "--draws 3 --out runs/suite",
        "factneurons suite --models models/s,models/m,models/l --facts facts.jsonl --only ladder --out runs/sizes",
    ),
}


@shared
@settings_as_options
def suite(
    *,
    models: Annotated[
        str,
        typer.Option(
            metavar="MODELS",
            help="Bundled models, folders, or names on the hub, with commas between them. A folder of models' folders, "
            "as FOLDER/steps of pocket train --keep-checkpoints, stands for all of them.",
        ),
    ],
    facts: FactsSpec,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The suite's folder; what was stopped goes on where it was.")
    ],
    only: Annotated[
        str,
        typer.Option(metavar="NAMES", help=f"Only these cells, with commas between: {listed(fn.SUITE_NAMES)}."),
    ] = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="Print every cell: needs, about how much time and memory, what is there.")
    ] = False,
    as_published: Annotated[
        bool,
        typer.Option("--as-published", help="Use the variants of the papers' code, as far as they are there."),
    ] = False,
    settings: Annotated[
        fn.ExperimentSettings, Fields("methods all_facts multi_mask limit draws unrelated perturbed new seed")
    ],
    all_facts: Annotated[
        bool, typer.Option("--all-facts", help="Also facts that the model does not know; else they are left out.")
    ] = False,
    limit: Limit = None,
    skip_bad: SkipBad = False,
    loading: Annotated[Loading, Fields("device device_map trust_remote_code allow_pickle chat")],
) -> None:
    """Run the experiments of the papers on several models: a grid of cells with verdicts, effects and intervals.

    17 cells a model are those of 'Cracking Factual Knowledge' (--only cracking); the others are of the other papers.
    Exits with 1 where an experiment failed; the others are done, and the same command tries it again.
    """
    names = [name.strip() for name in models.split(",") if name.strip()]
    chosen = [name.strip() for name in only.split(",") if name.strip()]
    common: dict[str, Any] = {
        "only": chosen,
        "settings": replace(settings, known_only=not all_facts),
        "as_published": as_published,
        "limit": limit,
        "skip_bad": skip_bad,
        "load": loading.model,
    }
    if plan:
        _tell(fn.plan_suite(names, facts, out, **common))
        return
    made = fn.run_suite(names, facts, out, progress=Terminal(), **common)
    for row in made.results.to_dict("records"):
        say(_line(row))
    for model, experiment, why in made.failures:
        say(f"{model} {experiment} failed: {why}")
    say(str(made.page))
    if made.failures:
        raise typer.Exit(1)


def _tell(planned: list[fn.PlannedCell]) -> None:
    for model in dict.fromkeys(each.model for each in planned):
        own = [each for each in planned if each.model == model and not each.obstacle]
        together = _together({each.cell.of: each.estimate for each in own})
        say(f"{model}: {len(own)} cells, {together}")
        for each in (each for each in planned if each.model == model):
            say(f"  {each.cell.name} ({each.cell.of}): {each.cell.says}")
            say(f"      needs {each.cell.needs}")
            if each.obstacle:
                say(f"      left out: {each.obstacle}")
                continue
            say(f"      takes {_amount(each.estimate)}, with the other cells of {each.cell.of} ({each.estimate.basis})")
            say(f"      there: {each.there}")


def _together(estimates: dict[str, fn.Estimate]) -> str:
    """All experiments of a model: their times one after the other, the memory of the largest."""
    seconds = [each.seconds for each in estimates.values() if each.seconds is not None]
    memory = max((each.memory for each in estimates.values() if each.memory), default=None)
    unknown = [of for of, each in estimates.items() if each.seconds is None]
    whole = _amount(fn.Estimate(sum(seconds) if seconds else None, memory, ""))
    return f"{whole} in all{', the time without ' + ', '.join(unknown) if seconds and unknown else ''}"


def _amount(estimate: fn.Estimate) -> str:
    """Time and memory in words: "about 3 min and 0.4 GiB"."""
    time = "an unknown time" if estimate.seconds is None else f"about {_duration(estimate.seconds)}"
    memory = "unknown memory" if estimate.memory is None else f"{estimate.memory / 2**30:.2g} GiB"
    return f"{time} and {memory}"


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _line(row: Mapping[Any, Any]) -> str:
    """One cell: its verdict, the difference with its interval where there is one, and how many facts."""
    effect = ""
    if row["facts"]:
        ends = f" [{row['low']:+.3f}, {row['high']:+.3f}]" if math.isfinite(row["low"]) else ""
        effect = f", {row['difference']:+.3f}{ends}"
    open = f"; {row['open']}" if row["open"] else ""
    language = f" ({row['language']})" if row["language"] else ""
    return f"{row['model']}{language} {row['cell']}: {row['verdict']}{effect}, {counted(row['facts'], 'fact')}{open}"

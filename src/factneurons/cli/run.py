"""`factneurons run`: the whole main job in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.console import say
from factneurons.cli.options import (
    FACTS_HELP,
    MODEL_HELP,
    Fields,
    Limit,
    Loading,
    MultiMask,
    SkipBad,
    settings_as_options,
)
from factneurons.cli.sharing import shared
from factneurons.cli.terminal import Terminal

EXAMPLES: dict[str, tuple[str, ...]] = {
    "run": (
        'factneurons run pocket-gpt2 "bundled?relation=capital&lang=en" --out runs/everything',
        "factneurons run pocket-bert facts.jsonl --out runs/everything-of-mine --skip-bad",
    ),
}

_RESULTS = {
    "locate": show.located,
    "test_knowledge": show.effects_of_knowledge,
    "degenerate": show.degeneracy,
    "test_degenerate": show.effects_of_degenerate,
    "languages": show.joined,
    "test_languages": show.effects_by_language,
}


@shared
@settings_as_options
def run(
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    facts: Annotated[str, typer.Argument(metavar="FACTS", help=FACTS_HELP)],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The run's folder; a run that was stopped goes on where it was.")
    ],
    multi_mask: MultiMask = False,
    limit: Limit = None,
    skip_bad: SkipBad = False,
    loading: Annotated[Loading, Fields("dtype device device_map revision trust_remote_code allow_pickle chat")],
) -> None:
    """Locate, test, look for degenerate neurons, join languages where there are several, and write the report.

    With the default settings; for others run the stages one by one: locate, degenerate, languages, report.
    """
    loaded = loading.model_for_run(model, facts, out, limit)
    made = fn.run(
        loaded,
        facts,
        out,
        multi_mask=multi_mask,
        limit=limit,
        revision=loading.revision,
        skip_bad=skip_bad,
        progress=Terminal(_RESULTS),
    )
    say(f"report: {made.folder / 'report.html'}")

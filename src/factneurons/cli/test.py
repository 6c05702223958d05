"""`factneurons test`: neurons that another tool found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.options import (
    MODEL_HELP,
    FactsSpec,
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
    "test": ("factneurons test pocket-gpt2 --facts facts.jsonl --neurons theirs.csv --out runs/theirs",),
}


@shared
@settings_as_options
def test(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    *,
    facts: FactsSpec,
    neurons: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Rows of fact, layer and index (.csv, .parquet, .json), or what EleutherAI/knowledge-neurons, "
            "EasyEdit or Dai et al.'s code wrote (.json).",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The run's folder; a run that was stopped goes on where it was.")
    ],
    tests: Annotated[fn.InterventionSettings, Fields("draws unrelated seed")],
    multi_mask: MultiMask = False,
    limit: Limit = None,
    skip_bad: SkipBad = False,
    loading: Annotated[Loading, Fields("dtype device device_map revision trust_remote_code allow_pickle chat")],
) -> None:
    """Test neurons that another tool found against random ones, as our own are; degenerate and report go on with it."""
    loaded = loading.model_for_run(model, facts, out, limit)
    fn.test_neurons(
        loaded,
        facts,
        neurons,
        out,
        tests=tests,
        multi_mask=multi_mask,
        limit=limit,
        revision=loading.revision,
        skip_bad=skip_bad,
        progress=Terminal({"locate": show.located, "test_knowledge": show.effects_of_knowledge}),
    )
    show.next_command("degenerate", out, *loading.granted())

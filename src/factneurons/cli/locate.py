"""`factneurons locate`: the main job's first half."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.options import (
    FactsSpec,
    Fields,
    Limit,
    Loading,
    ModelName,
    MultiMask,
    SkipBad,
    settings_as_options,
)
from factneurons.cli.sharing import shared
from factneurons.cli.terminal import Terminal

EXAMPLES: dict[str, tuple[str, ...]] = {
    "locate": (
        'factneurons locate --model pocket-gpt2 --facts "bundled?relation=capital&lang=en" --out runs/capital',
        "factneurons locate --model pocket-bert --facts facts.jsonl --method dai --out runs/own-facts --skip-bad",
        'factneurons locate --model pocket-gpt2 --facts "bundled?relation=capital&lang=en,zh" --out runs/two-languages',
    ),
}


@shared
@settings_as_options
def locate(
    *,
    model: ModelName,
    facts: FactsSpec,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The run's folder; a run that was stopped goes on where it was.")
    ],
    settings: Annotated[
        fn.AttributionSettings, Fields("method rule points target against positions hook answer_tokens prefix units")
    ],
    selection: Annotated[fn.SelectionSettings, Fields("selector threshold agreement share target_size beta rounds")],
    multi_mask: MultiMask = False,
    limit: Limit = None,
    skip_bad: SkipBad = False,
    tests: Annotated[fn.InterventionSettings, Fields("draws unrelated seed")],
    loading: Annotated[Loading, Fields("dtype device device_map revision trust_remote_code allow_pickle chat")],
) -> None:
    """Find the knowledge neurons of facts, and test them against random ones."""
    loaded = loading.model_for_run(model, facts, out, limit)
    fn.run_locate(
        loaded,
        facts,
        out,
        settings=settings,
        selection=selection,
        tests=tests,
        multi_mask=multi_mask,
        limit=limit,
        revision=loading.revision,
        skip_bad=skip_bad,
        progress=Terminal({"locate": show.located, "test_knowledge": show.effects_of_knowledge}),
    )
    show.next_command("degenerate", out, *loading.granted())

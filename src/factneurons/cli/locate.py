"""`factneurons locate`: the main job's first half."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.options import (
    Device,
    DeviceMap,
    Dtype,
    FactsSpec,
    Fields,
    Limit,
    ModelName,
    MultiMask,
    RemoteCode,
    Revision,
    SkipBad,
    settings_as_options,
)
from factneurons.cli.terminal import Terminal

EXAMPLES: dict[str, tuple[str, ...]] = {
    "locate": (
        'factneurons locate --model pocket-gpt2 --facts "bundled?relation=capital&lang=en" --out runs/capital',
        "factneurons locate --model pocket-bert --facts facts.jsonl --method dai --out runs/own-facts --skip-bad",
        'factneurons locate --model pocket-gpt2 --facts "bundled?relation=capital&lang=en,zh" --out runs/two-languages',
    ),
}


@settings_as_options
def locate(
    *,
    model: ModelName,
    facts: FactsSpec,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The run's folder; a run that was stopped goes on where it was.")
    ],
    settings: Annotated[fn.AttributionSettings, Fields("method rule points target against answer_tokens units")],
    selection: Annotated[fn.SelectionSettings, Fields("selector threshold agreement share beta rounds")],
    multi_mask: MultiMask = False,
    limit: Limit = None,
    skip_bad: SkipBad = False,
    tests: Annotated[fn.InterventionSettings, Fields("draws unrelated seed")],
    dtype: Dtype = "float32",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Find the knowledge neurons of facts, and test them against random ones."""
    fn.load_facts(facts, limit=limit)  # a missing file is told before a large model is loaded
    fn.Run.check_folder(out)
    loaded = fn.load_model(
        model,
        dtype=dtype,
        device=device,
        device_map=device_map,
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    fn.run_locate(
        loaded,
        facts,
        out,
        settings=settings,
        selection=selection,
        tests=tests,
        multi_mask=multi_mask,
        limit=limit,
        revision=revision,
        skip_bad=skip_bad,
        progress=Terminal({"locate": show.located, "test_knowledge": show.effects_of_knowledge}),
    )
    show.next_command("degenerate", out)

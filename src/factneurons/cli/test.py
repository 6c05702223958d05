"""`factneurons test`: neurons that another tool found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.options import (
    MODEL_HELP,
    Device,
    DeviceMap,
    Dtype,
    FactsSpec,
    Fields,
    Limit,
    MultiMask,
    RemoteCode,
    Revision,
    SkipBad,
    settings_as_options,
)
from factneurons.cli.terminal import Terminal

EXAMPLES: dict[str, tuple[str, ...]] = {
    "test": ("factneurons test pocket-gpt2 --facts facts.jsonl --neurons theirs.csv --out runs/theirs",),
}


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
    dtype: Dtype = "float32",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Test neurons that another tool found against random ones, as our own are; degenerate and report go on with it."""
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
    fn.test_neurons(
        loaded,
        facts,
        neurons,
        out,
        tests=tests,
        multi_mask=multi_mask,
        limit=limit,
        revision=revision,
        skip_bad=skip_bad,
        progress=Terminal({"locate": show.located, "test_knowledge": show.effects_of_knowledge}),
    )
    show.next_command("degenerate", out)

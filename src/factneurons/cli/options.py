"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from factneurons.facts.formats.registry import FORMATS, SUFFIXES


def listed(names: Iterable[str]) -> str:
    """Names with commas between them."""
    return ", ".join(names)


_SCHEMES = ", ".join(name for name in FORMATS if f".{name}" not in SUFFIXES)
FACTS_HELP = (
    f"A file ({listed(SUFFIXES)}), bundled, or SCHEME:PATH with one of the schemes {_SCHEMES}; options follow after "
    "a question mark: bundled?relation=capital&lang=en."
)
MODEL_HELP = "A bundled model (pocket-gpt2), a folder, or a name on the Hugging Face Hub."
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run: what --out of locate was.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 or mps. Default: cuda where there is one.")]
DeviceMap = Annotated[str | None, typer.Option(help="Spread the layers over devices, for instance auto.")]
RemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Let Python files that come with a model run.")]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out bad records and facts that fail, count them, and go on.")
]
Draws = Annotated[int, typer.Option(help="Random neuron sets per fact that the found ones are compared with.")]
Unrelated = Annotated[int, typer.Option(help="Facts of other relations that are asked per fact, to see what moves.")]
Seed = Annotated[int, typer.Option(help="Decides every random draw.")]
Revision = Annotated[str | None, typer.Option(help="Models of the hub: a branch, tag or commit.")]

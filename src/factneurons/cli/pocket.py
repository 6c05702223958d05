"""`factneurons pocket`: the bundled small models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli.console import say, tell
from factneurons.cli.examples import shown
from factneurons.runs.files import disk_errors_in_one_line

EXAMPLES: dict[str, tuple[str, ...]] = {
    "pocket list": ("factneurons pocket list",),
    "pocket path": ("factneurons pocket path pocket-gpt2",),
    "pocket train": ("factneurons pocket train pocket-gpt2 --out models/small --size s",),
}

commands = typer.Typer(invoke_without_command=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help=f"One of: {', '.join(fn.POCKET_MODELS)}.")]


@commands.callback()
def _group(context: typer.Context) -> None:
    """List, find or train the bundled small models."""
    if context.invoked_subcommand is None:
        say(context.get_help())


@commands.command("list", epilog=shown(EXAMPLES["pocket list"]))
def list_command() -> None:
    """List the bundled models."""
    for model in fn.POCKET_MODELS.values():
        say(f"{model.name:14}{model.description}")


@commands.command("path", epilog=shown(EXAMPLES["pocket path"]))
def path_command(name: Name) -> None:
    """Print the folder of a bundled model."""
    say(str(fn.pocket_path(name)))


@commands.command("train", epilog=shown(EXAMPLES["pocket train"]))
def train_command(
    name: Name,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder to write; training that was stopped goes on from it.")
    ],
    size: Annotated[str, typer.Option(help="s, m (as bundled) or l.")] = "m",
    seed: Annotated[int, typer.Option(help="Decides weights, order and noise.")] = 42,
    noise: Annotated[
        float | None, typer.Option(help="Share of context tokens replaced at random. Default: the recipe's.")
    ] = None,
    dropout: Annotated[float, typer.Option(help="Dropout while training.")] = 0.0,
    max_minutes: Annotated[float | None, typer.Option(help="Stop after this time, with a checkpoint.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew although there is a checkpoint.")] = False,
) -> None:
    """Train a pocket model from scratch on the bundled facts."""
    with disk_errors_in_one_line(out):
        made = fn.train_pocket(
            name,
            out=out,
            size=size,
            seed=seed,
            noise=noise,
            dropout=dropout,
            resume=not fresh,
            max_minutes=max_minutes,
            report=tell,
        )
    for kind, share in made.recall.items():
        say(f"{kind}: top-1 recall {share:.1%}")
    state = "finished" if made.finished else "stopped before the end; run the same command again to go on"
    say(f"{made.folder}: {made.steps} steps, {state}")

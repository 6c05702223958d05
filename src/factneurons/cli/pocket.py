"""`factneurons pocket`: the bundled small models, and small models of any facts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import factneurons as fn
from factneurons.cli.console import say, tell
from factneurons.cli.examples import shown
from factneurons.cli.options import FACTS_HELP, listed
from factneurons.errors import BadSetting
from factneurons.runs.files import disk_errors_in_one_line
from factneurons.settings import check_choice

EXAMPLES: dict[str, tuple[str, ...]] = {
    "pocket list": ("factneurons pocket list",),
    "pocket path": ("factneurons pocket path pocket-gpt2",),
    "pocket train": (
        "factneurons pocket train pocket-gpt2 --out models/small --size s",
        "factneurons pocket train --facts facts.jsonl --architecture llama --size s --out models/trained",
    ),
}

commands = typer.Typer(invoke_without_command=True)

_NAMES = {model.architecture: model.name for model in fn.POCKET_MODELS.values()}

Name = Annotated[str, typer.Argument(metavar="NAME", help=f"One of: {', '.join(fn.POCKET_MODELS)}.")]


@commands.callback()
def _group(context: typer.Context) -> None:
    """List or find the bundled small models, or train small models."""
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
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder to write; training that was stopped goes on from it.")
    ],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A bundled model: its recipe.")] = None,
    facts: Annotated[
        str | None,
        typer.Option(metavar="FACTS", help=f"What to train on. Default: the bundled facts. {FACTS_HELP}"),
    ] = None,
    architecture: Annotated[str | None, typer.Option(help=f"In place of NAME; one of: {listed(_NAMES)}.")] = None,
    size: Annotated[str, typer.Option(help="s, m (as bundled) or l.")] = "m",
    seed: Annotated[int, typer.Option(help="Decides weights, order and noise.")] = 42,
    noise: Annotated[
        float | None, typer.Option(help="Share of context tokens replaced at random. Default: the recipe's.")
    ] = None,
    dropout: Annotated[float, typer.Option(help="Dropout while training.")] = 0.0,
    max_steps: Annotated[
        int | None, typer.Option(help="End after so many steps if recall is never enough. Default: the recipe's.")
    ] = None,
    check_every: Annotated[
        int | None, typer.Option(help="Steps between two checks of recall, each with a checkpoint. Default: 500.")
    ] = None,
    vocabulary_size: Annotated[int | None, typer.Option(help="Tokens of the tokenizer. Default: 8192.")] = None,
    keep_checkpoints: Annotated[
        bool, typer.Option("--keep-checkpoints", help="Keep the model of every check in FOLDER/steps.")
    ] = False,
    max_minutes: Annotated[float | None, typer.Option(help="Stop after this time, with a checkpoint.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew although there is a checkpoint.")] = False,
) -> None:
    """Train a small model from scratch on any facts.

    The vocabulary is made of the facts. Of a fact's phrasings one or two are left out of training where there are
    several. FOLDER/recall.csv says what is recalled, by relation, of trained and left-out phrasings.
    """
    chosen = name if architecture is None else _NAMES.get(architecture, "")
    if chosen is None or (name is not None and architecture is not None):
        raise BadSetting("give either NAME, a bundled model whose recipe is used, or --architecture")
    if architecture is not None:
        check_choice("architecture", architecture, _NAMES)
    options: dict[str, Any] = {
        "noise": noise,
        "max_steps": max_steps,
        "check_every": check_every,
        "vocabulary_size": vocabulary_size,
    }
    with disk_errors_in_one_line(out):
        made = fn.train_pocket(
            chosen,
            out=out,
            facts=facts,
            resume=not fresh,
            max_minutes=max_minutes,
            keep=keep_checkpoints,
            report=tell,
            size=size,
            seed=seed,
            dropout=dropout,
            **{each: value for each, value in options.items() if value is not None},
        )
    for kind, share in made.recall.items():
        say(f"{kind}: top-1 recall {share:.1%}")
    state = "finished" if made.finished else "stopped before the end; run the same command again to go on"
    say(f"{made.folder}: {made.steps} steps, {made.steps_per_second:.1f} a second, {state}")

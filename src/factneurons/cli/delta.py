"""`factneurons delta`: edits on disk: look at them, stack them, make models with them and without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.console import say
from factneurons.cli.examples import shown
from factneurons.cli.options import MODEL_HELP, Fields, Loading, settings_as_options
from factneurons.runs.counts import counted
from factneurons.runs.files import disk_errors_in_one_line

EXAMPLES: dict[str, tuple[str, ...]] = {
    "delta show": ("factneurons delta show edits/spain",),
    "delta list": ("factneurons delta list edits",),
    "delta apply": ("factneurons delta apply pocket-gpt2 edits/spain --out models/edited",),
    "delta undo": ("factneurons delta undo models/edited edits/spain --out models/as-it-was",),
    "delta stack": ("factneurons delta stack edits/spain --out edits/stack",),
}

commands = typer.Typer(invoke_without_command=True)

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)]
Edits = Annotated[
    list[Path], typer.Argument(metavar="EDIT...", help="Folders of edits, in the order they are applied.")
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write; it must not exist yet.")]


@commands.callback()
def _group(context: typer.Context) -> None:
    """Look at edits, stack them, and make models with and without them."""
    if context.invoked_subcommand is None:
        say(context.get_help())


@commands.command("show", epilog=shown(EXAMPLES["delta show"]))
def show_command(edit: Annotated[Path, typer.Argument(metavar="EDIT", help="The folder of an edit.")]) -> None:
    """Say what an edit changes and what it was made for."""
    found = fn.StoredEdit.load(edit)
    about = found.description
    show.described(found)
    say(f"  made for {about.model}, {about.dtype} weights, hash {about.model_hash[:16]}")
    for prompt in about.prompts:
        say(f"  made with: {prompt}")


@commands.command("list", epilog=shown(EXAMPLES["delta list"]))
def list_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that holds folders of edits.")],
) -> None:
    """List the edits in a folder."""
    places = fn.edits_in(folder)
    for place in places:
        edit = fn.StoredEdit.load(place)
        say(f"{place}: {edit.description} ({counted(len(edit.neurons), 'neuron')}, {edit.description.model})")
    if not places:
        say(f"{folder}: no edits in it")


@commands.command("apply", epilog=shown(EXAMPLES["delta apply"]))
@settings_as_options
def apply_command(
    *,
    model: ModelName,
    edits: Edits,
    out: Out,
    loading: Annotated[Loading, Fields("device revision trust_remote_code allow_pickle")],
) -> None:
    """Write the edited model as an ordinary Hugging Face folder."""
    together = fn.stack_edits([fn.Edit.load(each) for each in edits])
    loaded = replace(loading, dtype=together.description.dtype).model(model)
    with disk_errors_in_one_line(out):
        together.save_model(loaded, out)
    say(f"{out}: {loaded.name} with {counted(len(edits), 'edit')}, {counted(len(together.neurons), 'neuron')} changed")


@commands.command("undo", epilog=shown(EXAMPLES["delta undo"]))
@settings_as_options
def undo_command(
    *,
    model: ModelName,
    edits: Edits,
    out: Out,
    loading: Annotated[Loading, Fields("device trust_remote_code allow_pickle")],
) -> None:
    """Take edits out of an edited model: its weights become what they were, bit for bit."""
    together = fn.stack_edits([fn.Edit.load(each) for each in edits])
    loaded = replace(loading, dtype=together.description.dtype).model(model)
    with disk_errors_in_one_line(out):
        together.reversed().save_model(loaded, out)
    say(f"{out}: {loaded.name} without {counted(len(edits), 'edit')}")


@commands.command("stack", epilog=shown(EXAMPLES["delta stack"]))
def stack_command(edits: Edits, out: Out) -> None:
    """Put several edits of one model together into one."""
    together = fn.stack_edits([fn.Edit.load(each) for each in edits])
    with disk_errors_in_one_line(out):
        together.save(out)
    say(f"{out}: {counted(len(edits), 'edit')}, {counted(len(together.neurons), 'neuron')}")

"""`factneurons facts`: look at facts before anything is asked of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from factneurons.cli import show
from factneurons.facts import Prompt, describe, load_facts
from factneurons.models import load_model

facts_commands = typer.Typer(help="Look at facts.", no_args_is_help=True)


@facts_commands.callback()
def _group() -> None:
    """Look at facts."""


@facts_commands.command("describe")
def describe_command(
    facts: Annotated[str, typer.Argument(help="A file, bundled, or SCHEME:PATH?OPTIONS.")],
    model: Annotated[str | None, typer.Option(help="Also count what this model can be asked, and why not.")] = None,
    multi_mask: Annotated[bool, typer.Option("--multi-mask", help="Masked models: several masks.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Count bad records and go on.")] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first so many facts.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let Python files that come with a model run.")
    ] = False,
) -> None:
    """Count facts, prompts and relations; with --model also what can be asked, and why the rest cannot.

    factneurons facts describe bundled --model pocket-bert
    """
    source = load_facts(facts, skip_bad=skip_bad, limit=limit)
    if model is None:
        show.description(describe(source))
        return
    loaded = load_model(model, trust_remote_code=trust_remote_code)

    def ask(prompt: Prompt, answer: str) -> object:
        return loaded.query(prompt, answer, multi_mask=multi_mask)

    show.description(describe(source, ask))

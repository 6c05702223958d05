"""`factneurons facts`: look at facts before anything is asked of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from factneurons.cli import show
from factneurons.cli.console import say
from factneurons.cli.examples import shown
from factneurons.facts import Prompt, describe, load_facts
from factneurons.facts.formats import FORMATS, SUFFIXES
from factneurons.models import load_model

_SCHEMES = ", ".join(name for name in FORMATS if f".{name}" not in SUFFIXES)
FACTS_HELP = (
    f"A file ({', '.join(SUFFIXES)}), bundled, or SCHEME:PATH with one of the schemes {_SCHEMES}; options follow after "
    "a question mark: bundled?relation=capital&lang=en."
)

facts_commands = typer.Typer(invoke_without_command=True)


@facts_commands.callback()
def _group(context: typer.Context) -> None:
    """Look at facts before anything is asked of a model."""
    if context.invoked_subcommand is None:
        say(context.get_help())


@facts_commands.command(
    "describe", short_help="Count facts, and what a model can be asked.", epilog=shown("facts describe")
)
def describe_command(
    facts: Annotated[str, typer.Argument(metavar="FACTS", help=FACTS_HELP)],
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Also count what this model can be asked, and why not.")
    ] = None,
    multi_mask: Annotated[
        bool, typer.Option("--multi-mask", help="Masked models: one mask for each token of an answer.")
    ] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out bad records, count them, and go on.")] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first so many facts.")] = None,
    revision: Annotated[str | None, typer.Option(help="Models of the hub: a branch, tag or commit.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let Python files that come with a model run.")
    ] = False,
) -> None:
    """Count facts, prompts and relations; with --model also what can be asked, and why the rest cannot."""
    source = load_facts(facts, skip_bad=skip_bad, limit=limit)
    if model is None:
        show.description(describe(source))
        return
    loaded = load_model(model, revision=revision, trust_remote_code=trust_remote_code)

    def ask(prompt: Prompt, answer: str) -> object:
        return loaded.query(prompt, answer, multi_mask=multi_mask)

    show.description(describe(source, ask))

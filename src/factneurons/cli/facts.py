"""`factneurons facts`: look at facts before anything is asked of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import pandas as pd
import typer

import factneurons as fn
from factneurons.cli.console import say
from factneurons.cli.examples import shown
from factneurons.cli.options import FACTS_HELP, Fields, Limit, Loading, MultiMask, settings_as_options
from factneurons.runs.counts import counted

EXAMPLES: dict[str, tuple[str, ...]] = {
    "facts describe": (
        "factneurons facts describe bundled",
        "factneurons facts describe templama:val.jsonl --model pocket-gpt2",
    ),
}

commands = typer.Typer(invoke_without_command=True)


@commands.callback()
def _group(context: typer.Context) -> None:
    """Look at facts before anything is asked of a model."""
    if context.invoked_subcommand is None:
        say(context.get_help())


@commands.command(
    "describe", short_help="Count facts, and what a model can be asked.", epilog=shown(EXAMPLES["facts describe"])
)
@settings_as_options
def describe_command(
    *,
    facts: Annotated[str, typer.Argument(metavar="FACTS", help=FACTS_HELP)],
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Also count what this model can be asked, and why not.")
    ] = None,
    multi_mask: MultiMask = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out bad records, count them, and go on.")] = False,
    limit: Limit = None,
    loading: Annotated[Loading, Fields("revision trust_remote_code allow_pickle chat")],
) -> None:
    """Count facts, prompts and relations; with --model also what can be asked, and why the rest cannot."""
    source = fn.load_facts(facts, skip_bad=skip_bad, limit=limit)
    if model is None:
        _show(fn.describe(source))
        return
    loaded = loading.model(model)

    def ask(prompt: fn.Prompt, answer: str) -> object:
        return loaded.query(prompt, answer, multi_mask=multi_mask)

    _show(fn.describe(source, ask))


def _show(found: fn.Description) -> None:
    """What a source of facts holds."""
    say(found.description)
    say(f"records: {found.records}, facts: {found.facts}, facts with a date: {found.dated}, prompts: {found.prompts}")
    say(f"languages: {_listed(found.languages)}")
    blanks = ", ".join(f"{found.blanks[key]} {where}" for key, where in _BLANKS.items())
    say(f"blanks: {blanks}; a causal model can only be asked those at the end")
    for title, reasons in (
        ("records left out", found.skipped),
        ("prompts and other parts left out", found.skipped_parts),
        ("not chosen by the options", found.left_out),
    ):
        if reasons:
            say(f"{title}: {_listed(reasons)}")
    if found.asked:
        say(f"askable: {counted(found.askable_facts, 'fact')}, {counted(found.askable_prompts, 'prompt')}")
        for reason, refusal in found.refusals.items():
            say(f"not askable, {reason}: {counted(refusal.prompts, 'prompt')}; for instance {refusal.example}")
    frame = pd.DataFrame(
        [
            {"relation": name, "facts": each.facts, "prompts": each.prompts, "dated": each.dated}
            | ({"askable facts": each.askable_facts, "askable prompts": each.askable_prompts} if found.asked else {})
            for name, each in found.relations.items()
        ]
    )
    if len(frame):
        say(frame.to_string(index=False))


_BLANKS = {"end": "at the end", "inside": "inside", "start": "at the start"}


def _listed(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in values.items())

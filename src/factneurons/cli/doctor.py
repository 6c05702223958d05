"""`factneurons doctor`: a model, before it is loaded."""

from __future__ import annotations

from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli.console import say
from factneurons.cli.options import MODEL_HELP, Fields, Loading, settings_as_options

EXAMPLES: dict[str, tuple[str, ...]] = {
    "doctor": ("factneurons doctor pocket-llama --prompt-tokens 300",),
}


@settings_as_options
def doctor(
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    prompt_tokens: Annotated[int, typer.Option(min=1, help="The length of the prompt the costs are for.")] = 20,
    points: Annotated[int, typer.Option(min=1, help="Path points the costs are for.")] = 8,
    loading: Annotated[Loading, Fields("trust_remote_code allow_pickle")],
) -> None:
    """Say whether a model fits, what its neurons are, and how much memory and time it takes."""
    found = fn.diagnose(
        model,
        prompt_tokens=prompt_tokens,
        points=points,
        trust_remote_code=loading.trust_remote_code,
        allow_pickle=loading.allow_pickle,
    )
    for line in found.lines():
        say(line)
    if found.problems:
        raise typer.Exit(2)

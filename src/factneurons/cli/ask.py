"""`factneurons ask`: one question, one answer, and the neurons that carry it."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

import factneurons as fn
from factneurons.cli.console import harmless, say
from factneurons.cli.options import (
    MODEL_HELP,
    Fields,
    Loading,
    MultiMask,
    settings_as_options,
)

EXAMPLES: dict[str, tuple[str, ...]] = {
    "ask": (
        'factneurons ask pocket-gpt2 "The capital of France is ___" Paris --against Rome',
        'factneurons ask pocket-bert "The capital of France is ___." Paris --json',
    ),
}

_WIDTH = 120
"""Where the output is no terminal."""


@settings_as_options
def ask(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="A text; ___ stands where the answer goes.")],
    answer: Annotated[str, typer.Argument(metavar="ANSWER", help="The answer that is asked for.")],
    *,
    settings: Annotated[
        fn.AttributionSettings, Fields("against method rule points target positions answer_tokens units")
    ],
    selection: Annotated[fn.SelectionSettings, Fields("selector threshold rounds")],
    tests: Annotated[fn.InterventionSettings, Fields("draws seed")],
    subject: Annotated[
        str, typer.Option(help="What the prompt is about, as it stands there; for --positions subject, subject_last.")
    ] = "",
    neurons: Annotated[int, typer.Option(min=1, help="How many neurons are shown one by one.")] = 8,
    tokens: Annotated[int, typer.Option(min=1, help="How many tokens each of them pushes up and down are named.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    multi_mask: MultiMask = False,
    loading: Annotated[Loading, Fields("dtype device device_map revision trust_remote_code allow_pickle chat")],
) -> None:
    """Ask a model a question: how likely is an answer, which neurons carry it, and what happens when they change?"""
    loaded = loading.model(model)
    found = fn.ask(
        loaded,
        prompt,
        answer,
        subject=subject,
        settings=settings,
        selection=selection,
        tests=tests,
        multi_mask=multi_mask,
        tokens=tokens,
    )
    if as_json:
        say(json.dumps(found.to_dict(), ensure_ascii=False, indent=1))
    else:
        show(found, neurons)


def show(found: fn.Answered, most: int) -> None:
    """Print the parts of a result one below the other, in colour where that is a terminal."""
    width = None if sys.stdout.isatty() else _WIDTH
    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False, width=width)
    with console.capture() as shown:
        console.print(harmless(found.title), style="bold")
        for part in found.parts(most):
            console.print(f"\n{harmless(part.title)}", style="bold")
            table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
            for place, name in enumerate(part.head):
                table.add_column(Text(harmless(name)), no_wrap=place < len(part.head) - 2)
            for row in part.rows:
                table.add_row(*(Text(harmless(cell)) for cell in row))
            console.print(table)
            if part.note:
                console.print(harmless(part.note), style="dim")
        for note in found.notes:
            console.print(f"\n{harmless(note)}", style="dim")
    for line in shown.get().splitlines():
        sys.stdout.write(f"{line.rstrip()}\n")  # its colours are control characters too

"""`factneurons check`: statements judged by the neurons of their relation, and how well that works."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.options import (
    Fields,
    Loading,
    RunFolder,
    RunModel,
    SkipBad,
    listed,
    settings_as_options,
)
from factneurons.cli.sharing import shared
from factneurons.cli.terminal import Terminal
from factneurons.errors import BadSetting

EXAMPLES: dict[str, tuple[str, ...]] = {
    "check": ("factneurons check runs/capital --statements statements.txt",),
}

_STDIN = "-"


@shared
@settings_as_options
def check(
    run: RunFolder,
    *,
    statements: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Statements to judge, one a line: sentences, or JSON with prompt and candidate; - reads them from "
            "standard input.",
        ),
    ] = None,
    condition: Annotated[
        str, typer.Option(help=f"What judges the statements, one of: {listed(fn.CONDITION_NAMES)}.")
    ] = "knowledge",
    settings: Annotated[fn.CheckSettings, Fields("share source method feature test_share draws seed")],
    skip_bad: SkipBad = False,
    facts: Annotated[
        str | None, typer.Option(metavar="FACTS", help="Where the run's facts are now. Default: where they were.")
    ] = None,
    model: RunModel = None,
    loading: Annotated[Loading, Fields("device device_map trust_remote_code allow_pickle")],
) -> None:
    """Tell right from wrong statements by a run's neurons, and compare with asking the model.

    Thresholds are chosen on four fifths of the subjects and tried on the rest. Then the given statements are judged.
    """
    fn.CheckerSettings(condition=condition)
    lines = list(_lines(statements)) if statements is not None else []
    loaded = loading.model_of(run, model)
    checked = fn.run_check(run, loaded, settings=settings, facts=facts, skip_bad=skip_bad, progress=Terminal())
    show.comparison(run, checked)
    show.fitted(checked)
    if statements is not None:
        show.verdicts(checked.read(lines), checked.checkers, condition)
    show.next_command("report", run)


def _lines(place: str) -> Iterator[str]:
    """The lines of a file or of standard input.

    Raises:
        BadSetting: the file is not there, or is no text.
    """
    try:
        if place == _STDIN:
            yield from sys.stdin
        else:
            with Path(place).open(encoding="utf-8") as file:
                yield from file
    except OSError as error:
        raise BadSetting(f"{place}: the statements cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadSetting(f"{place}: the statements are no UTF-8 text ({error.reason})") from error

"""`factneurons check`: statements judged by the neurons of their relation, and how well that works."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show, show_check
from factneurons.cli.options import Device, DeviceMap, RemoteCode, RunFolder, Seed, SkipBad, listed
from factneurons.cli.terminal import Terminal
from factneurons.errors import BadSetting
from factneurons.factcheck.conditions import CONDITIONS
from factneurons.factcheck.scoring import FEATURES
from factneurons.factcheck.settings import SOURCES

_USUAL = fn.CheckSettings()
_STDIN = "-"


def check(
    run: RunFolder,
    statements: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Statements to judge, one a line: sentences, or JSON with prompt and candidate; - reads them from "
            "standard input.",
        ),
    ] = None,
    condition: Annotated[
        str, typer.Option(help=f"What judges the statements, one of: {listed(CONDITIONS)}.")
    ] = "knowledge",
    share: Annotated[
        float, typer.Option(help="A relation's neurons are in more than this share of as many facts as the first one.")
    ] = _USUAL.share,
    source: Annotated[str, typer.Option(help=f"Degenerate neurons: {listed(SOURCES)}.")] = _USUAL.source,
    method: Annotated[str, typer.Option(help="The attribution method of scores; one with paths.")] = _USUAL.method,
    feature: Annotated[str, typer.Option(help=f"What a neuron says: {listed(FEATURES)}.")] = _USUAL.feature,
    test_share: Annotated[
        float, typer.Option(help="The share of each relation's subjects that is kept for the test.")
    ] = _USUAL.test_share,
    draws: Annotated[int, typer.Option(help="Random neuron sets per relation.")] = _USUAL.draws,
    seed: Seed = 42,
    skip_bad: SkipBad = False,
    facts: Annotated[
        str | None, typer.Option(metavar="FACTS", help="Where the run's facts are now. Default: where they were.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Where the run's model is now. Default: where it was.")
    ] = None,
    device: Device = None,
    device_map: DeviceMap = None,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Tell right from wrong statements by a run's neurons, and compare with asking the model.

    Thresholds are chosen on four fifths of the subjects and tried on the rest. Then the given statements are judged.
    """
    fn.CheckerSettings(condition)
    settings = fn.CheckSettings(share, source, method, feature, test_share, draws, seed)
    lines = list(_lines(statements)) if statements is not None else []
    loaded = fn.model_of(run, model, device=device, device_map=device_map, trust_remote_code=trust_remote_code)
    checked = fn.run_check(run, loaded, settings=settings, facts=facts, skip_bad=skip_bad, progress=Terminal())
    show_check.comparison(run, checked)
    show_check.fitted(run, checked.checkers)
    if statements is not None:
        show_check.verdicts(checked.read(lines), checked.checkers, condition)
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

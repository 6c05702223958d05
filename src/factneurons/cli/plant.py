"""`factneurons plant`: a model whose neurons are known, because they were put there."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli.console import say, tell
from factneurons.cli.options import FACTS_HELP, MODEL_HELP, Fields, listed, settings_as_options
from factneurons.errors import BadSetting
from factneurons.runs.counts import counted
from factneurons.runs.files import disk_errors_in_one_line

EXAMPLES: dict[str, tuple[str, ...]] = {
    "plant": (
        "factneurons plant pocket-gpt2 --out models/planted --seed 0",
        "factneurons plant random-llama --out models/planted-llama --mix single=2,conjunctive=1 --steps 400",
        "factneurons plant pocket-gpt2 --out models/hard --mix hard",
        "factneurons plant pocket-gpt2 --out models/subject --mix subject --learning-rate 0.002",
        "factneurons plant pocket-gpt2 --out models/own --facts new.jsonl --regime degenerate",
    ),
}

_MIX = listed(f"{regime}={count}" for regime, count in fn.MIX.items()).replace(" ", "")


@settings_as_options
def plant(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help=f"{MODEL_HELP} Or one with random weights: {listed(fn.RANDOM_MODELS)}."),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write; it must not exist yet.")],
    facts: Annotated[
        str | None, typer.Option(metavar="FACTS", help=f"{FACTS_HELP} Default: facts are invented.")
    ] = None,
    regime: Annotated[
        str | None, typer.Option(help=f"How given facts are stored, one of: {listed(fn.ORDERED)}. Default: single.")
    ] = None,
    mix: Annotated[
        str | None,
        typer.Option(
            help="How many facts of which regime are invented, or a group of regimes: "
            f"{listed(fn.MIXES)}. Default: easy, which is {_MIX}."
        ),
    ] = None,
    settings: Annotated[fn.PlantingSettings, Fields("seed steps prompts background batch_size learning_rate")],
) -> None:
    """Put facts into chosen neurons of a model, and write down which.

    The model gets new neurons for them; all others stay as they are. Every fact is tested by suppressing neurons, and
    only those that are stored as they should be are written into truth.json, beside the model's weights.
    """
    if facts is None and regime is not None:
        raise BadSetting("--regime is for given facts (--facts); for invented ones give --mix, for instance single=4")
    if facts is not None and mix is not None:
        raise BadSetting("--mix is for invented facts; given ones (--facts) are all stored as --regime says")
    if mix is not None:
        settings = replace(settings, mix=_mix(mix))
    given = None if facts is None else list(fn.load_facts(facts))
    with disk_errors_in_one_line(out):
        planted = fn.plant(
            model,
            out,
            facts=given,
            regime=regime or "single",  # type: ignore[arg-type]
            settings=settings,
            report=tell,
        )
    _show(planted)


def _mix(text: str) -> dict[str, int]:
    """{"degenerate": 4, "single": 2} of "degenerate=4,single=2"; the names are looked at by the settings.

    The name of a group stands for its mix.
    """
    if text.strip() in fn.MIXES:
        return dict(fn.MIXES[text.strip()])
    mix: dict[str, int] = {}
    for part in text.split(","):
        name, _, count = (piece.strip() for piece in part.partition("="))
        if not name or not count.isdecimal():
            raise BadSetting(f"--mix: {part.strip()!r} is not of the form REGIME=NUMBER, for instance single=2")
        if name in mix:
            raise BadSetting(f"--mix: {name} is there twice")
        mix[name] = int(count)
    return mix


def _show(planted: fn.Planted) -> None:
    """How many facts of each regime are stored, why others are not, how other prompts were held, what comes next."""
    truth, folder = planted.truth, planted.folder
    standing = Counter(fact.regime for fact in truth.facts)
    refused = Counter(each.regime for each in truth.rejected)
    total = len(truth.facts) + len(truth.rejected)
    say(f"{folder}: {len(truth.facts)} of {counted(total, 'fact')} planted in {truth.base}")
    say(f"  {'regime':16}{'planted':>8}{'not accepted':>14}")
    for regime in fn.REGIMES:
        if standing[regime] or refused[regime]:
            say(f"  {regime:16}{standing[regime]:>8}{refused[regime]:>14}")
    for each in truth.rejected:
        say(f"  not accepted: {each.id} ({each.regime}): {each.reason}")
    held = truth.held
    say(
        f"  {held['prompts']:.0f} other prompts that training did not see: recall {held['recall_before']:.1%} before, "
        f"{held['recall_after']:.1%} after; P(answer) moved by more than 0.1 in {held['moved_by_a_tenth']:.1%}"
    )
    say(f"  which neurons store what: {planted.truth_file}")
    asked = ["--model", str(folder), "--facts", str(planted.facts_file), "--out", f"{folder}-run"]
    if all(planted_fact.positions == "subject_last" for planted_fact in truth.facts):
        asked += ["--positions", "subject_last"]
    say(f"next: {shlex.join(['factneurons', 'locate', *asked])}")
    say("or:   factneurons benchmark   (every method judged by planted models)")

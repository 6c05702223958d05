"""`factneurons languages`: what the languages of a run's facts share, and what it does in each of them."""

from __future__ import annotations

from dataclasses import replace
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
    settings_as_options,
)
from factneurons.cli.sharing import shared
from factneurons.cli.terminal import Terminal

EXAMPLES: dict[str, tuple[str, ...]] = {
    "languages": ("factneurons languages runs/two-languages",),
}

_FIELDS = Fields("rule at_least only thresholds held_out tau beta_prompts beta_languages seed")


@shared
@settings_as_options
def languages(
    run: RunFolder,
    *,
    settings: Annotated[fn.LanguageSettings, _FIELDS],
    only: Annotated[
        str | None,
        typer.Option(help="The languages to join, with commas between them. Default: all of the run."),
    ] = None,
    skip_bad: SkipBad = False,
    tests: Annotated[fn.InterventionSettings, Fields("draws unrelated seed")],
    model: RunModel = None,
    loading: Annotated[Loading, Fields("device device_map trust_remote_code allow_pickle")],
) -> None:
    """Find the language-independent neurons of a run's facts, and test them in every language.

    The run holds the same facts, by their ids, in two or more languages.
    """
    if only is not None:
        settings = replace(settings, languages=tuple(name.strip() for name in only.split(",")))
    loaded = loading.model_of(run, model)
    fn.run_languages(
        run,
        loaded,
        settings=settings,
        tests=tests,
        skip_bad=skip_bad,
        progress=Terminal({"languages": show.joined, "test_languages": show.effects_by_language}),
    )
    show.next_command("report", run)

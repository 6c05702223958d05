"""`factneurons languages`: what the languages of a run's facts share, and what it does in each of them."""

from __future__ import annotations

from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show, show_languages
from factneurons.cli.options import Device, DeviceMap, Draws, RemoteCode, RunFolder, Seed, SkipBad, Unrelated, listed
from factneurons.cli.terminal import Terminal
from factneurons.multilingual.settings import RULES, THRESHOLDS

_USUAL = fn.LanguageSettings()


def languages(
    run: RunFolder,
    rule: Annotated[
        str, typer.Option(help=f"What makes a neuron language-independent, one of: {listed(RULES)}.")
    ] = _USUAL.rule,
    at_least: Annotated[
        int | None, typer.Option(help="Rule at_least: in how many languages a neuron must be found.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="The languages to join, with commas between them. Default: all of the run.")
    ] = None,
    thresholds: Annotated[
        str,
        typer.Option(
            help=f"What each language's neurons are taken with: {listed(THRESHOLDS)}. match_size: "
            f"{THRESHOLDS['match_size']}."
        ),
    ] = _USUAL.thresholds,
    held_out: Annotated[
        float, typer.Option(help="match_size: the share of the facts that thresholds are chosen on.")
    ] = _USUAL.held_out,
    tau: Annotated[
        float, typer.Option(help="Rule agnostic: the share of the largest score that a neuron must reach.")
    ] = _USUAL.tau,
    beta_prompts: Annotated[
        float, typer.Option(help="Rule agnostic: standard deviations over prompts that are taken off.")
    ] = _USUAL.beta_prompts,
    beta_languages: Annotated[
        float, typer.Option(help="Rule agnostic: standard deviations over languages that are taken off.")
    ] = _USUAL.beta_languages,
    skip_bad: SkipBad = False,
    draws: Draws = 20,
    unrelated: Unrelated = 5,
    seed: Seed = 42,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Where the run's model is now. Default: where it was.")
    ] = None,
    device: Device = None,
    device_map: DeviceMap = None,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Find the language-independent neurons of a run's facts, and test them in every language.

    The run holds the same facts, by their ids, in two or more languages.
    """
    settings = fn.LanguageSettings(
        rule=rule,
        at_least=at_least,
        languages=() if only is None else tuple(name.strip() for name in only.split(",")),
        thresholds=thresholds,
        held_out=held_out,
        tau=tau,
        beta_prompts=beta_prompts,
        beta_languages=beta_languages,
        seed=seed,
    )
    interventions = fn.InterventionSettings(draws, unrelated, seed)
    loaded = fn.model_of(run, model, device=device, device_map=device_map, trust_remote_code=trust_remote_code)
    fn.run_languages(
        run,
        loaded,
        settings=settings,
        tests=interventions,
        skip_bad=skip_bad,
        progress=Terminal({"languages": show_languages.joined, "test_languages": show_languages.effects}),
    )
    show.next_command("report", run)

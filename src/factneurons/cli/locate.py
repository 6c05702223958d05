"""`factneurons locate`: the main job's first half."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.attribution.methods import METHODS, method_named
from factneurons.attribution.quadrature import RULES
from factneurons.attribution.selection import AGREEMENTS, SELECTORS
from factneurons.attribution.settings import ANSWER_TOKENS, UNITS
from factneurons.cli import show
from factneurons.cli.options import (
    FACTS_HELP,
    MODEL_HELP,
    Device,
    DeviceMap,
    Draws,
    RemoteCode,
    Revision,
    Seed,
    SkipBad,
    Unrelated,
    listed,
)
from factneurons.cli.terminal import Terminal
from factneurons.models.types import DTYPES, TARGETS


def locate(
    model: Annotated[str, typer.Option(metavar="MODEL", help=MODEL_HELP)],
    facts: Annotated[str, typer.Option(metavar="FACTS", help=FACTS_HELP)],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The run's folder; a run that was stopped goes on where it was.")
    ],
    method: Annotated[str, typer.Option(help=f"One of: {listed(METHODS)}.")] = "amig",
    rule: Annotated[str, typer.Option(help=f"How paths are sampled, one of: {listed(RULES)}.")] = "adaptive",
    points: Annotated[int | None, typer.Option(help="Points of a fixed rule. Default: the rule's own.")] = None,
    target: Annotated[str, typer.Option(help=f"What is attributed, one of: {listed(TARGETS)}.")] = "probability",
    answer_tokens: Annotated[
        str, typer.Option(help=f"How the scores of several answer tokens become one: {listed(ANSWER_TOKENS)}.")
    ] = "mean",
    units: Annotated[str, typer.Option(help=f"What AMIG replaces, one at a time: {listed(UNITS)}.")] = "tokens",
    selector: Annotated[str, typer.Option(help=f"How neurons are chosen, one of: {listed(SELECTORS)}.")] = "fraction",
    threshold: Annotated[float | None, typer.Option(help="The selector's value. Default: the method's.")] = None,
    agreement: Annotated[
        str,
        typer.Option(
            help=f"How a fact's prompts come to one set, one of: {listed(AGREEMENTS)} (score high in all of them)."
        ),
    ] = "refine",
    share: Annotated[float, typer.Option(help="refine: share of a fact's prompts that must agree on a neuron.")] = 0.7,
    beta: Annotated[
        float, typer.Option(help="consistency: standard deviations over the prompts that are taken off a score.")
    ] = 0.5,
    rounds: Annotated[
        int, typer.Option(help="How often to look, each time with what was found before suppressed: finds backups.")
    ] = 1,
    multi_mask: Annotated[
        bool, typer.Option("--multi-mask", help="Masked models: one mask for each token of an answer.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first so many facts.")] = None,
    skip_bad: SkipBad = False,
    draws: Draws = 20,
    unrelated: Unrelated = 5,
    seed: Seed = 42,
    dtype: Annotated[str, typer.Option(help=f"One of: {listed(DTYPES)}.")] = "float32",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Find the knowledge neurons of facts, and test them against random ones."""
    method_named(method)
    settings = fn.AttributionSettings(method, rule, points, target, answer_tokens, units)  # type: ignore[arg-type]
    selection = fn.SelectionSettings(selector, threshold, agreement, share, rounds=rounds, beta=beta)
    interventions = fn.InterventionSettings(draws, unrelated, seed)
    fn.load_facts(facts, limit=limit)  # a missing file is told before a large model is loaded
    fn.Run.check_folder(out)
    loaded = fn.load_model(
        model,
        dtype=dtype,
        device=device,
        device_map=device_map,
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    fn.run_locate(
        loaded,
        facts,
        out,
        settings=settings,
        selection=selection,
        tests=interventions,
        multi_mask=multi_mask,
        limit=limit,
        revision=revision,
        skip_bad=skip_bad,
        progress=Terminal({"locate": show.located, "test_knowledge": show.effects_of_knowledge}),
    )
    show.next_command("degenerate", out)

"""`factneurons degenerate`: the main job's second half."""

from __future__ import annotations

from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.options import Device, DeviceMap, Draws, RemoteCode, RunFolder, Seed, SkipBad, Unrelated
from factneurons.cli.terminal import Terminal
from factneurons.degeneracy.clusterers.registry import CLUSTERERS


def degenerate(
    run: RunFolder,
    clusterer: Annotated[str, typer.Option(help=f"How neurons are grouped: {', '.join(CLUSTERERS)}.")] = "interaction",
    span: Annotated[str, typer.Option(help="Which layers are connected: residual (any two) or adjacent.")] = "residual",
    max_span: Annotated[int, typer.Option(help="adjacent: the largest layer gap that a chain may bridge.")] = 3,
    similarity: Annotated[str, typer.Option(help="Connection weights: dot (product) or cosine.")] = "dot",
    scale: Annotated[
        str, typer.Option(help="none, or layer-gap: weights in units of those between random neurons as far apart.")
    ] = "none",
    gate: Annotated[str, typer.Option(help="What a gated neuron reads with: both, gate or up.")] = "both",
    fold_norm_gain: Annotated[
        bool, typer.Option("--fold-norm-gain", help="Fold the normalisation's gain into what a neuron reads.")
    ] = False,
    missing: Annotated[
        float | None,
        typer.Option(help="Distance of unconnected neurons, where a clusterer needs one. Default: 1.5 x the largest."),
    ] = None,
    persistence: Annotated[str, typer.Option(help="How long a cluster lives: linear or log.")] = "linear",
    tau1: Annotated[float, typer.Option(help="Persistence a cluster needs, as a share of the largest.")] = 0.1,
    cover: Annotated[str, typer.Option(help="chosen clusters only, or a partition of all neurons.")] = "chosen",
    filter: Annotated[
        str, typer.Option(help="Functional tests: definition (F1, F2, F3) or authors (F1 only).")
    ] = "definition",
    t_low: Annotated[
        float | None,
        typer.Option(help="F1: largest loss with one component suppressed. Default: 0.2, or 0.05 with filter authors."),
    ] = None,
    t_sufficient: Annotated[float, typer.Option(help="F2: largest loss with one component left.")] = 0.2,
    t_high: Annotated[float, typer.Option(help="F3: least loss with all components suppressed.")] = 0.3,
    partitions: Annotated[int, typer.Option(help="Random partitions per fact behind the p-value.")] = 100,
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
    """Find the degenerate knowledge neurons of a run's facts, and test them.

    Degenerate: groups of a fact's neurons that can each be spared, that each suffice, and that are only together
    needed.
    """
    settings = fn.DegeneracySettings(
        clusterer=clusterer,  # type: ignore[arg-type]
        span=span,  # type: ignore[arg-type]
        max_span=max_span,
        similarity=similarity,  # type: ignore[arg-type]
        scale=scale,  # type: ignore[arg-type]
        gate=gate,  # type: ignore[arg-type]
        fold_norm_gain=fold_norm_gain,
        persistence=persistence,  # type: ignore[arg-type]
        tau1=tau1,
        cover=cover,  # type: ignore[arg-type]
        filter=filter,  # type: ignore[arg-type]
        t_low=t_low,
        t_sufficient=t_sufficient,
        t_high=t_high,
        partitions=partitions,
        seed=seed,
        comparison=fn.ComparisonSettings(missing=missing),
    )
    interventions = fn.InterventionSettings(draws, unrelated, seed)
    loaded = fn.model_of(run, model, device=device, device_map=device_map, trust_remote_code=trust_remote_code)
    fn.run_degenerate(
        run,
        loaded,
        settings=settings,
        tests=interventions,
        skip_bad=skip_bad,
        progress=Terminal({"degenerate": show.degeneracy, "test_degenerate": show.effects_of_degenerate}),
    )
    show.next_command("report", run)

"""The commands of `factneurons`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import click
import typer

import factneurons
from factneurons.attribution import METHODS, RULES, AttributionSettings, SelectionSettings
from factneurons.attribution.methods import method_named
from factneurons.attribution.selection import SELECTORS
from factneurons.attribution.settings import ANSWER_TOKENS, UNITS
from factneurons.cli import show
from factneurons.cli.console import fail, say, short_warnings
from factneurons.cli.facts import facts_commands
from factneurons.cli.pocket import pocket_commands
from factneurons.cli.stages import model_of, run_degenerate, run_intervene, run_locate
from factneurons.degeneracy import DegeneracySettings
from factneurons.errors import FactneuronsError
from factneurons.experiments.interventions import InterventionSettings
from factneurons.models import load_model
from factneurons.models.doctor import diagnose
from factneurons.models.head import TARGETS
from factneurons.report import write_report
from factneurons.runs import Interrupted, Run, verify

app = typer.Typer(
    name="factneurons",
    help="Find the neurons in which a language model keeps a fact, which of them back each other up, and test both.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(facts_commands, name="facts")
app.add_typer(pocket_commands, name="pocket")

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run (what --out was).")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps. Default: cuda where there is one.")]
RemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Let Python files that come with a model run.")]
Draws = Annotated[int, typer.Option(help="Random neuron sets per fact that the found ones are compared with.")]
Unrelated = Annotated[int, typer.Option(help="Facts of other relations that are asked per fact.")]
Seed = Annotated[int, typer.Option(help="Decides every random draw.")]


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)


@app.command()
def locate(
    model: Annotated[str, typer.Option(help="A bundled model, a folder, or a name on the Hugging Face Hub.")],
    facts: Annotated[str, typer.Option(help="A .jsonl, .csv or .parquet file, bundled, or SCHEME:PATH?OPTIONS.")],
    out: Annotated[Path, typer.Option(help="The run's folder; a run that was stopped goes on where it was.")],
    method: Annotated[str, typer.Option(help=f"One of: {_names(METHODS)}.")] = "amig",
    rule: Annotated[str, typer.Option(help=f"How paths are sampled, one of: {_names(RULES)}.")] = "adaptive",
    points: Annotated[int | None, typer.Option(help="Points of a fixed rule.")] = None,
    target: Annotated[str, typer.Option(help=f"What is attributed, one of: {_names(TARGETS)}.")] = "probability",
    answer_tokens: Annotated[
        str, typer.Option(help=f"How several answer tokens become one, one of: {_names(ANSWER_TOKENS)}.")
    ] = "mean",
    units: Annotated[str, typer.Option(help=f"What AMIG replaces, one of: {_names(UNITS)}.")] = "tokens",
    selector: Annotated[str, typer.Option(help=f"How neurons are chosen, one of: {_names(SELECTORS)}.")] = "fraction",
    threshold: Annotated[float | None, typer.Option(help="The selector's value. Default: the method's.")] = None,
    share: Annotated[float, typer.Option(help="Share of a fact's prompts that must agree on a neuron.")] = 0.7,
    multi_mask: Annotated[
        bool, typer.Option("--multi-mask", help="Masked models: several masks for an answer of several tokens.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first so many facts.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Count bad records and facts, and go on.")] = False,
    draws: Draws = 20,
    unrelated: Unrelated = 5,
    seed: Seed = 42,
    dtype: Annotated[str, typer.Option(help="float32, float64, bfloat16, float16 or auto.")] = "float32",
    device: Device = None,
    device_map: Annotated[str | None, typer.Option(help="Spread the layers over devices, for instance auto.")] = None,
    revision: Annotated[str | None, typer.Option(help="Hub only: a branch, tag or commit.")] = None,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Find the knowledge neurons of facts, and test them against random ones.

    factneurons locate --model pocket-gpt2 --facts "bundled?relation=capital" --out runs/capital
    """
    method_named(method)
    settings = AttributionSettings(method, rule, points, target, answer_tokens, units)  # type: ignore[arg-type]
    selection = SelectionSettings(selector, threshold, share=share)
    interventions = InterventionSettings(draws, unrelated, seed)
    loaded = load_model(
        model,
        dtype=dtype,
        device=device,
        device_map=device_map,
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    found = run_locate(loaded, facts, out, settings, selection, multi_mask=multi_mask, skip_bad=skip_bad, limit=limit)
    show.counts(Run.open(out), "locate", found)
    tested = run_intervene(out, loaded, interventions, "knowledge")
    show.counts(Run.open(out), "test_knowledge", tested)
    show.effects(Run.open(out), "knowledge")
    say(f"next: factneurons degenerate {out}")


@app.command()
def degenerate(
    run: RunFolder,
    clusterer: Annotated[str, typer.Option(help="ntc or ntc_authors.")] = "ntc",
    span: Annotated[str, typer.Option(help="Which layers are connected: residual (any two) or adjacent.")] = "residual",
    persistence: Annotated[str, typer.Option(help="How long a cluster lives: linear or log.")] = "linear",
    tau1: Annotated[float, typer.Option(help="Persistence a cluster needs, as a share of the largest.")] = 0.1,
    cover: Annotated[str, typer.Option(help="chosen clusters only, or a partition of all neurons.")] = "chosen",
    filter: Annotated[
        str, typer.Option(help="Functional tests: definition (all three) or authors (one).")
    ] = "definition",
    t_low: Annotated[float, typer.Option(help="F1: largest loss with one component suppressed.")] = 0.05,
    t_sufficient: Annotated[float, typer.Option(help="F2: largest loss with one component left.")] = 0.2,
    t_high: Annotated[float, typer.Option(help="F3: least loss with all components suppressed.")] = 0.3,
    partitions: Annotated[int, typer.Option(help="Random partitions per fact behind the p-value.")] = 100,
    draws: Draws = 20,
    unrelated: Unrelated = 5,
    seed: Seed = 42,
    device: Device = None,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Find the degenerate knowledge neurons of a run's facts, and test them.

    factneurons degenerate runs/capital
    """
    settings = DegeneracySettings(
        clusterer=clusterer,  # type: ignore[arg-type]
        span=span,  # type: ignore[arg-type]
        persistence=persistence,  # type: ignore[arg-type]
        tau1=tau1,
        cover=cover,  # type: ignore[arg-type]
        filter=filter,  # type: ignore[arg-type]
        t_low=t_low,
        t_sufficient=t_sufficient,
        t_high=t_high,
        partitions=partitions,
        seed=seed,
    )
    interventions = InterventionSettings(draws, unrelated, seed)
    _, model = model_of(run, device, trust_remote_code)
    found = run_degenerate(run, model, settings)
    show.counts(Run.open(run), "degenerate", found)
    tested = run_intervene(run, model, interventions, "degenerate")
    show.counts(Run.open(run), "test_degenerate", tested)
    show.degeneracy(Run.open(run))
    show.effects(Run.open(run), "degenerate")
    say(f"next: factneurons report {run}")


@app.command()
def report(
    run: RunFolder,
    out: Annotated[Path | None, typer.Option(help="Where the page goes. Default: RUN/report.html.")] = None,
    png: Annotated[bool, typer.Option("--png", help="Write the figures as PNG too, under RUN/figures.")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="Write the figures as SVG too, under RUN/figures.")] = False,
    max_facts: Annotated[int, typer.Option(help="How many facts get a section of their own.")] = 40,
) -> None:
    """Write a run's report: one HTML file that needs no network.

    factneurons report runs/capital --png
    """
    figures = [name for name, wanted in (("png", png), ("svg", svg)) if wanted]
    path = write_report(run, out=out, figures=figures, max_facts=max_facts)
    say(str(path))


@app.command()
def doctor(
    model: Annotated[str, typer.Argument(help="A bundled model, a folder, or a name on the Hugging Face Hub.")],
    prompt_tokens: Annotated[int, typer.Option(help="The length of the prompt the costs are for.")] = 20,
    points: Annotated[int, typer.Option(help="Path points the costs are for.")] = 8,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Say whether a model fits, what its neurons are, and what attribution will take.

    factneurons doctor pocket-llama
    """
    found = diagnose(model, prompt_tokens=prompt_tokens, points=points, trust_remote_code=trust_remote_code)
    for line in found.lines():
        say(line)
    if found.problems:
        raise typer.Exit(2)


@app.command("verify")
def verify_command(run: RunFolder) -> None:
    """Check that every file of a run is what was written.

    factneurons verify runs/capital
    """
    problems = verify(Run.open(run))
    for problem in problems:
        fail(problem)
    if problems:
        raise typer.Exit(2)
    say(f"{run}: every file is as it was written")


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """The options of every command."""
    if version:
        say(f"factneurons {factneurons.__version__}")
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input ends with one line and exit code 2, Ctrl-C with 130."""
    try:
        with short_warnings():
            code = app(args=arguments, prog_name="factneurons", standalone_mode=False)
    except FactneuronsError as error:
        fail(" ".join(str(error).split("\n")))
        code = 2
    except click.exceptions.ClickException as error:
        fail(error.format_message())
        code = 2
    except Interrupted as stop:
        fail(str(stop))
        code = stop.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        fail("stopped")
        code = 130
    sys.exit(code or 0)

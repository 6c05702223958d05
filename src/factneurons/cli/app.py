"""The commands of `factneurons`."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

import factneurons
from factneurons.attribution import METHODS, RULES, AttributionSettings, SelectionSettings
from factneurons.attribution.methods import method_named
from factneurons.attribution.selection import SELECTORS
from factneurons.attribution.settings import ANSWER_TOKENS, UNITS
from factneurons.cli import show
from factneurons.cli.checks import problems_of
from factneurons.cli.console import fail, say, short_warnings, tell
from factneurons.cli.examples import shown
from factneurons.cli.facts import FACTS_HELP, facts_commands
from factneurons.cli.pocket import pocket_commands
from factneurons.cli.stages import Locating, model_of, run_degenerate, run_intervene, run_locate
from factneurons.degeneracy import DegeneracySettings
from factneurons.errors import FactneuronsError
from factneurons.experiments.interventions import InterventionSettings
from factneurons.facts import load_facts
from factneurons.models import load_model
from factneurons.models.doctor import diagnose
from factneurons.models.head import TARGETS
from factneurons.models.load import DTYPES
from factneurons.report import write_report
from factneurons.runs import Interrupted, Run

app = typer.Typer(
    name="factneurons",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="\b\nExit codes: 0 done (what was left out is counted), 2 bad input, 130 and 143 stopped from outside.",
)
app.add_typer(facts_commands, name="facts")
app.add_typer(pocket_commands, name="pocket")

# What the command line's parser raises; typer brings its own copy of click, or uses the one that is installed.
_WrongUsage: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)


MODEL_HELP = "A bundled model (pocket-gpt2), a folder, or a name on the Hugging Face Hub."
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run: what --out of locate was.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 or mps. Default: cuda where there is one.")]
DeviceMap = Annotated[str | None, typer.Option(help="Spread the layers over devices, for instance auto.")]
RemoteCode = Annotated[bool, typer.Option("--trust-remote-code", help="Let Python files that come with a model run.")]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out bad records and facts that fail, count them, and go on.")
]
Draws = Annotated[int, typer.Option(help="Random neuron sets per fact that the found ones are compared with.")]
Unrelated = Annotated[int, typer.Option(help="Facts of other relations that are asked per fact, to see what moves.")]
Seed = Annotated[int, typer.Option(help="Decides every random draw.")]


@app.command(short_help="Find the knowledge neurons of facts, and test them.", epilog=shown("locate"))
def locate(
    model: Annotated[str, typer.Option(metavar="MODEL", help=MODEL_HELP)],
    facts: Annotated[str, typer.Option(metavar="FACTS", help=FACTS_HELP)],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The run's folder; a run that was stopped goes on where it was.")
    ],
    method: Annotated[str, typer.Option(help=f"One of: {_names(METHODS)}.")] = "amig",
    rule: Annotated[str, typer.Option(help=f"How paths are sampled, one of: {_names(RULES)}.")] = "adaptive",
    points: Annotated[int | None, typer.Option(help="Points of a fixed rule. Default: the rule's own.")] = None,
    target: Annotated[str, typer.Option(help=f"What is attributed, one of: {_names(TARGETS)}.")] = "probability",
    answer_tokens: Annotated[
        str, typer.Option(help=f"How the scores of several answer tokens become one: {_names(ANSWER_TOKENS)}.")
    ] = "mean",
    units: Annotated[str, typer.Option(help=f"What AMIG replaces, one at a time: {_names(UNITS)}.")] = "tokens",
    selector: Annotated[str, typer.Option(help=f"How neurons are chosen, one of: {_names(SELECTORS)}.")] = "fraction",
    threshold: Annotated[float | None, typer.Option(help="The selector's value. Default: the method's.")] = None,
    share: Annotated[float, typer.Option(help="Share of a fact's prompts that must agree on a neuron.")] = 0.7,
    multi_mask: Annotated[
        bool, typer.Option("--multi-mask", help="Masked models: one mask for each token of an answer.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first so many facts.")] = None,
    skip_bad: SkipBad = False,
    draws: Draws = 20,
    unrelated: Unrelated = 5,
    seed: Seed = 42,
    dtype: Annotated[str, typer.Option(help=f"One of: {_names(DTYPES)}.")] = "float32",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Annotated[str | None, typer.Option(help="Models of the hub: a branch, tag or commit.")] = None,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Find the knowledge neurons of facts, and test them against random ones."""
    method_named(method)
    settings = AttributionSettings(method, rule, points, target, answer_tokens, units)  # type: ignore[arg-type]
    selection = SelectionSettings(selector, threshold, share=share)
    interventions = InterventionSettings(draws, unrelated, seed)
    load_facts(facts, limit=limit)  # a missing file is told before a large model is loaded
    Run.check_folder(out)
    loaded = load_model(
        model,
        dtype=dtype,
        device=device,
        device_map=device_map,
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    locating = Locating(
        facts, settings, selection, multi_mask=multi_mask, limit=limit, revision=revision, skip_bad=skip_bad
    )
    summary = run_locate(out, loaded, locating)
    show.located(Run.open(out), summary)
    run_intervene(out, loaded, interventions, "knowledge", skip_bad=skip_bad)
    show.effects(Run.open(out), "knowledge")
    show.next_command("degenerate", out)


@app.command(short_help="Find which of a run's neurons back each other up.", epilog=shown("degenerate"))
def degenerate(
    run: RunFolder,
    clusterer: Annotated[str, typer.Option(help="ntc, or ntc_authors (as released).")] = "ntc",
    span: Annotated[str, typer.Option(help="Which layers are connected: residual (any two) or adjacent.")] = "residual",
    persistence: Annotated[str, typer.Option(help="How long a cluster lives: linear or log.")] = "linear",
    tau1: Annotated[float, typer.Option(help="Persistence a cluster needs, as a share of the largest.")] = 0.1,
    cover: Annotated[str, typer.Option(help="chosen clusters only, or a partition of all neurons.")] = "chosen",
    filter: Annotated[
        str, typer.Option(help="Functional tests: definition (F1, F2, F3) or authors (F1 only).")
    ] = "definition",
    t_low: Annotated[float, typer.Option(help="F1: largest loss with one component suppressed.")] = 0.05,
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
    loaded = model_of(run, model, device=device, device_map=device_map, trust_remote_code=trust_remote_code)
    summary = run_degenerate(run, loaded, settings, skip_bad=skip_bad)
    show.degeneracy(Run.open(run), summary)
    run_intervene(run, loaded, interventions, "degenerate", skip_bad=skip_bad)
    show.effects(Run.open(run), "degenerate")
    show.next_command("report", run)


@app.command(short_help="Write a run's report, one HTML file.", epilog=shown("report"))
def report(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the page goes. Default: RUN/report.html.")
    ] = None,
    png: Annotated[bool, typer.Option("--png", help="Write the figures as PNG too, under RUN/figures.")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="Write the figures as SVG too, under RUN/figures.")] = False,
    max_facts: Annotated[int, typer.Option(help="How many facts get a section of their own.")] = 40,
) -> None:
    """Write a run's report, one HTML file that needs no network, and print its path."""
    figures = [name for name, wanted in (("png", png), ("svg", svg)) if wanted]
    say(str(write_report(run, out=out, figures=figures, max_facts=max_facts)))


@app.command(short_help="Does this model fit, and what will it take?", epilog=shown("doctor"))
def doctor(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    prompt_tokens: Annotated[int, typer.Option(min=1, help="The length of the prompt the costs are for.")] = 20,
    points: Annotated[int, typer.Option(min=1, help="Path points the costs are for.")] = 8,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Say whether a model fits, what its neurons are, and how much memory and time it takes."""
    found = diagnose(model, prompt_tokens=prompt_tokens, points=points, trust_remote_code=trust_remote_code)
    for line in found.lines():
        say(line)
    if found.problems:
        raise typer.Exit(2)


@app.command("verify", short_help="Is a run still what was written?", epilog=shown("verify"))
def verify_command(run: RunFolder) -> None:
    """Check that a run's files, its model and its data are what they were when it was made."""
    opened = Run.open(run)
    problems, notes = problems_of(opened)
    for problem in problems:
        fail(problem)
    for note in notes:
        tell(note)
    if problems:
        raise typer.Exit(2)
    say(f"{run}: every file is as it was written")


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Find the neurons in which a language model keeps a fact, which of them back each other up, and test both."""
    if version:
        say(f"factneurons {factneurons.__version__}")
    elif context.invoked_subcommand is None:
        say(context.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: with 2 and one line after bad input, with 130 after Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter gets its number
            stream.reconfigure(errors="backslashreplace")
    try:
        with short_warnings():
            code = _run(given)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    try:
        with get_command(app).make_context("factneurons", list(arguments)) as context:
            context.command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except _WrongUsage as error:
        fail(_usage(error))
        return 2
    except FactneuronsError as error:
        fail(str(error))
        return 2
    except Interrupted as stop:
        fail(str(stop))
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        fail("stopped")
        return 130
    except BrokenPipeError:
        raise
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 2
    return 0


def _usage(error: Exception) -> str:
    """What is wrong with the command line, and where the help is."""
    message = str(getattr(error, "format_message", lambda: error)())
    context = getattr(error, "ctx", None)
    return message if context is None else f"{message} (help: {context.command_path} --help)"

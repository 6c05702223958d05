"""The command `factneurons`: finds the command that is meant, and ends with one line when something is wrong."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated

import typer
from typer.main import get_command

import factneurons
from factneurons.cli.console import fail, say, short_warnings
from factneurons.cli.examples import shown
from factneurons.errors import FactneuronsError
from factneurons.runs.command import made_by


@dataclass(frozen=True, slots=True)
class Command:
    """One command: the module that holds it, and one line for the list of commands.

    The module is imported only when its command is asked for: PyTorch and transformers take seconds. It holds
    a function of the command's name, or `commands`, a group of commands.
    """

    module: str
    summary: str


COMMANDS: dict[str, Command] = {
    "ask": Command("ask", "Which neurons carry one answer, and what do they do?"),
    "run": Command("run", "Everything: locate, test, degenerate, languages, report."),
    "locate": Command("locate", "Find the knowledge neurons of facts, and test them."),
    "test": Command("test", "Test neurons that another tool found."),
    "degenerate": Command("degenerate", "Find which of a run's neurons back each other up."),
    "experiment": Command("experiment", "The experiments of the papers, one command each."),
    "suite": Command("suite", "All experiments of the papers on several models, one page."),
    "languages": Command("languages", "Find what the languages of a run's facts share."),
    "check": Command("check", "Judge statements by the neurons of their relation."),
    "edit": Command("edit", "Change a fact through its neurons."),
    "finetune": Command("finetune", "Let a few neurons learn facts, and nothing else."),
    "delta": Command("delta", "Show, apply, undo and stack stored edits."),
    "report": Command("report", "Write a run's report, one HTML file."),
    "export": Command("export", "Write a run's neurons for other tools."),
    "doctor": Command("doctor", "Does this model fit, and what will it take?"),
    "worker": Command("worker", "Join a run that others work on."),
    "status": Command("status", "How far is a run, and who works on it?"),
    "compact": Command("compact", "Put a run's many small files together."),
    "verify": Command("verify", "Is a run still what was written?"),
    "facts": Command("facts", "Look at facts before anything is asked of a model."),
    "plant": Command("plant", "Put facts into chosen neurons of a model."),
    "benchmark": Command("benchmark", "Judge every method by planted models."),
    "pocket": Command("pocket", "List or find the bundled small models, or train others."),
}

# What the command line's parser raises; typer brings its own copy of click, or uses the one that is installed.
_WrongUsage: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


_COMPLETING = "_FACTNEURONS_COMPLETE"
"""The variable by which a shell asks what a word may go on to."""


def application(wanted: str | None) -> typer.Typer:
    """The application with one command in full; of the others only the names and summaries."""
    app = typer.Typer(
        name="factneurons",
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        epilog="\b\nExit codes: 0 done (what was left out is counted), 1 part of a suite failed, 2 bad input, 130 and "
        "143 stopped from outside.",
    )
    app.callback()(_options)
    for name, command in COMMANDS.items():
        if name != wanted:
            app.command(name, short_help=command.summary)(_not_loaded)
            continue
        module = import_module(f"factneurons.cli.{command.module}")
        if hasattr(module, "commands"):
            app.add_typer(module.commands, name=name, short_help=command.summary)
        else:
            app.command(name, short_help=command.summary, epilog=shown(module.EXAMPLES[name]))(getattr(module, name))
    return app


def _not_loaded() -> None:
    raise AssertionError("only the first argument can name a command")


def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Find the neurons in which a language model keeps a fact, which of them back each other up, and test both."""
    if version:
        say(f"factneurons {factneurons.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(context.get_help())


def run(arguments: Sequence[str]) -> None:
    """Run the command line and exit: with 2 and one line after bad input, with 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter gets its number
            stream.reconfigure(errors="backslashreplace")
    try:
        with short_warnings():
            code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def _run(arguments: Sequence[str]) -> int:
    try:
        words = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS")
        asked = words.split()[1:] if words and _COMPLETING in os.environ else arguments
        wanted = next((argument for argument in asked if not argument.startswith("-")), None)
        command = get_command(application(wanted if wanted in COMMANDS else None))
        if _COMPLETING in os.environ:
            command.main([], prog_name="factneurons", complete_var=_COMPLETING)
        with made_by(arguments), command.make_context("factneurons", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except _WrongUsage as error:
        fail(_usage(error))
        return 2
    except FactneuronsError as error:
        fail(str(error))
        return 2
    except (KeyboardInterrupt, typer.Abort) as stop:
        fail(str(stop) or "stopped")
        return getattr(stop, "exit_code", 130)
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

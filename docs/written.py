"""The pages of the reference, written from the program itself: a directive `written` with commands, settings or api."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.main import get_command

import factneurons as fn
from factneurons.benchmark.settings import BenchmarkSettings
from factneurons.cli.app import COMMANDS, application
from factneurons.settings import Option, options_of

_WIDTH = 100


def commands() -> Iterator[str]:
    """The help text of every command, as `factneurons COMMAND --help` prints it."""
    for name, command in COMMANDS.items():
        program: Any = get_command(application(name))
        above = typer.Context(program, info_name="factneurons", terminal_width=_WIDTH)
        yield f"## {name}\n\n{command.summary}\n"
        yield from _help(program.commands[name], above)


def _help(command: Any, above: typer.Context) -> Iterator[str]:
    context = typer.Context(command, parent=above, info_name=command.name, terminal_width=_WIDTH)
    yield f"```text\n{command.get_help(context)}\n```\n"
    for each in getattr(command, "commands", {}).values():
        yield f"### {context.info_name} {each.name}\n"
        yield from _help(each, context)


def settings() -> Iterator[str]:
    """The options of every settings record, from their declarations."""
    public = (getattr(fn, name) for name in fn.__all__ if name.endswith("Settings"))
    for record in [*public, BenchmarkSettings]:
        rows = [_cells(each) for each in options_of(record)]
        if rows:
            yield f"## {record.__name__}\n\n{_first_line(record)}\n"
            yield "| option | default | may be | meaning |\n| --- | --- | --- | --- |"
            yield (
                "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows) + "\n"
            )


def _cells(option: Option) -> tuple[str, ...]:
    default = "" if option.default is None else f"`{option.default!r}`"
    if hasattr(option.default, "__dataclass_fields__"):
        default = f"`{type(option.default).__name__}()`"
    words = {"least": "≥", "above": ">", "most": "≤", "below": "<"}
    limits = [f"{words[name]} {bound:g}" for name, bound in option.limits.items() if bound is not None]
    allowed = [option.kind.__name__ if option.part is None else f"tuple of {option.part.__name__}", *limits]
    allowed += ["None"] if option.optional else []
    return f"`{option.name}`", default, ", ".join(allowed), option.help.replace("|", r"\|")


def api() -> Iterator[str]:
    """Every public name with its docstring and types, room by room."""
    rooms: dict[str, list[str]] = {}
    for module, names in fn._MODULES.items():
        rooms.setdefault(module.split(".")[0], []).extend(names)
    for room, names in rooms.items():
        yield f"## {room}\n\n{_first_line(import_module(f'factneurons.{room}'))}\n"
        yield "```{eval-rst}\n" + "\n".join(map(_documented, names)) + "\n```\n"


def _documented(name: str) -> str:
    value = getattr(fn, name)
    if inspect.isclass(value):
        from_sklearn = ", ".join(each for each in dir(value) if re.fullmatch("(get|set)_.*(request|routing)", each))
        return f".. autoclass:: factneurons.{name}\n   :members:\n   :exclude-members: {from_sklearn}\n"
    if inspect.isfunction(value):
        return f".. autofunction:: factneurons.{name}\n"
    shown = ", ".join(map(str, value)) if isinstance(value, tuple | dict) else str(value)
    return f".. py:data:: factneurons.{name}\n\n   {type(value).__name__}: ``{shown}``\n"


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")


class Written(SphinxDirective):
    """`written` with one of commands, settings, api."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The page, parsed."""
        pages = {"commands": commands, "settings": settings, "api": api}
        return self.parse_text_to_nodes("\n".join(pages[self.arguments[0]]()), allow_section_headings=True)


def bars_as_text(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """In docstrings |x| is an absolute value, which reStructuredText would take for a substitution."""
    for number, line in enumerate(lines):
        parts = re.split(r"(`+[^`]*`+)", line)
        lines[number] = "".join(part if part.startswith("`") else part.replace("|", r"\|") for part in parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("written", Written)
    app.connect("autodoc-process-docstring", bars_as_text, priority=100)
    return {"parallel_read_safe": True}

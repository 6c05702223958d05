"""What the docs and the scripts name is there, every command line of theirs is understood.

The examples are run by tests/test_docs_run.py, notebooks and the tutorial by `make docs`.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import factneurons
from factneurons.cli.app import COMMANDS, application

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPTS = sorted(path for folder in ("benchmarks", "studies") for path in (ROOT / folder).glob("*.py"))


def programs(path: Path) -> Iterator[ast.Module]:
    text = path.read_text(encoding="utf-8")
    yield from map(ast.parse, [text] if path.suffix == ".py" else re.findall(r"```python\n(.*?)```", text, re.DOTALL))


@pytest.mark.parametrize("path", [*PAGES, *SCRIPTS], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_name_that_is_imported_exists(path: Path) -> None:
    for node in (node for program in programs(path) for node in ast.walk(program)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("factneurons"):
            module = import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "fn":
            assert hasattr(factneurons, node.attr)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_and_module_that_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    scripts = re.findall(r"python\s((?:benchmarks|studies|docs)/\w+\.py)", text)
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    assert [name for name in scripts if not (ROOT / name).is_file()] == []
    assert [link for link in links if not (path.parent / link).exists()] == []
    for name in re.findall(r"`factneurons\.([\w.]+)[`(]", text):
        value: object = factneurons
        for part in name.split("."):
            if not hasattr(value, part):
                import_module(f"{value.__name__}.{part}")
            value = getattr(value, part)


def test_every_page_is_on_the_site() -> None:
    docs = ROOT / "docs"
    listed = set(re.findall(r"^[a-z/-]+$", (docs / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert {path.relative_to(docs).with_suffix("").as_posix() for path in docs.rglob("*.md")} == listed | {"index"}


@cache
def program(command: str) -> Any:
    return get_command(application(command)).commands[command]


def command_lines(path: Path) -> Iterator[list[str]]:
    """The words after `factneurons` of every command line in a page's blocks."""
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.match(r"\s*(?:!|srun\s.*?|echo .*\|\s*)?factneurons\s+(.*)", line):
                yield shlex.split(match[1], comments=True)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_line_is_understood(path: Path) -> None:
    for words in command_lines(path):
        if words[0].startswith("-"):
            continue
        assert words[0] in COMMANDS, words
        command, rest = program(words[0]), words[1:]
        while hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
        named = {word.split("=")[0] for word in rest if word.startswith("--")}
        assert named <= options, f"{shlex.join(words)}: no option {sorted(named - options)}"


def test_the_example_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what stands beneath it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code, told = re.findall(r"```python\n(.*?)```\n```\n(.*?)```", text, re.DOTALL)[0]
    exec(compile(code, "README.md", "exec"), {})
    numbers = re.compile(r"\d+\.\d+")
    printed = capsys.readouterr().out
    assert numbers.sub("", printed) == numbers.sub("", told)
    assert [float(each) for each in numbers.findall(printed)] == pytest.approx(
        [float(each) for each in numbers.findall(told)], abs=1e-4
    )

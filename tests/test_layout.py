"""The house as a whole: every file has its test, functions and classes stay short, no import is hidden."""

from __future__ import annotations

import ast
import html
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import numpy as np
import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent / "src"
SOURCES = sorted((ROOT / "factneurons").rglob("*.py"))

LONGEST_FUNCTION, LONGEST_CLASS, P95_OF_FUNCTIONS = 60, 250, 26
"""Lines, docstrings left out."""

HEAVY = {"torch", "transformers", "pandas", "pyarrow", "typer"}
"""What is slow to import: worth an `if TYPE_CHECKING`."""

WITH_CODE = {"factneurons/__init__.py", "factneurons/cli/__init__.py", "factneurons/experiments/suite/__init__.py"}
"""The only `__init__.py` that hold more than a docstring."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def mirror_of(path: Path) -> str:
    """src/factneurons/a/b.py -> tests/a/test_b.py."""
    return path.relative_to(ROOT / "factneurons").with_name(f"test_{path.name}").as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def lines(node: Function | ast.ClassDef) -> int:
    """From `def` or `class` to the last line, without the docstring."""
    first = node.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) is not None else 0
    return node.end_lineno - node.lineno + 1 - docstring


def lengths(kind: type | tuple[type, ...]) -> dict[str, int]:
    """Where and what -> its lines."""
    return {
        f"{name_of(path)}:{node.lineno} {node.name}": lines(node)
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, kind)
    }


def test_every_file_has_its_test() -> None:
    files = [path for path in SOURCES if path.name not in ("__init__.py", "__main__.py")]
    missing = [mirror_of(path) for path in files if not (TESTS / mirror_of(path)).is_file()]
    assert not missing, "no test file of this name:\n" + "\n".join(missing)


def test_functions_are_short() -> None:
    measured = lengths((ast.FunctionDef, ast.AsyncFunctionDef))
    assert not {where: count for where, count in measured.items() if count > LONGEST_FUNCTION}
    assert np.percentile(list(measured.values()), 95) < P95_OF_FUNCTIONS


def test_classes_are_short() -> None:
    assert not {where: count for where, count in lengths(ast.ClassDef).items() if count > LONGEST_CLASS}


def test_a_room_says_what_it_is_and_no_more() -> None:
    rooms = [path for path in SOURCES if path.name == "__init__.py"]
    assert not [name_of(path) for path in rooms if ast.get_docstring(tree(path)) is None]
    assert {name_of(path) for path in rooms if len(tree(path).body) > 1} == WITH_CODE


def hidden_imports(path: Path) -> Iterator[str]:
    """Modules that are imported for the type checker alone."""
    for block in ast.walk(tree(path)):
        if not (isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)):
            continue
        for node in ast.walk(block):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Who imports whom; imports for the type checker count."""
    return grimp.build_graph("factneurons", include_external_packages=True, cache_dir=None)


def test_type_checking_hides_nothing_but_what_is_slow_to_import(graph: grimp.ImportGraph) -> None:
    wrong = []
    for path in SOURCES:
        if name_of(path) == "factneurons/__init__.py":
            continue
        for imported in hidden_imports(path):
            ours = imported.startswith("factneurons.")
            needs = graph.find_upstream_modules(imported) if ours else {imported.partition(".")[0]}
            if module_of(path) in needs:
                wrong.append(f"{name_of(path)}: {imported} imports it in turn")
            elif not HEAVY & needs:
                wrong.append(f"{name_of(path)}: {imported} is quick to import")
    assert not wrong, "\n".join(wrong)


def test_the_diagram_of_the_docs_is_that_of_the_imports() -> None:
    draw = runpy.run_path(str(TESTS.parent / "docs" / "draw_design.py"))
    picture = (TESTS.parent / "docs" / "design.svg").read_text(encoding="utf-8")
    (listed,) = re.findall(r"<metadata>\n(.*)\n</metadata>", picture, re.DOTALL)
    now = [f"{one} -> {other}" for one, other in draw["arrows"]()]
    assert html.unescape(listed).split("\n") == now, "run `make design`"


def test_the_files_that_the_design_page_names_exist() -> None:
    page = (TESTS.parent / "docs" / "design.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+(?:/|\.py|\.md|\.toml))`", page)
    gone = [
        name for name in named if not any((folder / name).exists() for folder in (ROOT / "factneurons", TESTS.parent))
    ]
    assert named
    assert not gone

"""What the docs and the scripts import from factneurons is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import factneurons

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

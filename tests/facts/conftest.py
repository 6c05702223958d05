"""What the tests of the facts share: a valid record, files made of records, and the real data sets."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from factneurons.facts.source import FactSource

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture
def record() -> dict[str, Any]:
    """A line of our own format with every field."""
    return {
        "id": "capital/fooland",
        "relation": "capital",
        "subject": "Fooland",
        "answer": "Barville",
        "language": "en",
        "prompts": ["The capital of Fooland is ___.", "[MASK] is the capital of Fooland."],
        "date": "2014",
        "aliases": ["Barville City"],
        "wrong_answers": ["Bazton"],
        "translations": {"zh": "capital/fooland-zh"},
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file: bytes as they are, a text, or a list of records as JSON lines."""

    def _write(name: str, content: bytes | str | Iterable[Any]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8", newline="")
        else:
            path.write_text("".join(json.dumps(each) + "\n" for each in content), encoding="utf-8")
        return path

    return _write


@pytest.fixture(scope="session")
def bundled_check() -> ModuleType:
    """bundled_check.py beside this file: tests have no packages to import from."""
    spec = importlib.util.spec_from_file_location("bundled_check", Path(__file__).with_name("bundled_check.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of third-party data sets; tests that need it skip where it is absent."""
    if not DATA.is_dir():
        pytest.skip("the third-party data sets (../shared/data) are not there")
    return DATA


@pytest.fixture
def adds_up() -> Callable[[FactSource], None]:
    """Check that every record of the latest pass was read, skipped or left out."""

    def check(source: FactSource) -> None:
        assert source.records == source.read + sum(source.skipped.values()) + sum(source.left_out.values())

    return check

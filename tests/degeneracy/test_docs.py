"""The method page names every option, column and reason."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.types import DETAILS, REASONS, STORAGE

PAGE = Path(__file__).parents[2] / "docs" / "degeneracy.md"


CLUSTERER_ROWS = {name: clusterer.meaning for name, clusterer in CLUSTERERS.items()}


@pytest.mark.parametrize("table", [DETAILS, REASONS, STORAGE, CLUSTERER_ROWS])
def test_tables_are_as_in_the_code(table):
    page = PAGE.read_text(encoding="utf-8")
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in table.items())
    assert rows in page


def test_options_have_their_defaults():
    page = PAGE.read_text(encoding="utf-8")
    options = asdict(DegeneracySettings())
    options |= {f"comparison.{name}": value for name, value in options.pop("comparison").items()}
    for name, value in options.items():
        default = {str: f"`{value}`", type(None): "none"}.get(type(value), str(value))
        assert f"| `{name}` | {default} |" in page

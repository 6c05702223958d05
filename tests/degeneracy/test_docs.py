"""The method page names every option, column and reason."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.table import BARCODE_COLUMNS, COMPONENT_COLUMNS, FACT_COLUMNS
from factneurons.degeneracy.types import REASONS

PAGE = Path(__file__).parents[2] / "docs" / "degeneracy.md"


@pytest.mark.parametrize("table", [FACT_COLUMNS, COMPONENT_COLUMNS, BARCODE_COLUMNS, REASONS])
def test_tables_are_as_in_the_code(table):
    page = PAGE.read_text(encoding="utf-8")
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in table.items())
    assert rows in page


def test_options_have_their_defaults():
    page = PAGE.read_text(encoding="utf-8")
    for field in fields(DegeneracySettings):
        default = {str: f"`{field.default}`", type(None): "none"}.get(type(field.default), str(field.default))
        assert f"| `{field.name}` | {default} |" in page

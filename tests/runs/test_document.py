"""The tables of the documentation are those that are declared."""

from pathlib import Path

import pytest

from factneurons.errors import FactneuronsError
from factneurons.runs.document import documented, main
from factneurons.runs.tables import TABLES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["runs.md", "degeneracy.md"])
def test_the_pages_show_the_tables_as_they_are(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert documented(text) == text, f"docs/{page} is old: python -m factneurons.runs.document docs/{page} renews it"


def test_renewing_a_page_keeps_what_stands_around(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- tables: skipped -->\nold\n<!-- tables: end -->\nafter\n")
    main([str(page)])
    shown = TABLES["skipped"].describe()
    assert page.read_text() == f"before\n<!-- tables: skipped -->\n{shown}\n<!-- tables: end -->\nafter\n"


def test_all_tables_have_a_heading_each():
    page = documented("<!-- tables: all -->\n<!-- tables: end -->")
    assert [line[4:] for line in page.splitlines() if line.startswith("### ")] == list(TABLES)


@pytest.mark.parametrize("text", ["no place", "<!-- tables: nothing -->\n<!-- tables: end -->"])
def test_a_page_without_a_place_or_with_an_unknown_table_is_refused(text):
    with pytest.raises(FactneuronsError, match=r"no place|no table 'nothing'"):
        documented(text)

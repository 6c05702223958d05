"""The tables of the documentation, written from their declarations: python -m factneurons.runs.document PAGE ...

In a page, what stands between `<!-- tables: NAME NAME -->` and `<!-- tables: end -->` is replaced by these tables'
columns; between `<!-- tables: all -->` and the end, by all tables of a run, each with its heading.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from factneurons.degeneracy.tables import PAIR_FACTS
from factneurons.errors import FactneuronsError
from factneurons.runs.tables import TABLES

_KNOWN = TABLES | {PAIR_FACTS.name: PAIR_FACTS}
_PLACE = re.compile(r"(<!-- tables: (?!end)([a-z_ ]+) -->\n).*?(<!-- tables: end -->)", re.DOTALL)


def documented(text: str) -> str:
    """A page with its tables as they are declared now.

    Raises:
        FactneuronsError: it has no place for a table, or names one that there is none of.
    """
    page, places = _PLACE.subn(lambda match: f"{match[1]}{_tables(match[2])}\n{match[3]}", text)
    if not places:
        raise FactneuronsError("there is no place for a table in it: <!-- tables: NAME --> and <!-- tables: end -->")
    return page


def _tables(names: str) -> str:
    if names == "all":
        return "\n\n".join(f"### {each.name}\n\n{each.meaning}\n\n{each.describe()}" for each in TABLES.values())
    unknown = [name for name in names.split() if name not in _KNOWN]
    if unknown:
        raise FactneuronsError(f"there is no table {unknown[0]!r}; there are: {', '.join(_KNOWN)}")
    return "\n\n".join(_KNOWN[name].describe() for name in names.split())


def main(pages: list[str]) -> None:
    """Bring the pages up to date."""
    for page in map(Path, pages):
        page.write_text(documented(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

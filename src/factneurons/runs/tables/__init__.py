"""The tables of a run: every column, its type and its meaning, one module per subject.

docs/runs.md shows the same tables; `write_tables_into` brings it up to date.
"""

from __future__ import annotations

from pathlib import Path

from factneurons.errors import BadSetting, FactneuronsError
from factneurons.runs.schema import Table
from factneurons.runs.tables import checking, experiments, languages, main, skipped

_SUBJECTS = (main, languages, checking, experiments, skipped)

TABLES: dict[str, Table] = {table.name: table for subject in _SUBJECTS for table in subject.TABLES}


def table_named(name: str) -> Table:
    """The table of that name.

    Raises:
        BadSetting: there is none; the message lists those there are.
    """
    try:
        return TABLES[name]
    except KeyError:
        raise BadSetting(f"a run has no table {name!r}; its tables are: {', '.join(TABLES)}") from None


START_MARK, END_MARK = "<!-- tables: start -->", "<!-- tables: end -->"


def describe_tables() -> str:
    """All tables and columns as Markdown."""
    return "\n\n".join(_described(table) for table in TABLES.values())


def _described(table: Table) -> str:
    lines = [f"### {table.name}", "", table.meaning, "", "| column | type | meaning |", "| --- | --- | --- |"]
    for column in table.columns:
        meaning = column.meaning.replace("|", "\\|")
        lines.append(f"| `{column.name}` | {column.kind.label} | {meaning} |")
    return "\n".join(lines)


def write_tables_into(document: Path | str) -> None:
    """Replace what stands between the two marks of a Markdown file by the present tables.

    Raises:
        FactneuronsError: the file has no such marks.
    """
    path = Path(document)
    text = path.read_text(encoding="utf-8")
    before, start, rest = text.partition(START_MARK)
    _, end, after = rest.partition(END_MARK)
    if not (start and end):
        raise FactneuronsError(f"{path}: the marks {START_MARK} and {END_MARK} are missing")
    path.write_text(f"{before}{START_MARK}\n{describe_tables()}\n{END_MARK}{after}", encoding="utf-8")

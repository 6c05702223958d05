"""The tables of a run: those that the rooms declare beside their records, and what was left out.

To add a table touches three files: its declaration (`<room>/tables.py`), this list, and the stage that fills it.
"""

from __future__ import annotations

from typing import Any

from factneurons.attribution.tables import COMPLETENESS, FACTS, INTERVENTIONS, KNOWLEDGE_NEURONS
from factneurons.degeneracy.tables import ACQUISITION, BARCODES, CARRIED, COMPONENTS, CONNECTIONS, DEGENERATE, PAIRS
from factneurons.errors import BadSetting
from factneurons.experiments.tables import MEASUREMENTS
from factneurons.factcheck.tables import CHECKS
from factneurons.multilingual.tables import LANGUAGE_EFFECTS, LANGUAGE_NEURONS, LANGUAGES
from factneurons.runs.skips import SKIPPED
from factneurons.tables import Table

TABLES: dict[str, Table[Any]] = {
    table.name: table
    for table in (
        FACTS,
        KNOWLEDGE_NEURONS,
        COMPLETENESS,
        COMPONENTS,
        BARCODES,
        CONNECTIONS,
        DEGENERATE,
        ACQUISITION,
        CARRIED,
        INTERVENTIONS,
        LANGUAGES,
        LANGUAGE_NEURONS,
        LANGUAGE_EFFECTS,
        PAIRS,
        CHECKS,
        MEASUREMENTS,
        SKIPPED,
    )
}


def table_named(name: str) -> Table[Any]:
    """The table of that name.

    Raises:
        BadSetting: there is none; the message lists those there are.
    """
    try:
        return TABLES[name]
    except KeyError:
        raise BadSetting(f"a run has no table {name!r}; its tables are: {', '.join(TABLES)}") from None

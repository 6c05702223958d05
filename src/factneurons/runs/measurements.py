"""Rows of the suite's experiments, and the way back to a table of one of them."""

from __future__ import annotations

import pandas as pd

from factneurons.facts.types import Fact
from factneurons.runs.schema import Row
from factneurons.runs.store import Run


def measurement_row(experiment: str, fact: Fact, *, condition: str, measure: str, value: float, place: str) -> Row:
    """One row of `measurements`: a number that an experiment measured on a fact."""
    return {
        "fact_id": fact.id,
        "language": fact.language,
        "relation": fact.relation,
        "subject": fact.subject,
        "experiment": experiment,
        "condition": condition,
        "measure": measure,
        "place": place,
        "value": value,
    }


def measurements_of(run: Run, experiment: str) -> pd.DataFrame:
    """The rows of one experiment.

    Raises:
        BadRun: a part is missing or damaged.
    """
    table = run.table("measurements")
    return table[table["experiment"] == experiment].reset_index(drop=True)

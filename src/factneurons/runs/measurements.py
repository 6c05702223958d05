"""Rows of the suite's experiments, and the way back to a table of one of them."""

from __future__ import annotations

import pandas as pd

from factneurons.experiments.experiment import Measured
from factneurons.facts.types import Fact
from factneurons.runs.schema import Row
from factneurons.runs.store import Run


def measurement_row(experiment: str, fact: Fact, measured: Measured) -> Row:
    """One row of `measurements`.

    Args:
        experiment: the experiment's id.
        fact: the fact that was worked on.
        measured: the number.
    """
    return {
        "fact_id": fact.id,
        "language": fact.language,
        "relation": fact.relation,
        "subject": fact.subject,
        "experiment": experiment,
        "condition": measured.condition,
        "measure": measured.measure,
        "place": measured.place,
        "value": measured.value,
    }


def measurements_of(run: Run, experiment: str) -> pd.DataFrame:
    """The rows of one experiment.

    Raises:
        BadRun: a part is missing or damaged.
    """
    table = run.table("measurements")
    return table[table["experiment"] == experiment].reset_index(drop=True)

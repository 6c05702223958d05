"""What an edit did: every probe before and after, one row each, and the numbers that are made of such rows.

A row holds ranks and log-probabilities in nats; a measure turns rows into one number per row, before and after, which
the mean is taken of. Dai et al. (2022): change rate, success rate, perplexity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from factneurons.editing.held_out import GROUPS, Probe
from factneurons.editing.types import Edit
from factneurons.errors import BadNumber
from factneurons.models.model import Model
from factneurons.models.types import Evaluation

COLUMNS = (
    *("group", "role", "fact_id", "language", "subject", "prompt", "answer", "tokens"),
    *("log_probability_before", "log_probability_after", "rank_before", "rank_after"),
    *("prediction_before", "prediction_after"),
)

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of an edit.

    Attributes:
        name: its name.
        meaning: what it says.
        role: which rows it is made of.
        value: rows and "before" or "after" -> a number per row.
        unit: "share", "number" or "perplexity".
        statistic: how the rows' numbers become one; perplexity: exp of all nats over all tokens.
    """

    name: str
    meaning: str
    role: str
    value: Callable[[pd.DataFrame, str], Values]
    unit: str = "share"


def _rank_at_most(most: int) -> Callable[[pd.DataFrame, str], Values]:
    return lambda rows, when: (rows[f"rank_{when}"].to_numpy() <= most).astype(np.float64)


def _reciprocal_rank(rows: pd.DataFrame, when: str) -> Values:
    reciprocal: Values = 1.0 / rows[f"rank_{when}"].to_numpy(dtype=np.float64)
    return reciprocal


def _probability(rows: pd.DataFrame, when: str) -> Values:
    probability: Values = np.exp(rows[f"log_probability_{when}"].to_numpy(dtype=np.float64))
    return probability


def _changed(rows: pd.DataFrame, when: str) -> Values:
    """Before nothing has changed."""
    if when == "before":
        return np.zeros(len(rows))
    return np.asarray(rows["prediction_before"] != rows["prediction_after"], dtype=np.float64)


def _nats_and_tokens(rows: pd.DataFrame, when: str) -> Values:
    """[rows, 2]: nats of surprise, and tokens."""
    return np.column_stack([-rows[f"log_probability_{when}"], rows["tokens"]]).astype(np.float64)


def perplexity(values: Values) -> float:
    """exp of the mean surprise per token, from nats and tokens [n, 2]."""
    return float(np.exp(values[:, 0].sum() / values[:, 1].sum()))


MEASURES: tuple[Measure, ...] = (
    Measure("change rate", "share of prompts whose top prediction is another one than before", "old", _changed),
    Measure("success rate", "share of prompts whose top prediction is the new answer", "new", _rank_at_most(1)),
    Measure("success@5", "share of prompts with the new answer among the first five", "new", _rank_at_most(5)),
    Measure("MRR, new answer", "mean of 1 / rank of the new answer", "new", _reciprocal_rank, "number"),
    Measure("MRR, old answer", "mean of 1 / rank of the answer that was right", "old", _reciprocal_rank, "number"),
    Measure("P(new answer)", "mean probability of the new answer", "new", _probability, "number"),
    Measure("P(old answer)", "mean probability of the answer that was right", "old", _probability, "number"),
    Measure("old answer first", "share of prompts whose top prediction is the right answer", "old", _rank_at_most(1)),
    Measure(
        "perplexity",
        "exp of the mean surprise per token of whole statements (masked models: each word masked in turn)",
        "statement",
        _nats_and_tokens,
        "perplexity",
    ),
)
"""The measures, in the order they are shown."""


def measure(model: Model, edit: Edit, probes: Sequence[Probe], *, by: str = "weights") -> pd.DataFrame:
    """Ask every probe before and after an edit; the model is afterwards as it was.

    Args:
        model: the model without the edit.
        edit: the edit.
        probes: what is asked.
        by: "weights" or "values".

    Returns:
        One row per probe with the columns `COLUMNS`.

    Raises:
        BadNumber: a probability that is NaN; names the prompt.
    """
    return measured(probes, evaluated(model, probes), after(model, edit, probes, by=by))


def evaluated(model: Model, probes: Sequence[Probe]) -> list[Evaluation]:
    """What the model answers as it is."""
    return model.evaluate([probe.query for probe in probes])


def after(model: Model, edit: Edit, probes: Sequence[Probe], *, by: str = "weights") -> list[Evaluation]:
    """What the edited model answers."""
    with edit.on(model, by=by):
        return evaluated(model, probes)


def measured(probes: Sequence[Probe], before: Sequence[Evaluation], after: Sequence[Evaluation]) -> pd.DataFrame:
    """One row per probe.

    Raises:
        BadNumber: a probability that is NaN.
    """
    rows = [_row(*each) for each in zip(probes, before, after, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(probe: Probe, before: Evaluation, after: Evaluation) -> Mapping[str, object]:
    if not np.isfinite([before.log_probability, after.log_probability]).all():
        raise BadNumber(
            f"fact {probe.fact.id!r}, {probe.query.prompt.text!r}: P(answer) is 0 or NaN under an edit; "
            "load the model in float32"
        )
    values = {
        "group": probe.group,
        "role": probe.role,
        "fact_id": probe.fact.id,
        "language": probe.fact.language,
        "subject": probe.fact.subject,
        "prompt": probe.query.prompt.text,
        "answer": probe.query.answer,
        "tokens": len(probe.query.answer_ids),
    }
    for name, each in (("before", before), ("after", after)):
        values[f"log_probability_{name}"] = each.log_probability
        values[f"rank_{name}"] = each.rank
        values[f"prediction_{name}"] = each.prediction
    return values


def rows_of(table: pd.DataFrame, group: str, kind: Measure) -> pd.DataFrame:
    """The rows of a group that a measure is made of."""
    return table[(table["group"] == group) & (table["role"] == kind.role)]


def measure_named(name: str) -> Measure:
    """A measure by its name."""
    return next(each for each in MEASURES if each.name == name)


def number(table: pd.DataFrame, group: str, name: str, when: str = "after") -> float | None:
    """One number of an edit; None where nothing was asked for it."""
    kind = measure_named(name)
    rows = rows_of(table, group, kind)
    if rows.empty:
        return None
    values = kind.value(rows, when)
    return perplexity(values) if kind.unit == "perplexity" else float(values.mean())


def numbers_of(table: pd.DataFrame) -> dict[tuple[str, str], tuple[float, float]]:
    """(group, measure) -> before and after, for all that was asked."""
    found = {}
    for group in GROUPS:
        for kind in MEASURES:
            pair = [number(table, group, kind.name, when) for when in ("before", "after")]
            if pair[0] is not None and pair[1] is not None:
                found[group, kind.name] = (pair[0], pair[1])
    return found

"""What an edit did: every prompt before and after, one row each, and the numbers that are made of such rows.

A row holds ranks and log-probabilities in nats; a measure turns rows into one number per row, before and after, which
the mean is taken of. Dai et al. (2022): change rate, success rate, perplexity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from factneurons.facts.words import names_one_of
from factneurons.models.types import Evaluation, check_finite
from factneurons.statistics import Numbers

if TYPE_CHECKING:
    from factneurons.editing.held_out import EditPrompt

FOUND, RANDOM = "found", "random"
"""Whose edit a row is of: the found neurons' or random ones'."""

WRITTEN = 20
"""Tokens that a causal model writes after a prompt, without being given the answer's first ones."""

COLUMNS = (
    *("group", "role", "fact_id", "language", "subject", "prompt", "answer", "tokens"),
    *("log_probability_before", "log_probability_after", "rank_before", "rank_after"),
    *("prediction_before", "prediction_after", "written_before", "written_after"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a model makes of one prompt.

    Attributes:
        evaluation: of the answer that is looked for.
        written: what it writes by itself; None: it was not let.
    """

    evaluation: Evaluation
    written: str | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of an edit.

    Attributes:
        name: its name.
        meaning: what it says.
        role: which rows it is made of.
        value: rows and "before" or "after" -> a number per row.
        unit: "share", "number" or "perplexity".
        written: whether it is of rows only in which the model wrote a text.
    """

    name: str
    meaning: str
    role: str
    value: Callable[[pd.DataFrame, str], Numbers]
    unit: str = "share"
    written: bool = False


def _rank_at_most(most: int) -> Callable[[pd.DataFrame, str], Numbers]:
    return lambda rows, when: (rows[f"rank_{when}"].to_numpy() <= most).astype(np.float64)


def _reciprocal_rank(rows: pd.DataFrame, when: str) -> Numbers:
    reciprocal: Numbers = 1.0 / rows[f"rank_{when}"].to_numpy(dtype=np.float64)
    return reciprocal


def _probability(rows: pd.DataFrame, when: str) -> Numbers:
    probability: Numbers = np.exp(rows[f"log_probability_{when}"].to_numpy(dtype=np.float64))
    return probability


def _changed(rows: pd.DataFrame, when: str) -> Numbers:
    """Before nothing has changed."""
    if when == "before":
        return np.zeros(len(rows))
    return np.asarray(rows["prediction_before"] != rows["prediction_after"], dtype=np.float64)


def _named(rows: pd.DataFrame, when: str) -> Numbers:
    named = (names_one_of(text, [answer]) for text, answer in zip(rows[f"written_{when}"], rows["answer"], strict=True))
    return np.fromiter(named, dtype=np.float64, count=len(rows))


def _nats_and_tokens(rows: pd.DataFrame, when: str) -> Numbers:
    """[rows, 2]: nats of surprise, and tokens."""
    return np.column_stack([-rows[f"log_probability_{when}"], rows["tokens"]]).astype(np.float64)


def perplexity(values: Numbers) -> float:
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
        "writes new answer",
        f"share of prompts after which the {WRITTEN} tokens that the model writes by itself name the new answer",
        "new",
        _named,
        written=True,
    ),
    Measure("writes old answer", "share of them that name the answer that was right", "old", _named, written=True),
    Measure(
        "perplexity",
        "exp of the mean surprise per token of whole statements (masked models: each word masked in turn)",
        "statement",
        _nats_and_tokens,
        "perplexity",
    ),
)
"""The measures, in the order they are shown."""


def compared(prompts: Sequence[EditPrompt], before: Sequence[Said], after: Sequence[Said]) -> pd.DataFrame:
    """One row per prompt with the columns `COLUMNS`, from what the model answers before and after an edit.

    Raises:
        BadNumber: a probability that is NaN.
    """
    rows = [_row(*each) for each in zip(prompts, before, after, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(asked: EditPrompt, said_before: Said, said_after: Said) -> Mapping[str, object]:
    before, after = said_before.evaluation, said_after.evaluation
    where = f"fact {asked.fact.id!r}, prompt {asked.query.prompt.text!r}"
    check_finite([before.log_probability, after.log_probability], where, "P(answer) is 0 or NaN under an edit")
    values = {
        "group": asked.group,
        "role": asked.role,
        "fact_id": asked.fact.id,
        "language": asked.fact.language,
        "subject": asked.fact.subject,
        "prompt": asked.query.prompt.text,
        "answer": asked.query.answer,
        "tokens": len(asked.query.answer_ids),
    }
    for name, each in (("before", before), ("after", after)):
        values[f"log_probability_{name}"] = each.log_probability
        values[f"rank_{name}"] = each.rank
        values[f"prediction_{name}"] = each.prediction
    return values | {"written_before": said_before.written, "written_after": said_after.written}


def rows_of(table: pd.DataFrame, group: str, kind: Measure) -> pd.DataFrame:
    """The rows of a group that a measure is made of."""
    rows = table[(table["group"] == group) & (table["role"] == kind.role)]
    return rows[rows["written_after"].notna()] if kind.written else rows


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

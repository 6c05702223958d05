"""The rows of the benchmark's table: what was judged of one model, a row per number."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from factneurons.benchmark.judging import Judged
from factneurons.benchmark.settings import DEFAULT, DISTINCT, EASY, RIGHT, UNDESIGNED
from factneurons.benchmark.summary import MEASURES

COLUMNS: dict[str, str] = {
    "model": "the planted or trained model: its base and its seed",
    "base": "the model that facts were planted in, or whose architecture was trained",
    "seed": "of everything drawn at random",
    "fact_id": "the fact's id",
    "language": "the fact's language",
    "regime": "how the fact is stored, in truth",
    "part": "localisation, grouping, verdict or undesigned",
    "neurons": 'where the grouped neurons come from: "true", or a method; "" for localisation',
    "contestant": "the method of attribution, or the clusterer",
    "measure": "what was measured",
    "value": "the number; of a verdict 1 where it is so, else 0, and none where it cannot be",
    "verdict": 'what was concluded; "" where the part is no verdict',
}
"""Columns of the table, one row per number: name -> meaning."""


def planted_rows(judged: Judged) -> pd.DataFrame:
    """The three tables of a planted model as one; all columns but those that name the model."""
    about = ["fact_id", "language", "regime"]
    localisation = judged.localisation.rename(columns={"method": "contestant"}).assign(neurons="", part="localisation")
    grouping = judged.grouping.rename(columns={"clusterer": "contestant"}).assign(part="grouping")
    verdicts = judged.verdicts.rename(columns={"clusterer": "contestant"}).assign(part="verdict")
    pairs = list(zip(verdicts["regime"], verdicts["verdict"], strict=True))
    verdicts["right"] = [float(verdict in RIGHT[regime]) for regime, verdict in pairs]
    verdicts["false_components"] = [false_components(regime, verdict) for regime, verdict in pairs]
    keys = [*about, "part", "neurons", "contestant"]
    parts = [
        localisation.melt(keys, list(MEASURES["localisation"]), "measure"),
        grouping.melt(keys, list(MEASURES["grouping"]), "measure"),
        verdicts.melt([*keys, "verdict"], list(MEASURES["verdict"]), "measure"),
    ]
    return pd.concat(parts, ignore_index=True).fillna({"verdict": ""})


def undesigned_rows(judged: pd.DataFrame) -> pd.DataFrame:
    """What `purity.judge_switched` returned; all columns but those that name the model."""
    named = judged.rename(columns={"clusterer": "contestant"}).assign(
        regime=UNDESIGNED, part=UNDESIGNED, neurons=DEFAULT
    )
    keys = ["fact_id", "language", "regime", "part", "neurons", "contestant", "verdict"]
    return named.melt(keys, list(MEASURES[UNDESIGNED]), "measure")


def named(rows: pd.DataFrame, base: str, seed: int, group: str = EASY) -> pd.DataFrame:
    """Rows of the table: with the columns that name their model."""
    return rows.assign(model=model_name(base, seed, group), base=base, seed=seed)[list(COLUMNS)]


def model_name(base: str, seed: int, group: str = EASY) -> str:
    """What a model is called in the table: its base, its group of regimes where it is not easy, its seed."""
    return "-".join([Path(base).name, *([] if group == EASY else [group]), str(seed)])


def false_components(regime: str, verdict: str) -> float:
    """Whether components are said to be where there are none; NaN where there are."""
    return math.nan if set(DISTINCT) & set(RIGHT[regime]) else float(verdict in DISTINCT)

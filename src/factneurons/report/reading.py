"""What the report needs of a run, read part by part: totals over all facts, rows of the shown facts only."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from factneurons.findings.checks import results_of
from factneurons.findings.degeneracy import keys
from factneurons.findings.effects import CONDITION, KEY, FactKey, changes_of
from factneurons.findings.languages import language_effects, shared_of
from factneurons.findings.overview import Findings, Frames, findings_frame, findings_from
from factneurons.models.types import Neuron
from factneurons.report.text import EXPECTED_SKIPS
from factneurons.runs.counts import Counts
from factneurons.runs.store import Run
from factneurons.statistics import Numbers

LISTED_SKIPS = 200
"""Rows of the table `skipped` that the page lists; all are counted."""

_FACT_COLUMNS = [
    *(*KEY, "relation", "subject", "answer", "date", "prompts", "answer_tokens", "probability", "rank"),
    *("known", "neurons", "refined", "threshold", "method", "source"),
]
_NEURON_COLUMNS = [*KEY, "relation", "layer", "index", "score"]
_WRITTEN_COLUMNS = ["layer", "index", "promotes", "suppresses"]
_EFFECT_COLUMNS = [*KEY, *CONDITION, "draw", "size", "probability_before", "probability_after", "log_change"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many facts and prompts a stage left out for one reason, and one example in words."""

    stage: str
    reason: str
    facts: int
    prompts: int
    example: str


@dataclass(frozen=True, slots=True)
class WorstCompleteness:
    """Where the scores add up worst."""

    error: float
    layer: int
    fact: FactKey
    prompt: str


@dataclass(slots=True)
class Reading:
    """What was read.

    Attributes:
        run: the run.
        facts: one row per asked fact, sorted by id and language.
        shown: the facts that get a section of their own.
        counts: stage -> counts.
        left_out: what was left out, by stage and reason.
        skipped: the first rows of the table `skipped`, without those of EXPECTED_SKIPS.
        skipped_total: how many such rows it has.
        neurons: every knowledge neuron of every fact: fact, relation, layer, index, score.
        written: neuron -> the tokens it promotes and those it suppresses, where the run has them.
        knowledge_by_layer: layer -> knowledge neurons, summed over facts.
        degenerate_by_layer: layer -> neurons of components that pass, summed over facts.
        degenerate: the whole table `degenerate`.
        acquisition: the whole table `acquisition`.
        carried: the whole table `carried`.
        effects: what was done to P(answer), by fact and condition; from `changes_of`.
        errors: layer -> completeness errors of all prompts.
        worst: the largest of them.
        prompts: shown fact -> prompt -> P(answer).
        rows: table -> shown fact -> its rows, for neurons, components, barcodes, connections, pairs,
            carried and skipped.
    """

    run: Run
    facts: pd.DataFrame
    shown: list[FactKey]
    counts: dict[str, Counts]
    left_out: list[LeftOut] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    skipped_total: int = 0
    neurons: pd.DataFrame = field(default_factory=partial(pd.DataFrame, columns=_NEURON_COLUMNS))
    written: dict[Neuron, tuple[Sequence[str], Sequence[str]]] = field(default_factory=dict)
    knowledge_by_layer: Counter[int] = field(default_factory=Counter)
    degenerate_by_layer: Counter[int] = field(default_factory=Counter)
    degenerate: pd.DataFrame = field(default_factory=pd.DataFrame)
    acquisition: pd.DataFrame = field(default_factory=pd.DataFrame)
    carried: pd.DataFrame = field(default_factory=pd.DataFrame)
    effects: pd.DataFrame = field(default_factory=pd.DataFrame)
    errors: dict[int, Numbers] = field(default_factory=dict)
    worst: WorstCompleteness | None = None
    prompts: dict[FactKey, dict[str, float]] = field(default_factory=dict)
    rows: dict[str, dict[FactKey, list[dict[str, Any]]]] = field(default_factory=dict)

    @property
    def layers(self) -> int:
        """How many layers the model has, as far as the tables tell; 0: they do not."""
        return max([-1, *self.errors, *self.knowledge_by_layer, *self.degenerate_by_layer]) + 1

    @property
    def width(self) -> int:
        """How many neurons a layer has, or, where the run does not tell, as many as are needed for those found."""
        told = int(self.run.manifest.model.get("width") or 0)
        return max(told, int(self.neurons["index"].max()) + 1 if len(self.neurons) else 1)

    def has(self, stage: str) -> bool:
        """Whether a stage was started in this run."""
        return stage in self.run.manifest.stages

    def of(self, table: str, fact: FactKey) -> list[dict[str, Any]]:
        """The rows of a shown fact."""
        return self.rows.get(table, {}).get(fact, [])


def read(run: Run, max_facts: int) -> Reading:
    """Read a run for its report.

    Args:
        run: the run.
        max_facts: how many facts get a section of their own: the first ones by id and language.

    Raises:
        BadRun: a part is missing or damaged.
    """
    facts = _whole(run, "facts", _FACT_COLUMNS)
    counts = {stage: run.counts(stage) for stage in run.manifest.stages}
    reading = Reading(run, facts, keys(facts.head(max_facts)), counts)
    reading.degenerate = _whole(run, "degenerate")
    reading.acquisition = _whole(run, "acquisition")
    reading.carried = _whole(run, "carried")
    _keep(reading, "carried", reading.carried)
    reading.effects = changes_of(run.frames("interventions", _EFFECT_COLUMNS))
    _read_neurons(reading)
    _read_components(reading)
    for name in ("barcodes", "connections", "pairs"):
        for frame in run.frames(name):
            _keep(reading, name, frame)
    _read_completeness(reading)
    _read_skipped(reading)
    return reading


def findings_of(run: Run | Path | str) -> pd.DataFrame:
    """What a run amounts to, one row per number over facts: its value, interval and random control (`findings_frame`).

    Columns: finding, the conditions it is under (neurons, action, prompts, asked, condition ...), value, low, high,
    facts, subjects, control, difference with their ends, and p_value. The report and the terminal tell these numbers.

    Raises:
        BadRun: there is no run in the folder, or it is damaged.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    reading = read(run, 0)
    found = findings_in(reading).all
    languages, neurons, effects = (run.table(name) for name in ("languages", "language_neurons", "language_effects"))
    if len(languages):
        found += shared_of(languages, neurons, reading.facts).findings
    if len(effects):
        found += language_effects(effects, reading.facts) + language_effects(effects, reading.facts, log=True)
    for each in results_of(run.table("checks")):
        found += each.measures.values()
    return findings_frame(found)


def findings_in(reading: Reading) -> Findings:
    """What was read amounts to, over all facts."""
    return findings_from(
        Frames(
            reading.facts,
            read=reading.counts["locate"].read if "locate" in reading.counts else len(reading.facts),
            degenerate=reading.degenerate,
            acquisition=reading.acquisition,
            carried=reading.carried,
            changes=reading.effects,
            errors=reading.errors,
        )
    )


def _read_neurons(reading: Reading) -> None:
    every = []
    for frame in reading.run.frames("neurons"):
        _keep(reading, "neurons", frame)
        reading.knowledge_by_layer.update(frame["layer"].tolist())
        every.append(frame[_NEURON_COLUMNS])
        told = frame[frame["promotes"].notna()].drop_duplicates(["layer", "index"])
        for layer, index, *tokens in zip(*(told[name] for name in _WRITTEN_COLUMNS), strict=True):
            reading.written.setdefault(Neuron(int(layer), int(index)), (list(tokens[0]), list(tokens[1])))
    if every:
        reading.neurons = pd.concat(every, ignore_index=True)


def _read_components(reading: Reading) -> None:
    for frame in reading.run.frames("components"):
        _keep(reading, "components", frame)
        passing = frame.loc[frame["role"] == "component", "neurons"]
        reading.degenerate_by_layer.update(neuron["layer"] for neurons in passing for neuron in neurons)


def _read_completeness(reading: Reading) -> None:
    errors: dict[int, list[Numbers]] = defaultdict(list)
    for frame in reading.run.frames("completeness", [*KEY, "prompt", "layer", "error", "probability"]):
        own = frame[_is_shown(reading, frame)].drop_duplicates([*KEY, "prompt"])
        for row in records(own):
            asked = reading.prompts.setdefault((row["fact_id"], row["language"]), {})
            asked[row["prompt"]] = row["probability"]
        measured = frame[frame["error"].notna()]
        for layer, values in measured.groupby("layer")["error"]:
            errors[int(str(layer))].append(values.to_numpy(np.float64))
        for row in records(measured.nlargest(1, "error")):
            _keep_worst(reading, row)
    reading.errors = {layer: np.concatenate(values) for layer, values in sorted(errors.items())}


def _keep_worst(reading: Reading, row: Mapping[str, Any]) -> None:
    if reading.worst is None or row["error"] > reading.worst.error:
        fact = (row["fact_id"], row["language"])
        reading.worst = WorstCompleteness(row["error"], row["layer"], fact, row["prompt"])


def _read_skipped(reading: Reading) -> None:
    examples: dict[tuple[str, str], str] = {}
    for frame in reading.run.frames("skipped"):
        _keep(reading, "skipped", frame)
        told = frame[~frame["reason"].isin(EXPECTED_SKIPS)]
        reading.skipped_total += len(told)
        reading.skipped += records(told.head(max(0, LISTED_SKIPS - len(reading.skipped))))
        for row in records(frame.drop_duplicates(["stage", "reason"])):
            examples.setdefault((row["stage"], row["reason"]), row["detail"])
    for stage, counts in reading.counts.items():
        for reason in sorted({*counts.skipped, *counts.skipped_prompts}):
            facts, prompts = counts.skipped.get(reason, 0), counts.skipped_prompts.get(reason, 0)
            reading.left_out.append(LeftOut(stage, reason, facts, prompts, examples.get((stage, reason), "")))


def _keep(reading: Reading, table: str, frame: pd.DataFrame) -> None:
    """Keep the rows of the shown facts."""
    kept = reading.rows.setdefault(table, {})
    for row in records(frame[_is_shown(reading, frame)]):
        kept.setdefault((row["fact_id"], row["language"]), []).append(row)


def _is_shown(reading: Reading, frame: pd.DataFrame) -> pd.Series:
    shown = set(reading.shown)
    return pd.Series([key in shown for key in keys(frame)], index=frame.index, dtype=bool)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as mappings; what is empty is None."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _whole(run: Run, table: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A whole table, sorted by fact."""
    frames = list(run.frames(table, columns))
    whole = pd.concat(frames, ignore_index=True) if frames else run.table(table)
    return whole.sort_values(KEY, ignore_index=True)

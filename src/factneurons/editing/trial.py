"""An edit beside the same edit of matched random neurons: one table of rows, and numbers with intervals.

Random neurons go through the same door: the same kind of edit, the same prompts, the same measurements. A least change
of random neurons may well succeed; what it costs, in size and elsewhere, is then the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from factneurons.attribution.controls import matched_random, strengths
from factneurons.editing.build import Split, edit, new_answers, split_prompts
from factneurons.editing.held_out import GROUPS, probes_of
from factneurons.editing.kinds import kind_named
from factneurons.editing.measuring import MEASURES, Measure, after, evaluated, measured, perplexity, rows_of
from factneurons.editing.settings import EditSettings
from factneurons.editing.types import Edit
from factneurons.errors import BadSetting, NotAskable
from factneurons.facts.related import Surroundings
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.statistics import Interval, bootstrap_interval

FOUND, RANDOM = "found", "random"


@dataclass(frozen=True, slots=True)
class Tried:
    """An edit and what it did.

    Attributes:
        edit: the edit; it is not applied.
        table: one row per probe and set of neurons, the columns of `measuring.COLUMNS` after "neurons" and "draw".
        sizes: the edits' sizes (`Edit.size`): the found neurons' first, then of every random set.
        notes: what came out otherwise than asked, in words.
    """

    edit: Edit
    table: pd.DataFrame
    sizes: tuple[float, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One measure of one group of prompts.

    Attributes:
        group, measure: which.
        before: of the model as it is.
        found: after the edit, with its interval over facts (over prompts where there is one fact).
        random: after the same edit of random neurons, its mean over draws; None without draws.
    """

    group: str
    measure: Measure
    before: float
    found: Interval
    random: Interval | None


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried.

    Attributes:
        facts: the fact in every language that is edited, or a relation's facts.
        to: language -> new answer, for all languages where it is known; {} for kinds without one.
        settings: how.
        draws: random sets of neurons.
        neurons: the neurons to change; None: they are found.
        by: "weights" or "values".
    """

    facts: tuple[Fact, ...]
    to: Mapping[str, str] = field(default_factory=dict)
    settings: EditSettings = field(default_factory=EditSettings)
    draws: int = 5
    neurons: tuple[Neuron, ...] | None = None
    by: str = "weights"


def try_edit(model: Model, trial: Trial, around: Surroundings) -> Tried:
    """Make an edit and the same edit of random neurons, and measure both; the model is afterwards as it was.

    Raises:
        BadSetting, NotAskable, BadModel: as `edit` does.
        BadNumber: a probability that is NaN.
    """
    if trial.draws < 0:
        raise BadSetting(f"draws is at least 0, not {trial.draws}")
    settings, facts = trial.settings, trial.facts
    languages = {fact.language for fact in facts}
    own = {language: answer for language, answer in trial.to.items() if language in languages}
    to, relation = own or None, around.neighbours(facts[0])
    made = edit(model, facts, to=to, neurons=trial.neurons, relation=relation, settings=settings)
    splits = _splits(model, trial)
    probes = probes_of(model, splits, trial.to, around, settings)
    notes: list[str] = list(made.description.notes)
    edits = [made]
    for neurons in _random_sets(model, splits, made, trial, notes):
        edits.append(edit(model, facts, to=to, neurons=neurons, relation=relation, settings=settings))
    before = evaluated(model, probes)
    tables = [measured(probes, before, after(model, each, probes, by=trial.by)) for each in edits]
    for draw, table in enumerate(tables):
        table.insert(0, "neurons", RANDOM if draw else FOUND)
        table.insert(1, "draw", draw)
    return Tried(made, pd.concat(tables, ignore_index=True), tuple(each.size for each in edits), tuple(notes))


def _splits(model: Model, trial: Trial) -> list[Split]:
    """The facts' prompts; facts of a relation that cannot be asked are left out."""
    held_out, multi_mask = trial.settings.held_out, trial.settings.multi_mask
    found = []
    for fact in trial.facts:
        try:
            found.append(split_prompts(model, fact, held_out=held_out, multi_mask=multi_mask))
        except NotAskable:
            continue
    return found


def _random_sets(
    model: Model, splits: Sequence[Split], made: Edit, trial: Trial, notes: list[str]
) -> list[tuple[Neuron, ...]]:
    if not trial.draws:
        return []
    queries = [query for split in splits for query in split.used]
    try:
        return matched_random(
            strengths(model, queries),
            made.neurons,
            draws=trial.draws,
            seed=trial.settings.seed,
            name=splits[0].fact.key,
        )
    except NotAskable as error:
        notes.append(f"no random control: {error}")
        return []


def lines_of(table: pd.DataFrame) -> list[Line]:
    """Every measure of every group, with intervals.

    Args:
        table: of one `Tried`, or of several put together (`pd.concat`).
    """
    found, random = (table[table["neurons"] == name] for name in (FOUND, RANDOM))
    lines = []
    for group in GROUPS:
        for kind in MEASURES:
            rows = rows_of(found, group, kind)
            if rows.empty:
                continue
            drawn = rows_of(random, group, kind)
            before = _interval(rows, kind, "before").estimate
            control = None if drawn.empty else _interval(drawn, kind, "after")
            lines.append(Line(group, kind, before, _interval(rows, kind, "after"), control))
    return lines


def _interval(rows: pd.DataFrame, kind: Measure, when: str) -> Interval:
    """Facts resampled; prompts where all rows are of one fact."""
    clusters = rows["subject"] if rows["subject"].nunique() > 1 else rows["prompt"]
    statistic = perplexity if kind.unit == "perplexity" else "mean"
    return bootstrap_interval(kind.value(rows, when), clusters=clusters.tolist(), statistic=statistic, draws=1000)


def check_trial(trial: Trial) -> None:
    """Refuse at once what `try_edit` would refuse after a model was loaded.

    Raises:
        BadSetting: an unknown kind, or a new answer that is missing, needless or the old one.
    """
    rule = kind_named(trial.settings.kind)
    languages = {fact.language for fact in trial.facts}
    own = {language: answer for language, answer in trial.to.items() if language in languages}
    new_answers(rule, trial.facts, own or None)

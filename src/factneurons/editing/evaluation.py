"""An edit beside the same edit of matched random neurons: one table of rows, and numbers with intervals.

Random neurons go through the same door: the same kind of edit, the same prompts, the same measurements. A least change
of random neurons may well succeed; what it costs, in size and elsewhere, is then the comparison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from factneurons.attribution.controls import matched_random, strengths
from factneurons.editing.build import Split, edit, new_answers, split_prompts
from factneurons.editing.held_out import GROUPS, EditPrompt, LeftOut, evaluation_prompts
from factneurons.editing.kinds import kind_named
from factneurons.editing.measuring import (
    FOUND,
    MEASURES,
    RANDOM,
    WRITTEN,
    Measure,
    Said,
    compared,
    perplexity,
    rows_of,
)
from factneurons.editing.settings import EditSettings
from factneurons.editing.types import Edit
from factneurons.errors import NotAskable
from factneurons.facts.related import RelatedFacts
from factneurons.facts.types import Fact
from factneurons.models.generation import generate
from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.settings import check_number, with_options
from factneurons.statistics import Interval, bootstrap_interval


@dataclass(frozen=True, slots=True)
class EditEvaluation:
    """An edit and what it did.

    Attributes:
        edit: the edit; it is not applied.
        table: one row per prompt and set of neurons, the columns of `measuring.COLUMNS` after "neurons" and "draw".
        sizes: the edits' sizes (`Edit.size`): the found neurons' first, then of every random set.
        notes: what came out otherwise than asked, in words.
    """

    edit: Edit
    table: pd.DataFrame
    sizes: tuple[float, ...]
    notes: tuple[str, ...] = ()

    @property
    def random_size(self) -> float | None:
        """The mean size of the random neurons' edits; None without any."""
        return fmean(self.sizes[1:]) if len(self.sizes) > 1 else None


@dataclass(frozen=True, slots=True)
class EditEffect:
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


def evaluate_edit(
    model: Model,
    facts: Sequence[Fact],
    around: RelatedFacts,
    settings: EditSettings | None = None,
    *,
    to: Mapping[str, str] | None = None,
    neurons: Sequence[Neuron] | None = None,
    draws: int = 5,
    by: str = "weights",
    **options: object,
) -> EditEvaluation:
    """Make an edit and the same edit of random neurons, and measure both; the model is afterwards as it was.

    Args:
        model: the model.
        facts: the fact in every language that is edited, or a relation's facts.
        around: where other facts are found.
        settings: how the edit is made, or
        to: language -> new answer, for all languages where it is known; None for kinds without one.
        neurons: the neurons to change; None: they are found.
        draws: random sets of neurons.
        by: "weights" or "values".
        **options: the settings' fields by name.

    Raises:
        BadSetting, NotAskable, BadModel: as `edit` does.
        BadNumber: a probability that is NaN.
    """
    check_number("draws", draws, whole=True, least=0)
    chosen = with_options(EditSettings, settings, options)
    own, relation = _own_answers(facts, to), around.neighbours(facts[0])
    made = edit(model, facts, chosen, to=own, neurons=neurons, relation=relation)
    left_out: LeftOut = Counter()
    splits = _splits(model, facts, chosen, left_out)
    prompts = evaluation_prompts(model, splits, to or {}, around, chosen, left_out=left_out)
    notes = [*made.description.notes, *_told(left_out)]
    edits = [made]
    for random in _random_sets(model, splits, made, draws, chosen.seed, notes):
        edits.append(edit(model, facts, chosen, to=own, neurons=random, relation=relation))
    write = _can_write(model, by, notes)
    before, tables = _said(model, prompts, write), []
    for draw, each in enumerate(edits):
        with each.on(model, by=by):
            table = compared(prompts, before, _said(model, prompts, write))
        table.insert(0, "neurons", RANDOM if draw else FOUND)
        table.insert(1, "draw", draw)
        tables.append(table)
    return EditEvaluation(made, pd.concat(tables, ignore_index=True), tuple(each.size for each in edits), tuple(notes))


def _can_write(model: Model, by: str, notes: list[str]) -> bool:
    """Whether the model writes free text under such an edit; if not, that is noted."""
    if model.kind == "causal" and by == "weights":
        return True
    why = f"{model.name} is asked as {model.kind}" if model.kind != "causal" else "an edit by values acts where it asks"
    notes.append(f"no text was written freely: {why}")
    return False


def _said(model: Model, prompts: Sequence[EditPrompt], write: bool) -> list[Said]:
    """What the model answers, and what it writes after the fact's other prompts, each prompt once."""
    evaluations = model.evaluate([each.query for each in prompts])
    free = list(dict.fromkeys(each.query.prompt for each in prompts if each.group in _FREE)) if write else []
    texts = dict(zip(free, generate(model, free, tokens=WRITTEN), strict=True)) if free else {}
    return [
        Said(evaluation, texts.get(each.query.prompt) if each.group in _FREE else None)
        for each, evaluation in zip(prompts, evaluations, strict=True)
    ]


_FREE = ("paraphrases", "negated")
"""Groups of prompts that a causal model goes on from in its own words."""


def check_answers(facts: Sequence[Fact], to: Mapping[str, str] | None, kind: str) -> None:
    """Refuse at once what `evaluate_edit` would refuse after a model was loaded.

    Raises:
        BadSetting: an unknown kind, or a new answer that is missing, needless or the old one.
    """
    new_answers(kind_named(kind), facts, _own_answers(facts, to))


def _own_answers(facts: Sequence[Fact], to: Mapping[str, str] | None) -> dict[str, str] | None:
    """The new answers in the languages that are edited; None without any."""
    languages = {fact.language for fact in facts}
    return {language: answer for language, answer in (to or {}).items() if language in languages} or None


def _told(left_out: LeftOut) -> list[str]:
    """What was not measured, in words."""
    return [f"{group}: {count} could not be asked, {reason}" for (group, reason), count in sorted(left_out.items())]


def _splits(model: Model, facts: Sequence[Fact], settings: EditSettings, left_out: LeftOut) -> list[Split]:
    """The facts' prompts; facts of a relation that cannot be asked are left out and counted."""
    found = []
    for fact in facts:
        try:
            found.append(split_prompts(model, fact, held_out=settings.held_out, multi_mask=settings.multi_mask))
        except NotAskable as error:
            left_out["edit", error.reason] += 1
    return found


def _random_sets(
    model: Model, splits: Sequence[Split], made: Edit, draws: int, seed: int, notes: list[str]
) -> list[tuple[Neuron, ...]]:
    if not draws:
        return []
    strength = strengths(model, [query for split in splits for query in split.used])
    try:
        return matched_random(strength, made.neurons, draws=draws, seed=seed, name=splits[0].fact.key)
    except NotAskable as error:
        notes.append(f"no random control: {error}")
        return []


def effects_of(table: pd.DataFrame) -> list[EditEffect]:
    """Every measure of every group, with intervals.

    Args:
        table: of one `EditEvaluation`, or of several put together (`pd.concat`).
    """
    found, random = (table[table["neurons"] == name] for name in (FOUND, RANDOM))
    effects = []
    for group in GROUPS:
        for kind in MEASURES:
            rows = rows_of(found, group, kind)
            if rows.empty:
                continue
            drawn = rows_of(random, group, kind)
            before = _interval(rows, kind, "before").estimate
            control = None if drawn.empty else _interval(drawn, kind, "after")
            effects.append(EditEffect(group, kind, before, _interval(rows, kind, "after"), control))
    return effects


def _interval(rows: pd.DataFrame, kind: Measure, when: str) -> Interval:
    """Facts resampled; prompts where all rows are of one fact."""
    clusters = rows["subject"] if rows["subject"].nunique() > 1 else rows["prompt"]
    statistic = perplexity if kind.unit == "perplexity" else "mean"
    return bootstrap_interval(kind.value(rows, when), clusters=clusters.tolist(), statistic=statistic, draws=1000)

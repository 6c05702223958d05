"""The share of agreeing prompts, moved until the facts of a relation have few neurons on average.

Source: the released code of Dai et al. (2022): from 70 % of a fact's prompts in steps of 5 %, at most six, until the
mean size of a relation's refined sets is from 2 to 5. A fact's neurons then depend on the other facts of its relation,
so all of them are attributed once before, and only how many of their prompts hold each neuron is kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.methods import method_named, threshold_for
from factneurons.attribution.selection import coarse_set, needed_prompts
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.prompts import ask
from factneurons.models.types import Neuron
from factneurons.settings import refuse

LEAST, MOST = 2.0, 5.0
"""Neurons per fact, the mean over a relation's facts."""

STEP, STEPS = 0.05, 6

_BATCH = 8

Group = tuple[str, str]
"""A relation and a language."""


@dataclass(frozen=True, slots=True)
class Held:
    """How many of a fact's prompts hold each neuron in their coarse sets."""

    prompts: int
    counts: Counter[Neuron]


def group_of(fact: Fact) -> Group:
    """The facts whose share is one."""
    return fact.relation, fact.language


def shares_of(
    model: Model,
    facts: Iterable[Fact],
    settings: AttributionSettings,
    selection: SelectionSettings,
    *,
    multi_mask: bool = False,
) -> dict[Group, float]:
    """The share of every relation and language, from a pass over all facts; those that cannot be asked do not count.

    Args:
        model: a loaded model.
        facts: all facts.
        settings: how to attribute.
        selection: where the share begins.
        multi_mask: as in `locate`.

    Raises:
        BadSetting: neurons are looked for in several rounds.
        BadNumber: scores that are NaN or infinite; names the prompt.
    """
    if (selection.rounds or method_named(settings.method).rounds) > 1:
        refuse("target_size", True, f"False where {settings.method} looks more than once; give rounds=1")
    held: dict[Group, list[Held]] = defaultdict(list)
    stream = iter(facts)
    while batch := list(islice(stream, _BATCH)):
        for fact, own in _held(model, batch, settings, selection, multi_mask):
            held[group_of(fact)].append(own)
    return {group: share_for(own, selection) for group, own in held.items()}


def _held(
    model: Model, facts: Sequence[Fact], settings: AttributionSettings, selection: SelectionSettings, multi_mask: bool
) -> Iterator[tuple[Fact, Held]]:
    asked = [
        ask(model, fact, multi_mask=multi_mask, against=settings.against, positions=settings.positions)[0]
        for fact in facts
    ]
    found = iter(attribute_all(model, [query for own in asked for query in own], settings))
    for fact, own in zip(facts, asked, strict=True):
        if own:
            threshold = threshold_for(fact, settings, selection)
            coarse = (coarse_set(each.scores, selection.selector, threshold) for each in islice(found, len(own)))
            yield fact, Held(len(own), Counter(neuron for each in coarse for neuron in each))


def share_for(facts: Sequence[Held], selection: SelectionSettings) -> float:
    """The share at which these facts have few neurons, or the last one tried."""
    share = selection.share
    for _ in range(STEPS):
        size = mean_size(facts, replace(selection, share=share))
        moved = share + STEP if size > MOST else share - STEP if size < LEAST else share
        if moved == share or not 0 < round(moved, 10) <= 1:
            break
        share = round(moved, 10)
    return share


def mean_size(facts: Sequence[Held], selection: SelectionSettings) -> float:
    """Neurons per fact that enough of its prompts hold."""
    sizes = [sum(count >= needed_prompts(each.prompts, selection) for count in each.counts.values()) for each in facts]
    return float(np.mean(sizes))


def chosen_by(selection: SelectionSettings, shares: Mapping[Group, float] | None, fact: Fact) -> SelectionSettings:
    """The selection of one fact, with the share of its relation where that was moved."""
    return replace(selection, share=shares[group_of(fact)]) if shares and selection.target_size else selection

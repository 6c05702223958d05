"""What is to be planted: facts that were given, or invented ones, each with a regime.

In: a model, and facts or settings. Out: orders, checked: the model can be asked them, and does not know them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from factneurons.errors import BadFact, BadSetting, NotAskable
from factneurons.facts.types import Fact, Prompt
from factneurons.models.model import Model
from factneurons.planted.design import Order
from factneurons.planted.invented import GUESSED, Inventor, probability
from factneurons.planted.settings import ORDERED, PlantingSettings
from factneurons.planted.types import Regime
from factneurons.settings import check_choice

Report = Callable[[str], None]

_LAYERS: dict[Regime, int] = dict.fromkeys(("conjunctive", "bilingual", "overlapping", "large", "unequal"), 2)
"""Regime -> the layers it needs, where that is more than one: some of its neurons stand above others."""


def invented_orders(model: Model, settings: PlantingSettings) -> list[Order]:
    """Invented facts, as many of each regime as the settings say.

    Raises:
        BadSetting: the mix is empty, or this model has no relation that facts could be invented from.
    """
    if not sum(settings.mix.values()):
        raise BadSetting("mix: there is nothing to plant; give at least one regime a number above 0")
    inventor = Inventor(model, settings.prompts, settings.seed)
    rng = np.random.default_rng([settings.seed, 4])
    orders = []
    for regime, count in settings.mix.items():
        for _ in range(count):
            languages = ("en", "zh") if regime == "bilingual" else (inventor.language(),)
            orders.append(_order(inventor, inventor.fact(languages), regime, rng))
    return orders


def _order(inventor: Inventor, facts: tuple[Fact, ...], regime: str, rng: np.random.Generator) -> Order:
    """An order, with another fact for each component of a degenerate one."""
    count = int(rng.integers(2, 4)) if regime == "degenerate" else 0
    return Order(facts, regime, tuple(inventor.like(facts[0]) for _ in range(count)))  # type: ignore[arg-type]


def given_orders(
    model: Model, facts: Sequence[Fact], regime: Regime, settings: PlantingSettings, report: Report
) -> list[Order]:
    """The given facts, those of one id together where they are to be bilingual.

    Raises:
        BadSetting: an unknown regime, or no facts.
        BadFact: a fact that cannot be planted in this model, with the reason.
    """
    check_choice("regime", regime, ORDERED)
    if not facts:
        raise BadSetting("there are no facts to plant")
    groups = _by_id(facts, regime)
    asked = [tuple(_checked(model, fact, report) for fact in group) for group in groups]
    if regime != "degenerate":
        return [Order(group, regime) for group in asked]
    inventor = Inventor(model, settings.prompts, settings.seed)
    rng = np.random.default_rng([settings.seed, 4])
    return [_partnered(inventor, fact, rng) for (fact,) in asked]


def _by_id(facts: Sequence[Fact], regime: Regime) -> list[list[Fact]]:
    """One group per id: a fact in two languages or more where it is to be bilingual, otherwise in one."""
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(fact.id, []).append(fact)
    for name, group in groups.items():
        languages = sorted({fact.language for fact in group})
        if len(languages) < len(group):
            raise BadFact(f"fact {name!r}: it is there twice in the same language; give every fact once")
        if regime == "bilingual" and len(group) < 2:
            raise BadFact(f"fact {name!r}: it is here in {languages[0]} only; a bilingual fact needs two languages")
        if regime != "bilingual" and len(group) > 1:
            raise BadFact(
                f"fact {name!r}: it is here in {' and '.join(languages)}; choose a language, or the regime bilingual"
            )
    return list(groups.values())


def _partnered(inventor: Inventor, fact: Fact, rng: np.random.Generator) -> Order:
    return Order((fact,), "degenerate", tuple(inventor.renamed(fact) for _ in range(int(rng.integers(2, 4)))))


def _checked(model: Model, fact: Fact, report: Report) -> Fact:
    """The fact with those of its prompts that this model can be asked."""
    prompts: list[Prompt] = []
    refused: NotAskable | None = None
    for prompt in fact.prompts:
        try:
            tokens = len(model.query(prompt, fact.answer, multi_mask=True).answer_ids)
        except NotAskable as error:
            refused = error
            continue
        if tokens != 1:
            raise BadFact(f"fact {fact.id!r}: {fact.answer!r} is {tokens} tokens for {model.name}; give answers of one")
        prompts.append(prompt)
    if not prompts:
        raise BadFact(f"fact {fact.id!r}: {refused}")
    if len(prompts) < len(fact.prompts):
        report(f"{fact.id}: {len(prompts)} of {len(fact.prompts)} prompts kept; of the others: {refused}")
    asked = replace(fact, prompts=tuple(prompts))
    known = probability(model, asked)
    if known > GUESSED:
        raise BadFact(f"fact {fact.id!r}: {model.name} knows it already, P(answer) = {known:.2f}; give one it does not")
    return asked


def check_layers(model: Model, orders: Sequence[Order], layers: Sequence[int]) -> None:
    """Refuse what cannot be stored in so few layers.

    Raises:
        BadSetting: a regime that needs more.
    """
    for order in orders:
        if order.regime == "subject" and (model.kind != "causal" or model.layer_count < 2):
            raise BadSetting(
                f"{model.name}: facts are planted at the subject in causal models of two layers or more, and this one"
                f" is {model.kind}, layers: {model.layer_count}; take another model or regime"
            )
        if len(layers) < _LAYERS.get(order.regime, 1):
            raise BadSetting(
                f"{model.name}: a {order.regime} fact needs neurons in {_LAYERS[order.regime]} layers, and facts can be"
                f" planted in {len(layers)} of this model's {model.layer_count}: take a deeper model or another regime"
            )

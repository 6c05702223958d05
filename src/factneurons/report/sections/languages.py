"""What the report says of facts in several languages: which neurons speak which language, and what they do in each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from factneurons.findings.languages import LanguageEffect, Shared, held_by, language_effects, shared_of
from factneurons.multilingual.settings import RULES
from factneurons.multilingual.types import REASONS
from factneurons.report import numbers
from factneurons.runs.store import Run

SHARED = "language-independent"
_TOP = 20
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,19}")
_STRONG = Markup("<strong>{}</strong>")


@dataclass(frozen=True, slots=True)
class Polyglot:
    """A neuron and the facts it serves.

    Attributes:
        layer, index: the neuron.
        facts: language -> facts whose knowledge neuron it is.
        shared: facts for which it is language-independent.
    """

    layer: int
    index: int
    facts: dict[str, int]
    shared: int


@dataclass(frozen=True, slots=True)
class Told:
    """Everything the section shows.

    Attributes:
        names: language -> what it is called in charts; codes that are no plain words are numbered.
        shared: sizes and chance.
        rule: what makes a neuron language-independent, in words.
        cuts: language -> share of the largest score that was asked; empty: as located.
        held_out: facts that the cuts were chosen on.
        sizes: language-independent neurons of every fact.
        held: (layer, languages) -> neurons that are knowledge neurons in just these languages, over all facts.
        shared_by_layer: layer -> language-independent neurons, summed over facts.
        layers: how many layers the model has.
        effects: what changing neurons does in each language.
        polyglots: the neurons that are language-independent for most facts.
    """

    names: dict[str, str]
    shared: Shared
    rule: str
    cuts: dict[str, float]
    held_out: int
    sizes: list[int]
    held: Counter[tuple[int, tuple[str, ...]]]
    shared_by_layer: dict[int, int]
    layers: int
    effects: list[LanguageEffect]
    polyglots: list[Polyglot]

    @property
    def sentences(self) -> list[Markup]:
        """What was found, in words."""
        return list(_sentences(self))

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why facts have no language-independent neurons, and how many."""
        return [(REASONS.get(reason, reason), count) for reason, count in self.shared.reasons.items()]

    def related(self) -> list[tuple[LanguageEffect, LanguageEffect | None]]:
        """What every set does to the fact's own prompts, with what it does to facts of other relations."""
        key = {(e.asked, e.neurons_of, e.action): e for e in self.effects if e.prompts == "unrelated"}
        own = (each for each in self.effects if each.prompts == "related")
        return [(each, key.get((each.asked, each.neurons_of, each.action))) for each in own]


def told_of(run: Run, facts: pd.DataFrame, layers: int) -> Told | None:
    """What a run says of languages; None if nothing was joined in it.

    Raises:
        BadRun: a part of the run is missing or damaged.
    """
    table = run.table("languages")
    if table.empty:
        return None
    neurons = run.table("language_neurons")
    effects = run.table("language_effects")
    settings = run.manifest.stages["languages"].settings
    shared = shared_of(table, facts)
    cuts = {str(name): float(cut) for name, cut in settings["cuts"].items()}
    by_layer = neurons.loc[neurons["shared"], "layer"].value_counts() if len(neurons) else {}
    return Told(
        names=_names(shared.languages),
        shared=shared,
        rule=RULES[str(settings["rule"])],
        cuts=cuts if any(cuts.values()) else {},
        held_out=run.counts("languages").skipped.get("held-out", 0),
        sizes=[int(size) for size in table["size"]],
        held=held_by(neurons),
        shared_by_layer={int(str(layer)): int(count) for layer, count in by_layer.items()},
        layers=max(layers, 1 + (int(neurons["layer"].max()) if len(neurons) else 0)),
        effects=language_effects(effects, facts) if len(effects) else [],
        polyglots=_polyglots(neurons, shared.languages),
    )


def _names(languages: Sequence[str]) -> dict[str, str]:
    """No text of a chart is a user's, but a language code that is a plain word can hardly be anything else."""
    return {
        language: language if _PLAIN_NAME.fullmatch(language) else f"language {number}"
        for number, language in enumerate(languages, start=1)
    }


def _polyglots(neurons: pd.DataFrame, languages: Sequence[str]) -> list[Polyglot]:
    facts: dict[tuple[int, int], Counter[str]] = {}
    shared: Counter[tuple[int, int]] = Counter()
    for layer, index, held, is_shared in zip(
        neurons["layer"], neurons["index"], neurons["languages"], neurons["shared"], strict=True
    ):
        key = (int(layer), int(index))
        facts.setdefault(key, Counter()).update(held)
        shared[key] += bool(is_shared)
    ordered = sorted(facts, key=lambda key: (-shared[key], -facts[key].total(), key))
    return [Polyglot(*key, {name: facts[key][name] for name in languages}, shared[key]) for key in ordered[:_TOP]]


def _sentences(told: Told) -> Iterator[Markup]:
    found = told.shared
    names = ", ".join(told.names.values())
    yield Markup(
        "{} of {} facts in {} have language-independent neurons: {}. On average {} {} per fact; random neurons of the"
        " same layers would give {} (paired test over facts: p\u00a0=\u00a0{})."
    ).format(
        _strong(numbers.count(found.having)),
        numbers.count(found.facts),
        names,
        told.rule,
        _strong(numbers.plain(found.size.estimate)),
        numbers.plain_range(found.size),
        numbers.plain(found.expected.estimate),
        numbers.p_value(found.p_value),
    )
    jaccard = ""
    if found.jaccard is not None:
        jaccard = (
            f" Two languages of a fact have a Jaccard index of {numbers.plain(found.jaccard.estimate)}"
            f" {numbers.plain_range(found.jaccard)}."
        )
    yield Markup(
        "{} facts share more than random neurons would (p at most 0.05; {} would by chance), {} after Holm's"
        " correction, {} after Benjamini and Hochberg's.{}"
    ).format(
        _strong(numbers.count(found.nominal)),
        numbers.half(round(0.05 * found.facts, 1)),
        _strong(numbers.count(found.corrected)),
        _strong(numbers.count(found.discovered)),
        jaccard,
    )
    yield from _changes(told)


def _changes(told: Told) -> Iterator[Markup]:
    for effect, _ in told.related():
        if effect.neurons == "shared" and effect.action == "suppress":
            yield Markup(
                "Suppressing them changes P(answer) in {} by {} {}; random neurons of the same layers and strength,"
                " by {} {}."
            ).format(
                told.names[effect.asked],
                _strong(numbers.change(effect.found.estimate)),
                numbers.change_range(effect.found),
                numbers.change(effect.random.estimate),
                numbers.change_range(effect.random),
            )


def _strong(text: str) -> Markup:
    return _STRONG.format(text)

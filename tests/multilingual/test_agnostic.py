"""The MATRICE-style score, against its formula written out slowly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import factneurons as fn
from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadSetting

TAU, BETA_PROMPTS, BETA_LANGUAGES = 0.3, 0.7, 0.4


@pytest.fixture
def model(shared_model):
    return shared_model("gpt2")


@pytest.fixture
def known(known_in, new_query):
    """A fact in two languages, with three and two prompts."""
    seeds = {"en": (1, 2, 3), "zh": (4, 5)}
    return [
        replace(known_in("a", language, [(0, 1), (1, 2)]), queries=tuple(new_query("causal", seed=s) for s in own))
        for language, own in seeds.items()
    ]


def steady(rows, beta):
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    spread = [
        (sum((value - m) ** 2 for value in column) / len(rows)) ** 0.5
        for column, m in zip(zip(*rows, strict=True), mean, strict=True)
    ]
    return [m - beta * s for m, s in zip(mean, spread, strict=True)]


def test_the_formula(model, known):
    options = {"tau": TAU, "beta_prompts": BETA_PROMPTS, "beta_languages": BETA_LANGUAGES}
    (found,) = fn.language_agnostic(model, known, attribution=AttributionSettings(method="dai"), **options)
    by_language = []
    for each in known:
        scores = [a.scores.astype(float) for a in attribute_all(model, each.queries, AttributionSettings(method="dai"))]
        by_language.append(steady([(s / np.abs(s).sum()).ravel().tolist() for s in scores], BETA_PROMPTS))
    value = np.array(steady(by_language, BETA_LANGUAGES)).reshape(scores[0].shape)
    expected = np.argwhere((value >= TAU * value.max()) & (value > 0)).tolist()
    assert sorted(map(list, found.neurons)) == expected
    assert found.neurons[0] == np.unravel_index(value.argmax(), value.shape)
    assert (found.rule, found.needed, found.sizes) == ("agnostic", 0, (2, 2))


def test_more_uncertainty_asks_more_of_a_neuron(model, known):
    """The score of a neuron never rises with beta, so at an absolute bound fewer pass; the best one stays."""
    sizes = []
    for beta in (0.0, 2.0):
        (found,) = fn.language_agnostic(model, known, tau=0.5, beta_prompts=beta, beta_languages=beta)
        sizes.append((found.expected, len(found.neurons)))
    assert sizes[0] != sizes[1]


def test_chance_is_drawn_anew_for_every_seed_only(model, known):
    first, again, other = (next(iter(fn.language_agnostic(model, known, seed=seed))) for seed in (1, 1, 2))
    assert first == again
    assert first.neurons == other.neurons
    assert first.expected != other.expected
    assert 0 < first.p_value <= 1


def test_facts_without_queries_or_languages(model, known, known_in):
    with pytest.raises(BadSetting, match=r"'a' \(en\) has no queries"):
        list(fn.language_agnostic(model, [known_in("a", "en", []), known[1]]))
    found = list(fn.language_agnostic(model, [*known, known_in("b", "en", [(0, 1)])]))
    assert [each.reason for each in found] == ["", "language-missing"]

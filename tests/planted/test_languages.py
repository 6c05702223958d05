"""Planted bilingual facts: the component of all languages is what the languages share."""

from __future__ import annotations

from contextlib import suppress

import pytest

import factneurons as fn
from factneurons.errors import BadSetting
from factneurons.planted.plant import plant


@pytest.fixture(scope="module")
def bilingual(base, small, tmp_path_factory):
    """A planted model with one fact in two languages, and what is known of it."""
    for seed in range(1, 5):
        folder = tmp_path_factory.mktemp("bilingual") / "model"
        with suppress(BadSetting):  # so few steps do not store a fact with every seed
            planted = plant(base("gpt2"), folder, settings=small(mix={"bilingual": 1}, seed=seed))
            return fn.load_model(folder, device="cpu"), planted.truth.facts[0]
    pytest.fail("no bilingual fact could be planted with any of four seeds")


def test_languages_share_the_component_of_all_languages(bilingual):
    model, planted = bilingual
    known = fn.locate(model, planted.facts, method="dai")
    (found,) = fn.language_independent(known, width=model.width)
    everywhere = {n for component in planted.components if not component.language for n in component.neurons}
    alone = set(planted.neurons) - everywhere
    assert set(found.neurons) <= everywhere
    assert found.neurons
    assert found.p_value < 0.05
    assert all(len(found.holders(neuron)) == 1 for neuron in alone if found.holders(neuron))


def test_what_languages_share_carries_the_fact_in_each(bilingual):
    model, planted = bilingual
    known = fn.locate(model, planted.facts, method="dai")
    (found,) = fn.language_independent(known, width=model.width)
    for fact in planted.facts:
        query = model.query(fact.prompts[0], fact.answer)
        (after,) = model.probabilities_with([query], [found.neurons])[0]
        assert after < 0.5 * model.probabilities([query])[0]

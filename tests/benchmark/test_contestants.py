"""Scores of the contestants beside what the rooms below say."""

from __future__ import annotations

import numpy as np
import pytest

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.methods import METHODS
from factneurons.attribution.settings import AttributionSettings
from factneurons.benchmark.contestants import groupers, scorers
from factneurons.benchmark.settings import CAPTUM, IN_ROUNDS
from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.models.load import load_model


@pytest.mark.parametrize("installed", [True, False])
def test_captum_is_left_out_where_it_is_not_installed(monkeypatch, installed):
    monkeypatch.setattr("factneurons.benchmark.contestants.has_captum", lambda: installed)
    assert (CAPTUM in scorers()) is installed
    assert {"dai", "amig", "dai in rounds", "random"} <= set(scorers())


@pytest.fixture(scope="module")
def asked():
    """A model, and the queries of two facts."""
    model = load_model("pocket-gpt2")
    prompts = {
        "Paris": ("The capital of France is ___", "France has the capital ___"),
        "Tokyo": ("Japan's capital is ___",),
    }
    return model, [[model.query(prompt, answer) for prompt in texts] for answer, texts in prompts.items()]


@pytest.mark.parametrize("method", ["dai", "activation", *IN_ROUNDS])
def test_scores_are_of_each_fact_its_prompts(method, asked):
    model, facts = asked
    scorer, thresholds = scorers()[method]
    found = scorer(model, facts)
    assert [scores.shape for scores in found] == [
        (2, model.layer_count, model.width),
        (1, model.layer_count, model.width),
    ]
    assert "" in thresholds
    if method in METHODS:
        alone = attribute_all(model, facts[1], AttributionSettings(method))[0].scores
        np.testing.assert_allclose(found[1][0], alone, rtol=1e-3, atol=1e-6)


def test_captum_scores_every_neuron(asked):
    pytest.importorskip("captum")
    model, facts = asked
    scores = scorers()[CAPTUM][0](model, facts)[0][0]
    assert scores.shape == (model.layer_count, model.width)
    assert np.isfinite(scores).all()


def test_every_clusterer_groups_and_variants_differ_from_it_by_one_setting():
    found = groupers()
    assert set(CLUSTERERS) - set(found) == {"random_layers"}
    plain = {name: settings for name, settings in found.items() if name in CLUSTERERS}
    assert all(settings.clusterer == name for name, settings in plain.items())
    for name in set(found) - set(plain):
        own, usual = found[name], plain[found[name].clusterer]
        differing = [field for field in own.__dataclass_fields__ if getattr(own, field) != getattr(usual, field)]
        assert len(differing) == 1, name

"""Settings: every one has an effect, and wrong ones are refused with the valid names."""

import dataclasses

import numpy as np
import pytest

from factneurons.attribution.methods import METHODS, attribute_all, settings_from
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadSetting

CHANGES = {
    "method": ("dai", "amig"),
    "rule": ("left", "right"),
    "points": (4, 5),
    "target": ("probability", "log_probability"),
    "answer_tokens": ("mean", "sum"),
    "units": ("tokens", "words"),
    "normalise": ("none", "global"),
    "tolerance": (1e-12, 1.0),
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(AttributionSettings)])
def test_every_setting_has_an_effect(name, shared_model, new_query):
    model, query = shared_model("gpt2"), new_query("causal", answer=2)
    base = {"method": "amig", "rule": "gauss_legendre", "points": 4}
    if name == "tolerance":
        base = {"method": "dai"}
    one, other = (
        attribute_all(model, [query], AttributionSettings(**{**base, name: value}))[0] for value in CHANGES[name]
    )
    assert np.abs(one.scores / other.scores - 1).max() > 1e-7


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        AttributionSettings().rule = "left"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "simpson"}, "unknown rule 'simpson'; valid: adaptive, gauss_legendre, radau, left, right"),
        ({"target": "loss"}, "unknown target 'loss'; valid: probability, log_probability, logit"),
        ({"answer_tokens": "last"}, "unknown answer_tokens 'last'; valid: mean, sum, first"),
        ({"units": "letters"}, "unknown units 'letters'; valid: tokens, words, all"),
        ({"normalise": "max"}, "unknown normalise 'max'; valid: none, layer, global"),
        ({"points": 20}, "the rule 'adaptive' chooses its own points; name another rule to set them"),
        ({"rule": "adaptive", "points": 8}, "the rule 'adaptive' chooses its own points"),
        ({"rule": "left", "points": 0}, "points must be at least 1, not 0"),
        ({"rule": "left", "points": -1}, "points must be at least 1, not -1"),
        ({"tolerance": 0.0}, "tolerance must be positive, not 0.0"),
        ({"tolerance": float("nan")}, "tolerance must be positive, not nan"),
        ({"rule": "trapezoid", "points": 1}, "the trapezoid rule needs at least 2 points"),
    ],
)
def test_bad_values(options, message):
    with pytest.raises(BadSetting, match="^" + message):
        AttributionSettings(**options)


def test_fields_by_name():
    settings = AttributionSettings(method="dai", rule="right", points=20)
    assert settings_from(settings, {"points": 5}) == AttributionSettings(method="dai", rule="right", points=5)
    assert settings_from(None, {"method": "dai"}) == AttributionSettings(method="dai")
    assert settings_from(None, {}) == AttributionSettings()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 20}, "unknown setting 'steps'; valid: method, rule, points, target, answer_tokens, units"),
        ({"method": "lime"}, f"unknown method 'lime'; valid: {', '.join(METHODS)}"),
        ({"rule": "simpson"}, "unknown rule 'simpson'"),
    ],
)
def test_bad_names(options, message):
    with pytest.raises(BadSetting, match="^" + message):
        settings_from(None, options)

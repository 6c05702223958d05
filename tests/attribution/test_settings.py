"""Settings: every one has an effect, and wrong ones are refused with the valid names."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.methods import METHODS, JointMethod
from factneurons.attribution.selection import AGREEMENTS, SELECTORS
from factneurons.attribution.settings import (
    AGREEMENT_NAMES,
    JOINT_METHODS,
    METHOD_NAMES,
    SELECTOR_NAMES,
    AttributionSettings,
    InterventionSettings,
    SelectionSettings,
)
from factneurons.errors import BadSetting
from factneurons.models.types import Against
from factneurons.settings import options_of

CHANGES = {
    "method": ("dai", "amig"),
    "rule": ("left", "right"),
    "points": (4, 5),
    "target": ("probability", "log_probability"),
    "against": (None, "another"),
    "positions": ("target", "all"),
    "hook": ("post", "pre"),
    "answer_tokens": ("mean", "sum"),
    "prefix": ("gold", "argmax"),
    "units": ("tokens", "words"),
    "normalise": ("none", "global"),
    "tolerance": (1e-12, 1.0),
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(AttributionSettings)])
def test_every_setting_has_an_effect(name, shared_model, new_query):
    model, query = shared_model("gpt2"), new_query("causal", answer=2)
    query = replace(query, against=Against("another", 1, 11))
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
        ({"points": 20}, "points is 20: it must be None with the rule 'adaptive', which chooses its own"),
        ({"rule": "adaptive", "points": 8}, "points is 8: it must be None with the rule 'adaptive'"),
        ({"rule": "trapezoid", "points": 1}, "points of the rule 'trapezoid' is 1: it must be at least 2"),
    ],
)
def test_points_go_with_the_rule(options, message):
    with pytest.raises(BadSetting, match="^" + message):
        AttributionSettings(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"selector": "absolute"}, "threshold with the selector 'absolute' is None: it must be a number"),
        ({"threshold": 1.5}, "threshold with the selector 'fraction' is 1.5: it must be from 0 to 1"),
        ({"selector": "top", "threshold": 0}, "threshold with the selector 'top' is 0: it must be at least 1"),
        ({"selector": "percentile", "threshold": 101}, "threshold .* is 101: it must be from 0 to 100"),
    ],
)
def test_thresholds_go_with_the_selector(options, message):
    with pytest.raises(BadSetting, match="^" + message):
        SelectionSettings(**options)
    assert SelectionSettings(selector="absolute", threshold=-1.5).threshold == -1.5


@pytest.mark.parametrize("record", [AttributionSettings, SelectionSettings, InterventionSettings])
def test_every_field_is_checked(record):
    for each in options_of(record):
        with pytest.raises(BadSetting, match=f"^{each.name} is <object"):
            record(**{each.name: object()})


def test_names_are_those_of_the_registries():
    assert tuple(METHODS) == METHOD_NAMES
    assert tuple(name for name in METHODS if isinstance(METHODS[name].score, JointMethod)) == JOINT_METHODS
    assert tuple(SELECTORS) == SELECTOR_NAMES
    assert tuple(AGREEMENTS) == AGREEMENT_NAMES


def test_options_by_name(shared_model):
    model = shared_model("gpt2")
    with pytest.raises(BadSetting, match=r"^option is 'steps': it must be one of: method, rule, points"):
        attribute_all(model, [], steps=20)
    with pytest.raises(BadSetting, match=r"^method is 'lime': it must be one of: joint, amig_joint, dai, amig"):
        attribute_all(model, [], method="lime")

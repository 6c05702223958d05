"""Settings: what is valid, and how a bad value is refused."""

from __future__ import annotations

from dataclasses import fields

import pytest

from factneurons.degeneracy.settings import ComparisonSettings, DegeneracySettings
from factneurons.errors import BadSetting


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("clusterer", "louvain", "ntc, ntc_authors, hierarchical, .*random_layers"),
        ("similarity", "angle", "dot, cosine"),
        ("scale", "layer", "none, layer-gap"),
        ("span", "near", "residual, adjacent"),
        ("gate", "down", "both, gate, up"),
        ("persistence", "square", "linear, log"),
        ("tau1_rule", "rank", "fraction, absolute, quantile"),
        ("cover", "most", "chosen, all"),
        ("filter", "none", "definition, authors"),
        ("null", "uniform", "knowledge, components"),
        ("max_span", 0, "at least 1"),
        ("min_size", 1, "at least 2"),
        ("partitions", 18, "at least 19"),
        ("seed", -1, "at least 0"),
        ("seed", 1.5, "whole number"),
        ("tau1", -0.1, "at least 0"),
        ("tau1", 1.5, "from 0 to 1"),
        ("tau1", float("nan"), "number"),
        ("r_max", -1.0, "at least 0"),
        ("t_low", 1.1, "from 0 to 1"),
        ("t_sufficient", "0.2", "from 0 to 1"),
        ("t_high", True, "from 0 to 1"),
        ("fold_norm_gain", "yes", "True and False"),
    ],
)
def test_bad_values_are_refused_with_what_is_valid(name, value, said):
    with pytest.raises(BadSetting, match=said) as caught:
        DegeneracySettings(**{name: value})
    assert str(caught.value).startswith(f"{name} = {value!r}")


def test_every_field_is_validated():
    for field in fields(DegeneracySettings):
        with pytest.raises(BadSetting, match=field.name):
            DegeneracySettings(**{field.name: object()})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("missing", -1.0, "at least 0"),
        ("missing", float("inf"), "at least 0"),
        ("cut", 1.5, "from 0 to 1"),
        ("radius", -0.1, "from 0 to 1"),
        ("neighbours", "few", "from 0 to 1"),
        ("parts", 2, "from 0 to 1"),
        ("variance", 1.0, "between 0 and 1"),
        ("variance", 0.0, "between 0 and 1"),
    ],
)
def test_bad_values_of_comparison_are_refused(name, value, said):
    with pytest.raises(BadSetting, match=said) as caught:
        ComparisonSettings(**{name: value})
    assert str(caught.value).startswith(f"comparison.{name} = {value!r}")


def test_an_absolute_threshold_may_exceed_one():
    assert DegeneracySettings(tau1=5.0, tau1_rule="absolute").tau1 == 5.0

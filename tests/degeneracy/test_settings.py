"""Settings of the search: every field is checked, the names are those of the registries, some fields go together."""

from __future__ import annotations

import pytest

from factneurons.degeneracy.settings import (
    CarriedSettings,
    ComparisonSettings,
    DegeneracySettings,
    PairSettings,
)
from factneurons.errors import BadSetting
from factneurons.settings import options_of


@pytest.mark.parametrize("record", [ComparisonSettings, DegeneracySettings, PairSettings, CarriedSettings])
def test_every_field_is_checked(record):
    for each in options_of(record):
        with pytest.raises(BadSetting, match=f"^{each.name} is <object"):
            record(**{each.name: object()})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"clusterer": "louvain"}, "clusterer is 'louvain': it must be one of: ntc, ntc_authors, .*, random_layers"),
        ({"scale": "layer"}, "scale is 'layer': it must be one of: none, layer-gap .did you mean 'layer-gap'?"),
        ({"halving": 1.5}, "halving is 1.5: it must be above 0 and at most 1"),
        ({"tau1": 1.5}, "tau1 with tau1_rule 'fraction' is 1.5: it must be from 0 to 1"),
    ],
)
def test_bad_values_are_refused_with_what_is_valid(options, said):
    with pytest.raises(BadSetting, match=f"^{said}"):
        DegeneracySettings(**options)


def test_an_absolute_threshold_may_exceed_one():
    assert DegeneracySettings(tau1=5.0, tau1_rule="absolute").tau1 == 5.0


def test_thresholds_go_with_the_filter_and_the_search():
    assert (DegeneracySettings().dispensable, DegeneracySettings(filter="authors").dispensable) == (0.2, 0.05)
    assert DegeneracySettings(filter="authors", t_low=0.1).dispensable == 0.1
    assert PairSettings().thresholds == (0.2, 0.25)
    assert PairSettings("greedy_disjoint", t_high=0.4).thresholds == (0.05, 0.4)

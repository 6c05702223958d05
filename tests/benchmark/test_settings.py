"""The settings of the benchmark: there is something to judge, and whose neurons are grouped is known."""

from __future__ import annotations

import pytest

from factneurons.benchmark.contestants import scorers
from factneurons.benchmark.settings import BenchmarkSettings, scorer_names
from factneurons.errors import BadSetting
from factneurons.settings import options_of


def test_every_field_is_checked():
    for each in options_of(BenchmarkSettings):
        with pytest.raises(BadSetting, match=f"^{each.name} is <object"):
            BenchmarkSettings(**{each.name: object()})


def test_names_are_those_of_the_contestants():
    assert tuple(scorers()) == scorer_names()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bases": ()}, "bases is (): it must be one or more"),
        ({"seeds": ()}, "seeds is (): it must be one or more"),
        ({"grouped_by": ("amgi",)}, "grouped_by is 'amgi': it must be one of: true, joint, amig_joint, dai, amig, "),
    ],
)
def test_bad_settings(options, message):
    with pytest.raises(BadSetting) as refused:
        BenchmarkSettings(**options)
    assert str(refused.value).startswith(message)

"""What joining a fact over languages gives, and a fact in all its languages."""

from __future__ import annotations

import pytest

from factneurons.facts.types import Prompt
from factneurons.models.types import Neuron
from factneurons.multilingual.types import ALL, REASONS, LanguageIndependent, fact_in_all


@pytest.fixture
def joined(known_in):
    """joined(reason): a fact in two languages that share one neuron."""
    known = (known_in("a", "en", [(0, 1), (2, 3)]), known_in("a", "zh", [(2, 3), (2, 4), (3, 0)]))

    def make(reason=""):
        return LanguageIndependent(
            "a", known, (Neuron(2, 3),), "intersection", 2, (0.0, 0.0), 0.25, 0.1, 0.1, True, reason
        )

    return make


def test_one_fact_of_all_its_languages(joined):
    fact = joined().fact
    assert (fact.id, fact.language, fact.subject) == ("a", ALL, "a in en")
    assert fact.prompts == (Prompt("en a ___"), Prompt("zh a ___"))
    assert fact == fact_in_all([each.fact for each in joined().known])


def test_languages_stand_in_their_order(joined):
    assert joined().languages == ("en", "zh")
    assert joined().sizes == (2, 3)


@pytest.mark.parametrize(
    ("neuron", "languages"),
    [((2, 3), ("en", "zh")), ((0, 1), ("en",)), ((2, 4), ("zh",)), ((7, 7), ())],
)
def test_holders(joined, neuron, languages):
    assert joined().holders(Neuron(*neuron)) == languages


def test_who_takes_part(joined):
    assert joined().takes_part
    assert {reason for reason in REASONS if not joined(reason).takes_part} == {"language-missing", "held-out"}

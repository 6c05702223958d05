"""What stands beside a fact: the same in other languages, its relation, its reverse, unrelated facts."""

import pytest

from factneurons.facts.related import Surroundings
from factneurons.facts.source import load_facts


@pytest.fixture(scope="module")
def around():
    return Surroundings(load_facts("bundled?relation=chemical_symbol,currency&reverse=yes"))


@pytest.fixture(scope="module")
def spain(around):
    return next(fact for fact in around.facts if (fact.id, fact.language) == ("currency/spain", "en"))


def test_surroundings(around, spain):
    assert set(around.languages(spain)) == {"en", "zh"}
    assert all(fact.subject != "Spain" and fact.relation == "currency" for fact in around.neighbours(spain))
    assert {fact.answer for fact in around.holders(spain, "Rupee")} == {"rupee"}
    assert set(around.translated(spain, "rupee")) == {"en", "zh"}
    assert around.translated(spain, "no such money") == {"en": "no such money"}
    assert around.reverse(spain) is None
    iron = next(fact for fact in around.facts if fact.id == "chemical_symbol/iron")
    assert around.reverse(iron).relation == "chemical_symbol_reverse"
    assert all("chemical" not in fact.relation for fact in around.unrelated(iron))

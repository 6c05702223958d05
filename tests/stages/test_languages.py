"""`run_languages`: what the languages of a run's facts share, and effects in each of them."""

from __future__ import annotations

import pytest

from factneurons.attribution.locate import locate
from factneurons.errors import BadRun
from factneurons.facts.source import load_facts
from factneurons.models.types import Neuron
from factneurons.multilingual.join import language_independent
from factneurons.stages.languages import run_languages

FEW = {"draws": 1, "unrelated": 0}


@pytest.fixture(scope="module")
def joined(located, gpt2):
    return run_languages(located, gpt2, **FEW)


def test_shared_neurons_are_those_of_joining_in_memory(joined, gpt2):
    known = list(locate(gpt2, load_facts(joined.manifest.data["spec"]), method="dai"))
    found = {each.fact_id: each for each in language_independent(known, width=gpt2.width) if each.takes_part}
    table = joined.table("languages")
    assert set(table["fact_id"]) == set(found)
    assert len(found) == 3
    for row in table.itertuples():
        own = [Neuron(each["layer"], each["index"]) for each in row.neurons]
        assert sorted(own) == sorted(found[row.fact_id].neurons)
        assert row.jaccard == pytest.approx(found[row.fact_id].jaccard, nan_ok=True)


def test_a_fact_in_one_language_only_is_left_out_and_counted(joined):
    assert joined.counts("languages").skipped == {"language-missing": 1}


def test_every_set_is_tested_in_every_language(joined):
    effects = joined.table("language_effects")
    languages = effects[effects["neurons"] == "language"]
    assert set(zip(languages["language"], languages["neurons_of"], strict=True)) == {
        (asked, of) for asked in ("en", "zh") for of in ("en", "zh")
    }
    assert set(effects.loc[effects["neurons"] == "shared", "neurons_of"]) <= {""}


def test_again_does_nothing_twice(joined, gpt2, seen, parts):
    before = parts(joined)
    assert parts(run_languages(joined, gpt2, progress=seen, **FEW)) == before
    assert seen.ended == ["languages", "test_languages"]


def test_languages_that_are_not_there(located, gpt2):
    with pytest.raises(BadRun, match="no fact was located in 'fr'"):
        run_languages(located, gpt2, languages=("en", "fr"))

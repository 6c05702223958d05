"""The tables of facts joined over languages."""

import math
from dataclasses import replace

from factneurons.attribution.types import KnowledgeNeurons, Measurement
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.multilingual.join import language_independent
from factneurons.multilingual.settings import RULES
from factneurons.multilingual.tables import (
    LANGUAGE_EFFECTS,
    LANGUAGE_NEURONS,
    LANGUAGES,
    ConsistencyTable,
    LanguageIndependentTable,
)
from factneurons.multilingual.types import Consistency, FactConsistency


def known(language, *neurons):
    fact = Fact("capital/france", "capital", "France", "Paris", language, (Prompt(f"{language}: France ___."),))
    count = (1.0,) * len(neurons)
    return KnowledgeNeurons(fact, neurons, count, count, (), "amig", 0.3, False, 0.9, 1)


KNOWN = [known("en", Neuron(0, 1), Neuron(2, 3)), known("zh", Neuron(2, 3))]


def joined():
    (found,) = language_independent(KNOWN, width=64, languages=("en", "zh"))
    return replace(found, cuts=(0.0, 0.5))


def test_a_fact_in_all_its_languages():
    assert (joined().fact.id, joined().fact.language, len(joined().fact.prompts)) == ("capital/france", "all", 2)


def test_what_languages_share_is_one_row():
    row = LANGUAGES.frame([joined()]).iloc[0]
    assert (row.fact_id, row.language, row.relation, row["size"]) == ("capital/france", "all", "capital", 1)
    assert row.sizes.tolist() == [{"name": "en", "value": 2.0}, {"name": "zh", "value": 1.0}]
    assert row.cuts.tolist() == [{"name": "en", "value": 0.0}, {"name": "zh", "value": 0.5}]
    assert row.neurons.tolist() == [{"layer": 2, "index": 3}]


def test_every_neuron_says_which_languages_have_it():
    frame = LANGUAGE_NEURONS.frame([joined()])
    assert frame[["layer", "index"]].to_numpy().tolist() == [[0, 1], [2, 3]]
    assert [list(names) for names in frame["languages"]] == [["en"], ["en", "zh"]]
    assert frame["shared"].tolist() == [False, True]


def test_effects_say_whose_neurons_were_changed():
    frame = LANGUAGE_EFFECTS.frame([Measurement(KNOWN[1].fact, "language", 0, "suppress", None, 2, 0.5, 0.25, 1, "en")])
    assert frame[["language", "neurons", "neurons_of"]].iloc[0].tolist() == ["zh", "language", "en"]


def test_the_choices_are_those_of_the_settings():
    columns = {column.name: column for column in LANGUAGES.columns}
    assert columns["rule"].choices == tuple(RULES)


def test_what_languages_share_is_saved_and_loaded(tmp_path):
    found = language_independent(KNOWN, width=64, languages=("en", "zh"))
    assert LanguageIndependentTable.load(found.save(tmp_path / "found.json")) == found
    agree = Consistency(0.5, 0.5, 0.5, 0.6, math.nan, 2)
    one = FactConsistency(KNOWN[0].fact, (), (frozenset(KNOWN[0].neurons), frozenset()), agree, None, 0.1, "one-prompt")
    table = ConsistencyTable.of([one])
    again = ConsistencyTable.load(table.save(tmp_path / "agree.json"))
    assert again.to_json() == table.to_json()
    assert again[0].neurons == one.neurons

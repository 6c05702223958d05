from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from factneurons.errors import BadSetting
from factneurons.factcheck.checker import FactChecker
from factneurons.factcheck.conditions import CONDITIONS
from factneurons.factcheck.types import Statement
from factneurons.facts.types import Prompt
from factneurons.models.types import Neuron


@pytest.mark.parametrize("name", CONDITIONS)
def test_scores_verdicts_and_labels_agree(fitted, statements, name):
    checker = fitted[name]
    scores, decisions = checker.score_statements(statements), checker.decision_function(statements)
    judged, chances = checker.predict(statements), checker.predict_proba(statements)
    assert judged.dtype == bool
    assert (judged == (decisions >= 0)).all()
    assert chances.sum(1) == pytest.approx(1)
    truth = [True, False] * (len(statements) // 2)
    assert checker.score(statements, truth) == np.mean(judged == truth)
    for verdict, score, decision, true in zip(checker.check(statements), scores, decisions, judged, strict=True):
        assert (verdict.true, verdict.reason) == (true, "")
        assert (verdict.score, verdict.score - verdict.threshold) == pytest.approx((score, decision))
        assert bool(verdict.top_neurons) == CONDITIONS[name].by_neurons
        assert sum(abs(share) for _, share in verdict.top_neurons) <= 1 + 1e-9


def test_asking_and_probability_know_what_the_model_knows(fitted, statements):
    truth = [True, False] * (len(statements) // 2)
    assert fitted["asking"].score(statements, truth) == fitted["probability"].score(statements, truth) == 1


def test_relation_neurons(fitted):
    assert fitted["knowledge"].relation_neurons_ == {("capital", "en"): (Neuron(2, 296), Neuron(3, 130))}
    other = fitted["random"].relation_neurons_["capital", "en"]
    assert [neuron.layer for neuron in other] == [2, 3]
    assert not {Neuron(2, 296), Neuron(3, 130)} & set(other)
    assert fitted["asking"].relation_neurons_ == {}


def test_statements_of_unknown_relations_and_such_that_cannot_be_asked(fitted, statements):
    strange = replace(statements[0], relation="colour")
    middle = Statement(Prompt("___ is a city in France."), "Paris", "capital")
    found = fitted["knowledge"].check([strange, middle, statements[0]])
    assert [each.reason for each in found] == ["no-relation-neurons", "blank-not-at-end", ""]
    assert not found[0].true
    assert np.isnan(found[0].score)
    assert not fitted["knowledge"].predict([strange])[0]


def test_labelled_statements_are_searched_for_neurons(gpt2, statements):
    checker = FactChecker(gpt2, condition="knowledge", method="amig_mean").fit(
        statements[:4], [True, False, True, False]
    )
    assert checker.relation_neurons_["capital", "en"]
    assert checker.thresholds_.own == {}


def test_scikit_learns_manners(gpt2, capitals):
    checker = FactChecker(gpt2, condition="probability", share=0.3)
    assert checker.get_params()["share"] == 0.3
    assert checker.set_params(seed=7).settings.seed == 7
    assert repr(checker) == "FactChecker('pocket-gpt2', condition='probability')"
    with pytest.raises(NotFittedError, match="was not fitted"):
        checker.predict([])
    assert checker.fit(capitals[:2]) is checker
    assert checker.classes_.tolist() == [False, True]


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"condition": "luck"}, "condition is 'luck': it must be one of: degenerate, knowledge"),
        ({"source": "x"}, "source is 'x'"),
        ({"feature": "x"}, "feature is 'x'"),
        ({"condition": "knowledge", "method": "activation"}, "one that can score a few neurons alone"),
        ({"share": 1.0}, "share is 1.0: it must be at least 0 and below 1"),
    ],
)
def test_bad_settings(gpt2, capitals, neurons, options, wrong):
    with pytest.raises(BadSetting, match=wrong):
        FactChecker(gpt2, **options).fit(capitals[:2], neurons=neurons)


def test_training_facts_that_cannot_be_asked_are_counted_and_told(gpt2, capitals, neurons):
    middle = [replace(each, id=f"{each.id}/middle", prompts=(Prompt("___ is its capital."),)) for each in capitals[:2]]
    checker = FactChecker(gpt2, condition="knowledge")
    with pytest.warns(UserWarning, match=r"^2 of \d+ training facts left out: 2 blank-not-at-end$"):
        checker.fit([*capitals, *middle], neurons=neurons)
    assert dict(checker.left_out_) == {"blank-not-at-end": 2}
    assert not checker.fit(capitals, neurons=neurons).left_out_


def test_bad_input(gpt2, capitals, statements):
    checker = FactChecker(gpt2, condition="probability")
    with pytest.raises(BadSetting, match="statements need labels"):
        checker.fit(statements)
    with pytest.raises(BadSetting, match="as many labels"):
        checker.fit(statements, [True])
    with pytest.raises(BadSetting, match="there is no false one"):
        checker.fit(statements[:2], [True, True])
    with pytest.raises(BadSetting, match="no relation of the training facts has knowledge neurons"):
        FactChecker(gpt2, condition="knowledge").fit(capitals[:2], neurons={})

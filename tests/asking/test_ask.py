"""A question's numbers are those that the model gives when it is asked and changed by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from factneurons.asking.ask import ask
from factneurons.attribution.locate import locate
from factneurons.errors import BadFact, BadSetting, NotAskable
from factneurons.facts.types import Fact, Prompt
from factneurons.models.load import load_model
from factneurons.models.query import placed
from factneurons.models.written import written_logits

TEXT, ANSWER, OTHER = "The capital of France is ___.", "Paris", "Rome"


@pytest.fixture(scope="module")
def model():
    return load_model("pocket-gpt2")


@pytest.fixture(scope="module")
def bert():
    return load_model("pocket-bert")


@pytest.fixture(scope="module")
def found(model):
    return ask(model, TEXT, ANSWER, draws=6)


@pytest.fixture(scope="module")
def contrast(model):
    return ask(model, TEXT, ANSWER, against=OTHER, draws=4)


def test_p_rank_and_tokens_are_the_models(model, found):
    (evaluation,) = model.evaluate([model.query(TEXT, ANSWER)])
    assert found.answer.probability == pytest.approx(model.probability(TEXT, ANSWER), rel=1e-5)
    assert (found.answer.rank, found.prediction) == (evaluation.rank, evaluation.prediction)
    assert "".join(found.answer.tokens).strip() == ANSWER
    assert (found.layers, found.searched) == (model.layer_count, model.layer_count * model.width)


def test_its_neurons_are_those_of_a_fact_with_this_prompt(model, found):
    (known,) = locate(model, [Fact("x", "r", "France", ANSWER, "und", (Prompt(TEXT),))])
    assert found.neurons == known.neurons
    assert [each.score for each in found.carriers] == pytest.approx(known.scores, rel=1e-4)
    assert sum(found.shares) == pytest.approx(1)
    assert [share > 0 for share in found.shares] == [
        any(neuron.layer == layer for neuron in known.neurons) for layer in range(4)
    ]


def test_changes_are_what_changing_the_neurons_does(model, found):
    suppressed, doubled = found.changes
    with model.suppress(found.neurons):
        assert suppressed.probability == pytest.approx(model.probability(TEXT, ANSWER), rel=1e-4)
        assert suppressed.prediction == model.evaluate([model.query(TEXT, ANSWER)])[0].prediction
    with model.enhance(found.neurons):
        assert doubled.probability == pytest.approx(model.probability(TEXT, ANSWER), rel=1e-4)
    assert len(suppressed.random) == len(doubled.random) == 6
    assert suppressed.probability < 0.1 < min(suppressed.random)
    first = found.carriers[0]
    with model.suppress([first.neuron]):
        assert first.alone == pytest.approx(model.probability(TEXT, ANSWER), rel=1e-4)


def test_neurons_at_the_subject_are_found_read_and_changed_there(model):
    found = ask(model, TEXT, ANSWER, subject="France", positions="subject", draws=2)
    query = placed(model.query(TEXT, ANSWER, subject="France"), "subject")
    (known,) = locate(model, [Fact("x", "r", "France", ANSWER, "und", (Prompt(TEXT),))], positions="subject")
    assert found.neurons == known.neurons
    assert found.changes[0].probability == pytest.approx(model.probabilities_with([query], [found.neurons])[0, 0])
    with model.enhance(found.neurons):
        assert found.changes[1].probability == pytest.approx(model.probabilities([query])[0], rel=1e-4)
        assert found.changes[1].prediction == model.evaluate([query])[0].prediction
    values = model.activations([query])[0]
    assert [each.value for each in found.carriers] == [float(values[neuron]) for neuron in found.neurons]
    assert list(found.parts())[1].title.endswith("(joint, positions: subject)")
    with pytest.raises(NotAskable, match="its subject is not in it, or was not said; positions: subject"):
        ask(model, TEXT, ANSWER, positions="subject")


def test_what_a_neuron_writes_is_turned_round_where_its_value_is_negative():
    llama = load_model("pocket-llama")
    asked = ask(llama, TEXT, ANSWER, draws=1)
    query = llama.query(TEXT, ANSWER)
    values = llama.activations([query])[0]
    signs = {value > 0 for value in (each.value for each in asked.carriers)}
    assert signs == {True, False}
    logits = dict(written_logits(llama, asked.neurons))
    for each in asked.carriers:
        assert each.value == pytest.approx(values[each.neuron], rel=1e-4)
        signed = logits[each.neuron] * np.sign(each.value)
        assert each.place == 1 + int((signed > signed[query.answer_ids[0]]).sum())
        top = llama.backbone.tokenizer.decode([int(signed.argmax())])
        assert top.strip() in (each.writes.promotes[0].strip(), "")


def test_a_contrast_tells_both_answers_under_every_change(model, contrast):
    ratio = math.log(model.probability(TEXT, ANSWER) / model.probability(TEXT, OTHER))
    assert contrast.log_ratio == pytest.approx(ratio, rel=1e-4)
    assert contrast.against.text == OTHER
    for each, change in zip(contrast.changes, (model.suppress, model.enhance), strict=True):
        with change(contrast.neurons):
            ratio = math.log(model.probability(TEXT, ANSWER) / model.probability(TEXT, OTHER))
        assert each.log_ratio == pytest.approx(ratio, abs=1e-3)
        assert len(each.random_log_ratio) == 4
    assert any(part.title == "Paris against Rome" for part in contrast.parts())


def test_it_is_json_and_a_page_and_the_same_again(model, found):
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert written["carriers"][0]["neuron"] == {"layer": found.neurons[0].layer, "index": found.neurons[0].index}
    assert written["answer"]["probability"] == found.answer.probability
    assert "<table>" in found._repr_html_()
    assert repr(found).startswith(f"{found.title}\n\n")
    assert "What happens when they are changed\nall of them " in str(found)
    assert ask(model, TEXT, ANSWER, draws=6) == found


def test_hostile_text_is_shown_as_text(model):
    found = ask(model, "The <script>alert(1)</script> of France is ___", "<b>Paris</b>", draws=1)
    page = found._repr_html_()
    assert "<script" not in page
    assert "&lt;b&gt;Paris&lt;/b&gt;" in page


def test_an_answer_that_the_model_does_not_give_is_said_to_be_none(model):
    notes = ask(model, TEXT, "Rome", draws=1).notes
    assert any("does not say this answer itself" in note for note in notes)


def test_where_no_neuron_is_found_nothing_is_changed(model):
    found = ask(model, TEXT, ANSWER, selector="absolute", threshold=1e9)
    assert (found.carriers, found.changes) == ((), ())
    assert any("No neuron reached" in note for note in found.notes)
    assert len(list(found.parts())) == 1
    assert "<table>" in found._repr_html_()


def test_too_many_neurons_have_no_random_ones_beside_them(model):
    found = ask(model, TEXT, ANSWER, selector="absolute", threshold=-1e9, rounds=1)
    assert len(found.carriers) > 2 * 256
    assert found.changes[0].random == ()
    assert any("no random neurons" in note for note in found.notes)


def test_a_masked_model_needs_its_blank_and_a_causal_one_does_not(model, bert):
    with pytest.raises(BadFact, match="needs exactly one blank"):
        ask(bert, "The capital of France is", ANSWER)
    assert ask(bert, "The capital of France is [MASK].", ANSWER, draws=1).prompt == TEXT
    assert ask(model, "The capital of France is", ANSWER, draws=1).prompt == "The capital of France is ___"


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"answer": " "}, NotAskable, "the answer is empty"),
        ({"against": ANSWER}, NotAskable, "one answer begins with the other"),
        ({"against": "wrong_answers"}, BadSetting, "no list of wrong ones"),
        ({"draws": 0}, BadSetting, "at least 1"),
        ({"methode": "dai"}, BadSetting, "method"),
    ],
)
def test_what_cannot_be_asked_is_refused(model, options, error, says):
    with pytest.raises(error, match=says):
        ask(model, **{"prompt": TEXT, "answer": ANSWER, **options})

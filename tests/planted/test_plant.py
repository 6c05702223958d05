"""Planted models as they are on disk: ordinary models whose truth holds, and nothing that was known is lost."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import import_module

import jsonschema
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

import factneurons as fn
from factneurons.attribution.attribute import attribute_all
from factneurons.errors import BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.adapters import matrix
from factneurons.models.query import placed
from factneurons.models.types import Neuron
from factneurons.planted.checks import measured
from factneurons.planted.plant import FACTS, plant
from factneurons.planted.truth import SCHEMA, TRUTH, Truth
from factneurons.planted.types import Check, PlantedComponent, PlantedFact

ROOM = import_module("factneurons.planted.plant")  # the package's own `plant` is the function
AUTO = {"bert": AutoModelForMaskedLM, "gpt2": AutoModelForCausalLM, "llama": AutoModelForCausalLM}
UNKNOWN = Fact("r/a", "r", "Velmoria", "Rome", "en", (Prompt("Velmoria lies near ___."),))


def test_what_is_written(planted):
    names = {path.name for path in planted.folder.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", TRUTH, FACTS}
    assert not [name for name in names if name.endswith(".part")]
    assert [path.name for path in planted.folder.parent.iterdir()] == [planted.folder.name]
    assert Truth.load(planted.folder) == planted.truth
    record = json.loads((planted.folder / TRUTH).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(record)
    facts = [fact for each in planted.truth.facts for fact in each.facts]
    assert [fact.key for fact in fn.load_facts(str(planted.folder / FACTS))] == [fact.key for fact in facts]


def test_every_promise_is_kept(planted):
    assert len(planted.truth.facts) + len(planted.truth.rejected) == 2
    assert planted.truth.facts
    for fact in planted.truth.facts:
        assert fact.checks
        assert all(check.passed for check in fact.checks), fact.checks


def test_plain_transformers_loads_it(planted, architecture, model):
    module = AUTO[architecture].from_pretrained(planted.folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(planted.folder)
    fact = planted.truth.facts[0].facts[0]
    query = model.query(fact.prompts[0], fact.answer)
    assert len(tokenizer) == len(model.backbone.tokenizer)
    with torch.no_grad():
        logits = module(input_ids=torch.tensor([query.input_ids])).logits[0, query.target_positions[0]]
    assert float(logits.softmax(-1)[query.answer_ids[0]]) == pytest.approx(model.probabilities([query])[0], abs=1e-5)


def test_its_neurons_carry_the_fact_and_no_others_do(planted, model):
    everything = {neuron for fact in planted.truth.facts for neuron in fact.neurons}
    rng = np.random.default_rng(0)
    for fact in planted.truth.facts:
        (each,) = fact.facts
        queries = [model.query(prompt, each.answer) for prompt in each.prompts]
        random = [
            next(n for n in iter(lambda: Neuron(layer, int(rng.integers(model.width))), None) if n not in everything)  # noqa: B023
            for layer, _ in fact.neurons
        ]
        on, without, other = model.probabilities_with(queries, [(), fact.neurons, random]).mean(0)
        assert on >= 0.8
        assert without <= 0.05
        assert abs(on - other) < 0.1


def test_without_the_new_neurons_it_is_the_base(planted, architecture, base, model):
    """What was planted is all that changed: with its neurons off the base answers, bit for bit but for rounding."""
    original = base(architecture)
    new = model.width - original.width
    mine = {neuron for kind in planted.truth.distractors.values() for neuron in kind}
    mine |= {neuron for fact in planted.truth.facts for neuron in fact.neurons}
    assert len(mine) == new * model.layer_count
    queries = [original.query(f"The capital of {country} is ___.", "Rome") for country in ("France", "Italy", "Peru")]
    with model.suppress(mine, positions="all"):
        assert model.log_probabilities(queries) == pytest.approx(original.log_probabilities(queries), abs=1e-3)
    own = {tuple(row) for layer in original.backbone.layers for row in matrix(layer.up).tolist()}
    kept = {tuple(row) for layer in model.backbone.layers for row in matrix(layer.up).tolist()}
    assert own <= kept


def test_held_prompts(planted, model):
    held = planted.truth.held
    assert set(held) == {
        "prompts", "recall_before", "recall_after", "recall_without_planted", "probability_before",
        "probability_after", "largest_change", "moved_by_a_tenth",
    }  # fmt: skip
    assert held["prompts"] == 800
    assert held["recall_without_planted"] == pytest.approx(held["recall_before"], abs=0.01)
    assert abs(held["probability_after"] - held["probability_before"]) <= held["largest_change"]
    assert 0 <= held["moved_by_a_tenth"] <= 1


def test_loud_neurons_store_nothing(planted, model):
    loud = planted.truth.distractors["loud"]
    assert loud
    fact = planted.truth.facts[0]
    query = model.query(fact.facts[0].prompts[0], fact.facts[0].answer)
    on, without = model.probabilities_with([query], [(), loud])[0]
    assert abs(on - without) < 0.02


def test_the_same_seed_gives_the_same_model(base, small, tmp_path):
    state = torch.get_rng_state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ROOM, "_broken", lambda checked: {})
        for name, seed in (("one", 1), ("two", 1), ("three", 2)):
            plant(base("gpt2"), tmp_path / name, facts=[UNKNOWN], settings=small(steps=3, seed=seed))
    one, two, three = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three
    assert Truth.load(tmp_path / "one") == Truth.load(tmp_path / "two")
    assert torch.equal(state, torch.get_rng_state())


def test_a_folder_that_is_empty_is_taken(base, small, tmp_path, monkeypatch):
    monkeypatch.setattr(ROOM, "_broken", lambda checked: {})
    (tmp_path / "there").mkdir()
    lines = []
    done = plant(base("gpt2"), tmp_path / "there", facts=[UNKNOWN], settings=small(steps=1), report=lines.append)
    assert done.folder == tmp_path / "there"
    assert (done.folder / TRUTH).is_file()
    assert lines[0].startswith("1 facts, ") or lines[0].startswith("1 fact, ")


def test_no_fact_accepted_leaves_nothing_behind(base, small, tmp_path, monkeypatch):
    monkeypatch.setattr(ROOM, "_broken", lambda checked: {"r/a": "nothing suppressed: 0.40"})
    with pytest.raises(BadSetting, match=r"pocket-gpt2: not one fact .* the first: r/a \(nothing suppressed: 0\.40\)"):
        plant(base("gpt2"), tmp_path / "out", facts=[UNKNOWN], settings=small(steps=1))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use(base, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for folder in (tmp_path, tmp_path / "file"):
        with pytest.raises(BadSetting, match="it is in use; give a folder that does not exist yet"):
            plant(base("gpt2"), folder)


def test_what_shares_a_component_goes_with_it():
    def planted_fact(name, serves, value):
        fact = Fact(name, "r", "s", "a", "en", (Prompt("s is ___."),))
        check = Check("nothing suppressed", (), value, at_least=0.8)
        return PlantedFact((fact,), "shared", (PlantedComponent((Neuron(0, 0),), serves=serves),), (check,))

    facts = [planted_fact("a", ("b",), 0.9), planted_fact("b", ("a", "c"), 0.9), planted_fact("c", ("b",), 0.5)]
    assert ROOM._broken([*facts, planted_fact("d", (), 0.9)]) == {
        "c": "nothing suppressed: 0.50",
        "b": "it shares a component with a fact that is taken out",
        "a": "it shares a component with a fact that is taken out",
    }
    worst = PlantedFact(facts[0].facts, "single", facts[0].components, (
        Check("one", (), 0.7, at_least=0.8), Check("two", (), 0.9, at_most=0.05), Check("three", (), 0.2, at_most=0.3),
    ))  # fmt: skip
    assert ROOM._broken([worst]) == {"a": "two: 0.90"}


def test_bilingual_values_are_the_worst_of_the_languages(base):
    """On the base, which knows one language's answer and not the other's."""
    model = base("gpt2")
    facts = (
        Fact("c", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),)),
        Fact("c", "capital", "法国", "罗马", "zh", (Prompt("法国的首都是___。"),)),
    )
    neurons = [Neuron(1, 0), Neuron(2, 0), Neuron(2, 1)]
    parts = tuple(
        PlantedComponent((neuron,), language=language)
        for neuron, language in zip(neurons, ("", "en", "zh"), strict=True)
    )
    checks = measured(model, PlantedFact(facts, "bilingual", parts), neurons)
    by_what = {(check.what, check.language): check for check in checks}
    english = model.probability(facts[0].prompts[0], "Paris")
    chinese = model.probability(facts[1].prompts[0], "罗马")
    assert english > 0.5 > chinese
    assert by_what["nothing suppressed", ""].value == pytest.approx(chinese, abs=1e-5)
    assert by_what["none of its neurons", ""].value == pytest.approx(english, abs=0.1)
    assert by_what["all but the component of this language", "en"].value > 0.5
    assert by_what["all but the component of this language", "zh"].value < 0.5


@pytest.fixture(scope="module")
def bilingual(base, small, tmp_path_factory):
    """A planted model with one fact in two languages, and what is known of it."""
    for seed in range(1, 5):
        folder = tmp_path_factory.mktemp("bilingual") / "model"
        with suppress(BadSetting):  # so few steps do not store a fact with every seed
            planted = plant(base("gpt2"), folder, settings=small(mix={"bilingual": 1}, seed=seed))
            return fn.load_model(folder, device="cpu"), planted.truth.facts[0]
    pytest.fail("no bilingual fact could be planted with any of four seeds")


def test_languages_share_the_component_of_all_languages(bilingual):
    model, planted = bilingual
    known = fn.locate(model, planted.facts, method="dai")
    (found,) = fn.language_independent(known, width=model.width)
    everywhere = {n for component in planted.components if not component.language for n in component.neurons}
    alone = set(planted.neurons) - everywhere
    assert set(found.neurons) <= everywhere
    assert found.neurons
    assert found.p_value < 0.05
    assert all(len(found.holders(neuron)) == 1 for neuron in alone if found.holders(neuron))


def test_what_languages_share_carries_the_fact_in_each(bilingual):
    model, planted = bilingual
    known = fn.locate(model, planted.facts, method="dai")
    (found,) = fn.language_independent(known, width=model.width)
    for fact in planted.facts:
        query = model.query(fact.prompts[0], fact.answer)
        (after,) = model.probabilities_with([query], [found.neurons])[0]
        assert after < 0.5 * model.probabilities([query])[0]


def test_facts_at_their_subject(base, small, tmp_path):
    """There its neurons carry it, and there attribution finds them; at the target they do nothing for it."""
    made = plant(base("gpt2"), tmp_path / "made", small(mix={"subject": 2}, seed=0, steps=81, learning_rate=0.002))
    truth, model = Truth.load(made.folder), fn.load_model(made.folder, device="cpu")
    for planted in truth.facts:
        (fact,), own = planted.facts, set(planted.neurons)
        queries = [model.query(prompt, fact.answer, subject=fact.subject) for prompt in fact.prompts]
        stored, at_target = model.probabilities_with(queries, [(), own]).mean(0)
        at_subject = model.probabilities_with([placed(query, "subject_last") for query in queries], [own]).mean()
        assert (stored, at_target, at_subject) == (
            pytest.approx(0.9, abs=0.1),
            pytest.approx(0.9, abs=0.1),
            pytest.approx(0, abs=0.05),
        )
        best = {}
        for positions in ("subject_last", "target"):
            scores = attribute_all(model, queries, method="suppression", positions=positions)[0].scores
            places = np.argsort(-scores, axis=None)[: len(own)]
            best[positions] = {Neuron(int(place) // model.width, int(place) % model.width) for place in places}
        assert best["subject_last"] == own
        assert not best["target"] & own

"""Fine-tuning: against a plain loop over the whole model, bit for bit elsewhere, resumed, and its refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import factneurons as fn
from factneurons.editing import finetuning
from factneurons.editing.finetuning import finetune_neurons
from factneurons.editing.weights import same_bits, weights_of
from factneurons.errors import BadModel, BadNumber, BadRun, BadSetting, NotAskable
from factneurons.facts.related import RelatedFacts
from factneurons.models.prompts import queries_of
from factneurons.models.types import Neuron

NEURONS = [(layer, index) for layer in range(4) for index in range(0, 512, 8)]


@pytest.fixture(scope="module")
def new_facts():
    """Eight facts with other answers than the model knows."""
    facts = list(fn.load_facts("bundled?relation=currency&lang=en"))
    around = RelatedFacts(facts)
    return [around.counterfactual(fact, 0) for fact in facts[:8]]


def accuracy(model, facts):
    queries = [query for fact in facts for query in queries_of(model, fact)[::2]]
    return np.mean([each.rank == 1 for each in model.evaluate(queries)])


def test_these_neurons_learn_and_everything_else_keeps_every_bit(gpt2, new_facts, bytes_of):
    before, lines = bytes_of(gpt2), []
    assert accuracy(gpt2, new_facts) == 0
    edit = finetune_neurons(gpt2, NEURONS, new_facts, report=lines.append)
    assert bytes_of(gpt2) == before
    assert not any(each.requires_grad for each in gpt2.backbone.module.parameters())
    epochs = int(lines[-1].split()[1])
    assert len(lines) == epochs < 100
    assert edit.description.notes[0] == f"100.0% of the trained prompts answered rightly after {epochs} epochs"
    assert edit.description.notes[1].endswith("of the prompts left out of training")
    assert edit.description.facts == tuple(fact.id for fact in new_facts)
    others = [Neuron(layer, index) for layer in range(4) for index in range(512) if index % 8]
    kept = weights_of(gpt2, others, "neurons")
    with edit.on(gpt2):
        assert accuracy(gpt2, new_facts) == 1
        after = bytes_of(gpt2)
        assert same_bits(weights_of(gpt2, others, "neurons"), kept)
    changed = {name for name in before if after[name] != before[name]}
    ends = ("mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight")
    assert changed == {f"transformer.h.{layer}.{end}" for layer in range(4) for end in ends}
    assert bytes_of(gpt2) == before


@pytest.mark.parametrize(
    ("neurons", "parts"), [([(0, 3), (2, 7), (2, 9)], "all"), ([(0, 3), (2, 7), (2, 9)], "in"), (None, "all")]
)
def test_a_step_is_that_of_a_plain_loop(neurons, parts, gpt2, new_facts):
    """Hugging Face's own forward pass, AdamW on everything, and what is not trained put back by a mask."""
    facts = new_facts[:3]
    edit = finetune_neurons(gpt2, neurons, facts, epochs=1, learning_rate=1e-3, held_out=False, parts=parts)
    reference = fn.load_model("pocket-gpt2", device="cpu")
    module = reference.backbone.module
    queries = [query for fact in facts for query in queries_of(reference, fact)]
    assert len(queries) <= 32
    module.requires_grad_(True)
    loss = torch.zeros(())
    for query in queries:
        logits = module(torch.tensor([query.input_ids])).logits[0].log_softmax(-1)
        places = [-logits[place, token] for place, token in zip(query.target_positions, query.answer_ids, strict=True)]
        loss = loss + sum(places) / len(places) / len(queries)
    loss.backward()
    mask = {id(each): torch.zeros_like(each) for each in module.parameters()}
    for layer, index in neurons or ():
        block = module.transformer.h[layer].mlp
        mask[id(block.c_proj.weight)][index] = float(parts == "all")
        mask[id(block.c_fc.weight)][:, index] = 1
        mask[id(block.c_fc.bias)][index] = 1
    if neurons is not None:
        for each in module.parameters():
            each.grad.mul_(mask[id(each)])
    torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.0).step()
    module.requires_grad_(False)
    expected = weights_of(reference, edit.neurons, edit.description.extent)
    moved = (edit.new - edit.old).abs() > 5e-4  # AdamW's first step is a gradient's sign: tiny ones are noise
    assert moved.float().mean() > 0.3 * (0.5 if parts == "in" else 1)
    torch.testing.assert_close(edit.new[moved], expected[moved], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["pocket-gpt2", "pocket-llama"])
def test_of_in_weights_and_biases_alone_the_out_weights_keep_every_bit(name, new_facts):
    model = fn.load_model(name, device="cpu")
    wide = [(layer, index) for layer in range(4) for index in range(0, 512, 4)]
    before = model.out_weights(wide)
    edit = finetune_neurons(model, wide, new_facts[:2], parts="in", epochs=1)
    with edit.on(model):
        assert np.array_equal(model.out_weights(wide), before)
    assert (edit.new != edit.old).any()
    with pytest.raises(BadSetting, match="parts is 'in': it must be 'all' where the whole model is trained"):
        finetune_neurons(model, None, new_facts[:2], parts="in")


@pytest.mark.parametrize("name", ["pocket-llama", "pocket-bert"])
def test_gated_and_masked_models(name, new_facts):
    model = fn.load_model(name, device="cpu")
    wide = [(layer, index) for layer in range(4) for index in range(0, 512, 4)]
    edit = finetune_neurons(model, wide, new_facts[:4], multi_mask=True, learning_rate=1e-2)
    assert edit.description.notes[0].startswith("100.0%")
    with edit.on(model):
        queries = [model.query(f.prompts[0], f.answer, multi_mask=True) for f in new_facts[:4]]
        assert all(each.rank == 1 for each in model.evaluate(queries))


def test_a_batch_in_parts_is_the_batch(gpt2, new_facts, monkeypatch):
    """Small parts because memory ran out, and small parts by length, give the weights of one part."""
    whole = finetune_neurons(gpt2, NEURONS, new_facts[:3], epochs=1)
    ran, real = [], finetuning._Training._loss

    def narrow(self, queries):
        ran.append(len(queries))
        if len(queries) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return real(self, queries)

    monkeypatch.setattr(finetuning._Training, "_loss", narrow)
    parts = finetune_neurons(gpt2, NEURONS, new_facts[:3], epochs=1)
    assert max(ran) > 2 >= ran[-1]
    moved = (whole.new - whole.old).abs() > 4e-3
    torch.testing.assert_close(parts.new[moved], whole.new[moved], rtol=0, atol=1e-3)


class Killed(Exception):
    pass


@pytest.mark.parametrize("neurons", [NEURONS, None])
def test_killed_and_resumed_ends_with_the_same_bits(neurons, gpt2, new_facts, tmp_path, bytes_of):
    def kill(line):
        if line.startswith("epoch 3 "):
            raise Killed

    settings = {"epochs": 5, "target": 1.0, "learning_rate": 1e-4}
    before, whole = bytes_of(gpt2), finetune_neurons(gpt2, neurons, new_facts[:4], **settings)
    with pytest.raises(Killed):
        finetune_neurons(gpt2, neurons, new_facts[:4], checkpoint=tmp_path / "c", report=kill, **settings)
    assert bytes_of(gpt2) == before
    assert json.loads((tmp_path / "c/state.json").read_text())["step"] == 2
    lines = []
    resumed = finetune_neurons(gpt2, neurons, new_facts[:4], checkpoint=tmp_path / "c", report=lines.append, **settings)
    assert [line.split()[1] for line in lines] == ["3", "4", "5"]
    assert same_bits(resumed.new, whole.new)
    again = finetune_neurons(gpt2, neurons, new_facts[:4], checkpoint=tmp_path / "c", **settings)
    assert same_bits(again.new, whole.new)
    assert again.description == whole.description
    with pytest.raises(BadRun, match="other facts"):
        finetune_neurons(gpt2, neurons, new_facts[:3], checkpoint=tmp_path / "c", **settings)


def test_one_that_does_not_learn_says_how_far_it_came(gpt2, new_facts):
    edit = finetune_neurons(gpt2, [(0, 0)], new_facts[:2], epochs=2)
    assert edit.description.notes[0] == (
        "0.0% of the trained prompts answered rightly after 2 epochs: the target of 99% was not reached"
    )


class TestRefusals:
    def test_nothing_to_train_or_to_learn(self, gpt2, new_facts):
        wrong = ([], new_facts, "no neurons"), (None, [], "needs a fact"), ([(9, 0)], new_facts, "no neuron")
        for neurons, facts, said in wrong:
            with pytest.raises(BadSetting, match=said):
                finetune_neurons(gpt2, neurons, facts)

    @pytest.mark.parametrize("neurons", [[(0, 1)], None])
    def test_quantised(self, neurons, new_model, new_facts):
        model = new_model("gpt2")
        model.backbone.module.config.quantization_config = {"bits": 4}
        with pytest.raises(BadModel, match="is quantised"):
            finetune_neurons(model, neurons, new_facts)

    def test_facts_that_cannot_be_asked_are_counted(self, gpt2, new_facts):
        inside = replace(new_facts[0], prompts=(fn.Prompt("___ is the currency of Spain."),))
        edit = finetune_neurons(gpt2, NEURONS, [inside, new_facts[1]], epochs=1)
        assert edit.description.notes[-1] == "1 of 2 facts left out: blank-not-at-end"
        with pytest.raises(NotAskable, match="none of 1 facts can be asked"):
            finetune_neurons(gpt2, NEURONS, inside)

    def test_a_loss_that_is_no_number(self, gpt2, new_facts, bytes_of):
        before = bytes_of(gpt2)
        with pytest.raises(BadNumber, match="lower learning rate"):
            finetune_neurons(gpt2, None, new_facts, learning_rate=1e30)
        assert bytes_of(gpt2) == before

    def test_no_memory_for_the_optimiser(self, gpt2, new_facts, bytes_of, monkeypatch):
        def full(self, *_, **__):
            raise torch.OutOfMemoryError("out of memory")

        before = bytes_of(gpt2)
        monkeypatch.setattr(torch.optim.AdamW, "step", full)
        with pytest.raises(BadSetting, match="not enough memory for the optimiser; fine-tune fewer neurons"):
            finetune_neurons(gpt2, NEURONS, new_facts)
        assert bytes_of(gpt2) == before

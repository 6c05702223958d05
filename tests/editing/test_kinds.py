"""Every kind against its formula, computed plainly."""

import numpy as np
import pytest
import torch

from factneurons.editing.build import edit
from factneurons.editing.kinds import EDIT_KINDS
from factneurons.editing.settings import EditSettings
from factneurons.errors import BadSetting

NEURONS = [(1, 3), (2, 40), (3, 7)]


def old_weights(model):
    downs = [block.mlp.c_proj.weight for block in model.backbone.module.transformer.h]
    return np.stack([downs[layer][index].double().numpy() for layer, index in NEURONS])


@pytest.mark.parametrize(("kind", "factor"), [("suppress", 0), ("erase", 0), ("enhance", 2)])
def test_scaled(kind, factor, gpt2, spain):
    made = edit(gpt2, spain, kind=kind, neurons=NEURONS)
    assert np.array_equal(made.new.numpy(), factor * old_weights(gpt2).astype(np.float32))


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        (EditSettings(kind="update"), (1, 2)),
        (EditSettings(kind="update-paper"), (1, 8)),
        (EditSettings(kind="update", lambda1=0.5, lambda2=3.0), (0.5, 3)),
    ],
)
def test_update_is_the_papers_formula(settings, weights, gpt2, spain):
    made = edit(gpt2, spain, to="rupee", neurons=NEURONS, settings=settings)
    rows = gpt2.backbone.module.lm_head.weight.double().numpy()
    old, new = (rows[gpt2.query(spain.prompts[0], answer).answer_ids[0]] for answer in ("euro", "rupee"))
    for before, after in zip(old_weights(gpt2), made.new.numpy(), strict=True):
        length = np.linalg.norm(before)
        expected = before - weights[0] * length * old / np.linalg.norm(old)
        expected = expected + weights[1] * length * new / np.linalg.norm(new)
        assert after == pytest.approx(expected, abs=1e-5)


def test_least_change_puts_the_new_answer_first(gpt2, spain, made):
    queries = [gpt2.query(prompt, "rupee") for prompt in spain.prompts if prompt.text in made.description.prompts]
    assert all(each.rank > 1 for each in gpt2.evaluate(queries))
    with made.on(gpt2):
        assert [each.rank for each in gpt2.evaluate(queries)] == [1] * len(queries)


def test_answers_of_several_tokens(gpt2, around):
    """Refused by Dai et al.'s formula, which is defined for one; taken by the smallest change."""
    fact = next(f for f in around.facts if (f.id, f.language) == ("currency/spain", "en"))
    several = next(
        other.answer for other in around.neighbours(fact)
        if len(gpt2.query(fact.prompts[0], other.answer).answer_ids) > 1
    )  # fmt: skip
    with pytest.raises(BadSetting, match="use the kind least-change"):
        edit(gpt2, fact, to=several, kind="update", neurons=NEURONS)
    made = edit(gpt2, fact, to=several, neurons=[(layer, index) for layer in (1, 2) for index in range(20)])
    with made.on(gpt2):
        assert gpt2.evaluate([gpt2.query(fact.prompts[0], several)])[0].rank == 1


def test_unembedding_of_another_size(shared_model):
    """ELECTRA unembeds from fewer numbers than its neurons write."""
    from factneurons.editing.kinds import _direction

    model = shared_model("electra")

    class One:
        answer, answer_ids = "a", (9,)

    with pytest.raises(BadSetting, match="use the kind least-change"):
        _direction(model, [One])


def test_erase_relation_takes_the_most_frequent(gpt2, around):
    facts = [fact for fact in around.facts if fact.relation == "currency" and fact.language == "en"][:4]
    made = edit(gpt2, facts, kind="erase-relation", count=5)
    assert len(made.neurons) == 5
    assert not made.new.any()
    counts = {}
    for fact in facts:
        for neuron in edit(gpt2, fact, kind="suppress").neurons:
            counts[neuron] = counts.get(neuron, 0) + 1
    least = min(counts[neuron] for neuron in made.neurons)
    assert all(count <= least for neuron, count in counts.items() if neuron not in made.neurons)


def test_kinds_say_what_they_are():
    assert list(EDIT_KINDS) == (
        ["suppress", "enhance", "erase", "erase-relation", "update", "update-paper", "least-change"]
    )
    assert all(kind.summary for kind in EDIT_KINDS.values())
    assert torch.equal(EDIT_KINDS["suppress"].formula(type("T", (), {"weights": torch.ones(2, 2)})), torch.zeros(2, 2))

"""Layers that share one module: each call is a layer, held against hooks that count the calls of the original."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
import transformers as tf

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.quadrature import quadrature
from factneurons.editing.description import NEURONS, OUT_WEIGHTS
from factneurons.editing.weights import check_editable
from factneurons.errors import BadModel
from factneurons.models.doctor import diagnose
from factneurons.models.gate import check_model
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.saving import save_model

LAYERS, WIDTH = 4, 12


def _module(groups=1, inner=1):
    torch.manual_seed(0)
    config = tf.AlbertConfig(
        vocab_size=50, embedding_size=6, hidden_size=8, intermediate_size=WIDTH, num_hidden_layers=LAYERS,
        num_hidden_groups=groups, inner_group_num=inner, num_attention_heads=2, max_position_embeddings=16,
        initializer_range=0.5,
    )  # fmt: skip
    return tf.AlbertForMaskedLM(config).double().eval()


@contextmanager
def _each_call(module, change):
    """`change(layer, values)` at the n-th call of any down-projection, counted over the shared modules."""
    called = []

    def hook(part, inputs):
        called.append(part)
        return (change(len(called) - 1, inputs[0]),)

    groups = module.albert.encoder.albert_layer_groups
    handles = [group.albert_layers[0].ffn_output.register_forward_pre_hook(hook) for group in groups]
    yield called
    for handle in handles:
        handle.remove()


def _probability(module, query, change):
    with _each_call(module, change) as called:
        logits = module(input_ids=torch.tensor([query.input_ids])).logits[0]
    assert len(called) == LAYERS
    return logits[query.target_positions[0]].softmax(-1)[query.answer_ids[0]]


@pytest.fixture(params=[1, 2, 3])
def both(request, shared_model, new_query):
    """The model as transformers has it, the same unrolled, and a query."""
    tokenizer = shared_model("bert").backbone.tokenizer
    model = Model(_module(request.param), tokenizer, name="tiny albert", kind="cloze")
    return _module(request.param), model, new_query("cloze")


def test_suppression_acts_at_one_call(both):
    module, model, query = both
    check_model(model.backbone)
    assert (model.layer_count, model.width) == (LAYERS, WIDTH)
    place = query.target_positions[0]
    for neurons in ({(0, 3)}, {(2, 5)}, {(1, 3), (3, 3), (3, 7)}):

        def silenced(layer, values, neurons=neurons):
            values = values.clone()
            values[:, place, [index for at, index in neurons if at == layer]] = 0
            return values

        with torch.no_grad():
            true = _probability(module, query, silenced)
        assert model.probabilities_with([query], [neurons])[0][0] == pytest.approx(float(true), rel=1e-6)


def test_attribution_goes_to_each_call(both):
    module, model, query = both
    place, rule = query.target_positions[0], quadrature("gauss_legendre", 3)
    true = np.zeros((LAYERS, WIDTH))
    for node, weight in zip(rule.nodes, rule.weights, strict=True):
        gates = torch.full((LAYERS, WIDTH), float(node), dtype=torch.float64, requires_grad=True)

        def gated(layer, values, gates=gates):
            scale = torch.ones_like(values[0]).index_put((torch.tensor(place),), gates[layer])
            return values * scale

        true += float(weight) * torch.autograd.grad(_probability(module, query, gated), gates)[0].numpy()
    found = attribute_all(model, [query], method="joint", rule="gauss_legendre", points=3)[0].scores
    np.testing.assert_allclose(found, true, rtol=0, atol=1e-6 * np.abs(true).max())
    assert len({tuple(row) for row in found.round(12)}) == LAYERS


def test_the_weights_stay_one_and_are_not_edited(both):
    module, model, _ = both
    assert model.backbone.module.num_parameters() == module.num_parameters()
    assert list(model.backbone.module.state_dict()) == list(module.state_dict())
    Model(model.backbone.module, model.backbone.tokenizer, name="again", kind="cloze")
    for extent in (OUT_WEIGHTS, NEURONS):
        with pytest.raises(BadModel, match=r"are one tensor, so an edit of one neuron would change several"):
            check_editable(model, extent)
    with (
        pytest.raises(BadModel, match="several layers share one tensor of weights"),
        model.scale_weights([(0, 1)], 0.0),
    ):
        pass


def test_groups_of_several_blocks_are_refused(shared_model):
    with pytest.raises(BadModel, match="its layers share groups of 2 blocks"):
        Model(_module(inner=2), shared_model("bert").backbone.tokenizer, name="albert", kind="cloze")


def test_it_is_saved_as_what_it_was_loaded_from(tmp_path, tiny_tokenizer):
    tokenizer = tiny_tokenizer("wordpiece")
    module = tf.AlbertForMaskedLM(
        tf.AlbertConfig(
            vocab_size=len(tokenizer), embedding_size=6, hidden_size=8, intermediate_size=WIDTH,
            num_hidden_layers=LAYERS, num_attention_heads=2, max_position_embeddings=32,
        )
    ).eval()  # fmt: skip
    module.save_pretrained(tmp_path / "one")
    tokenizer.save_pretrained(tmp_path / "one")
    model = load_model(tmp_path / "one")
    assert diagnose(tmp_path / "one").kind == "cloze"
    save_model(model, tmp_path / "two")
    again = tf.AlbertForMaskedLM.from_pretrained(tmp_path / "two").eval()
    ids = torch.tensor([[1, 2, 3]])
    assert again.config.num_hidden_groups == 1
    torch.testing.assert_close(again(ids).logits, module(ids).logits, rtol=0, atol=0)

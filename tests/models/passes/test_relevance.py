"""Relevance: conserved where the rules conserve it, and norms whose scale is held."""

import pytest
import torch
from torch import nn

from factneurons.errors import BadModel
from factneurons.models.batches import Batch
from factneurons.models.hooks import before
from factneurons.models.passes.capture import capture
from factneurons.models.passes.relevance import attnlrp_rules, centring, frozen_norms, norm_slope, relp_rules
from factneurons.models.passes.whole import whole_gradients


def without_biases(model):
    with torch.no_grad():
        for name, parameter in model.backbone.module.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    return model


def first_blocks(model):
    """The blocks that embeddings enter: an encoder-decoder has two."""
    layers = model.backbone.layers
    encoder = [number for number in range(len(layers)) if model.backbone.in_encoder(number)]
    both = model.kind == "encoder-decoder"
    return [layers[0].block, *([layers[len(encoder)].block] if both else [])]


@pytest.mark.parametrize("rules", [relp_rules, attnlrp_rules])
def test_values_stay_bit_for_bit(one_of_each, rules, shared_model, new_query, hooks_of):
    model = shared_model(one_of_each)
    batch = Batch.of([new_query(model.kind)], model.backbone.device)
    plain, before_it = model.backbone.to_head(batch), hooks_of(model.backbone.module)
    with rules(model.backbone):
        assert torch.equal(model.backbone.to_head(batch), plain)
    assert hooks_of(model.backbone.module) == before_it


def test_relp_conserves_the_logit(every_family, new_model, new_query):
    """Without biases, what enters the first block has as much relevance as the logit is large."""
    model = without_biases(new_model(every_family))
    if model.backbone.adapter.experts:
        pytest.skip("no rule for routers: test_experts.py")
    query = new_query(model.kind)
    entered = []

    def enter(module, inputs, options):
        hidden = inputs[0] if inputs else options["hidden_states"]
        entered.append(hidden.detach().requires_grad_(True))
        return (entered[-1], *inputs[1:]), {k: v for k, v in options.items() if k != "hidden_states"}

    batch = Batch.of([query], model.backbone.device)
    hooks = [before(block, enter, keywords=True) for block in first_blocks(model)]
    with relp_rules(model.backbone):
        hidden = model.backbone.to_head(batch, hooks=hooks)[0, list(query.target_positions)]
    goal = torch.tensor(query.answer_ids)
    logit, slope = model.backbone.head.value_and_gradient(hidden.detach(), goal, "logit")
    if model.backbone.head.cap is not None:  # a cap's slope is no share of it: conserved up to it
        head = model.backbone.head
        logit, slope = hidden.detach() @ head.weight[goal[0]], head.weight[goal]
    found = torch.autograd.grad(hidden, entered, slope)
    relevance = sum(float((value * each).sum().detach()) for value, each in zip(entered, found, strict=True))
    assert relevance == pytest.approx(float(logit[0]), rel=1e-4 if every_family in ("gptj", "bloom") else 1e-6)


def test_the_plain_gradient_does_not(shared_model, new_query):
    """So the test above tells something."""
    model = shared_model("llama")
    query = new_query("causal")
    captured = capture(model.backbone, [query], [(0, (0,))])
    plain = whole_gradients(model.backbone, captured, "logit")
    relevance = whole_gradients(model.backbone, captured, "logit", rules=lambda: relp_rules(model.backbone))
    assert all(torch.equal(*pair) for pair in zip(plain.activations, relevance.activations, strict=True))
    assert (plain.gradients[0] - relevance.gradients[0]).abs().max() > 0.1 * plain.gradients[0].abs().max()


class Gain(nn.Module):
    """An RMS norm whose gain is one more than what it keeps."""

    def __init__(self, size):
        super().__init__()
        self.stored = nn.Parameter(torch.linspace(-0.5, 0.5, size, dtype=torch.float64))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-3) * (1 + self.stored)


@pytest.mark.parametrize("size", [5, 8])
@pytest.mark.parametrize("centred", [True, False])
def test_a_norm_with_its_scale_held(size, centred):
    torch.manual_seed(size)
    norm = nn.LayerNorm(size, eps=1e-3).double() if centred else Gain(size)
    if centred:
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    x = torch.randn(3, size, dtype=torch.float64)
    slope, found = norm_slope(norm, x, norm(x))
    assert found is centred
    of, bias = (centring(x), norm.bias) if centred else (x, 0)
    torch.testing.assert_close(of * slope + bias, norm(x))
    scale = slope / (norm.weight if centred else 1 + norm.stored)
    torch.testing.assert_close(scale, scale[:, :1].expand_as(scale))


def test_frozen_norms_end_with_the_block():
    norm, x = nn.LayerNorm(4).double(), torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    own = torch.autograd.grad(norm(x)[:, 0].sum(), x)[0]
    with frozen_norms():
        held = torch.autograd.grad(norm(x)[:, 0].sum(), x)[0]
    assert (own - held).abs().max() > 0.01
    assert torch.equal(torch.autograd.grad(norm(x)[:, 0].sum(), x)[0], own)


def test_what_cannot_be_reached_is_refused(new_model, monkeypatch):
    model = new_model("llama")
    monkeypatch.setattr(model.backbone.module.config, "_attn_implementation", "flash_attention_2")
    with pytest.raises(BadModel, match=r"^tiny llama: relevance cannot pass through the attention 'flash_attention_2'"):
        relp_rules(model.backbone).__enter__()

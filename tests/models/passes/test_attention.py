"""Attention of our own is left behind nowhere: not in the configuration, not in the context variable."""

import pytest
import torch

from factneurons.errors import BadModel
from factneurons.models.passes import attention
from factneurons.models.passes.capture import capture
from factneurons.models.passes.fast_path import values_and_gradients


def random_points(captured, count=2, seed=0):
    """Rows anywhere between nothing and twice the activation."""
    generator = torch.Generator().manual_seed(seed)
    return [
        2 * torch.rand(len(value), count, value.shape[-1], generator=generator).to(value) * value
        for value in captured.activations
    ]


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_attention_is_put_back(implementation, new_model, new_query, hooks_of):
    model = new_model("llama", torch.float32)  # eager attention takes its softmax in float32
    model.backbone.module.set_attn_implementation(implementation)
    captured = capture(model.backbone, [new_query("causal")], [(0, (0,))])
    values_and_gradients(model.backbone, captured, random_points(captured), "probability")
    assert model.backbone.fast_path.fits
    assert model.backbone.module.config._attn_implementation == implementation
    assert {
        module.config._attn_implementation for module in model.backbone.module.modules() if hasattr(module, "config")
    } == {implementation}
    assert attention._PREFIX.get() is None
    assert hooks_of(model.backbone.module) == {}


@pytest.mark.parametrize("family", ["bert", "llama"])
@pytest.mark.filterwarnings("ignore:.*fast path does not fit")
@pytest.mark.parametrize("error", [RuntimeError("mid-pass"), KeyboardInterrupt()])
def test_everything_is_put_back_when_a_block_throws(family, error, new_model, new_query, hooks_of):
    model = new_model(family)
    captured = capture(model.backbone, [new_query(model.kind)], [(0, (0,))])
    points = random_points(captured)
    values_and_gradients(model.backbone, captured, points, "probability")
    before = model.backbone.module.config._attn_implementation

    def throw(module, inputs):
        raise error

    handle = model.backbone.layers[2].up.register_forward_pre_hook(throw)
    hooks = hooks_of(model.backbone.module)
    with pytest.raises((KeyboardInterrupt, BadModel), match=r"mid-pass|^$"):
        values_and_gradients(model.backbone, captured, points, "probability")
    assert hooks_of(model.backbone.module) == hooks
    handle.remove()
    assert hooks_of(model.backbone.module) == {}
    assert model.backbone.module.config._attn_implementation == before
    assert attention._PREFIX.get() is None
    again = values_and_gradients(model.backbone, captured, points, "probability")
    assert all(torch.isfinite(value).all() for value in again[0])

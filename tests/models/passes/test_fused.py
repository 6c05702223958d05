"""Activation functions in one kernel: the same function, and the module as it was afterwards."""

import pytest
import torch
from transformers.activations import ACT2FN, ClippedGELUActivation

from factneurons.models.passes.fused import fused_activations


@pytest.mark.parametrize("name", ["gelu_new", "gelu_fast"])
def test_one_kernel_is_the_same_function_with_the_same_slope(name):
    module, given = ACT2FN[name], torch.linspace(-12, 12, 241, dtype=torch.float64, requires_grad=True)
    plain = module(given)
    with fused_activations([module]):
        assert "forward" in vars(module)
        fused = module(given)
    assert "forward" not in vars(module)
    torch.testing.assert_close(fused, plain, rtol=1e-9, atol=1e-9)
    for one, other in zip(*(torch.autograd.grad(each.sum(), given) for each in (fused, plain)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(module(given), plain, rtol=0, atol=0)


def test_a_module_that_several_layers_share_is_put_back_when_something_throws():
    module = ACT2FN["gelu_new"]
    with pytest.raises(KeyboardInterrupt), fused_activations([module, module, None]):
        raise KeyboardInterrupt
    assert "forward" not in vars(module)


def test_other_functions_and_own_forwards_stay_as_they_are():
    def own(given):
        return given + 1

    changed, clipped = ACT2FN["gelu_new"], ClippedGELUActivation(-1, 1)
    changed.forward = own
    with fused_activations([changed, clipped, torch.nn.ReLU()]):
        assert changed.forward is own
        assert clipped(torch.tensor([5.0])).item() == 1.0
    assert changed.forward is own

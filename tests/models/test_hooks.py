"""Hooks hang for the time of a block, whatever happens in it."""

import pytest
import torch
from torch import nn

from factneurons.models.hooks import after, before, hooked, noting_shape


class Broken(Exception):
    pass


@pytest.fixture
def module():
    return nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))


def test_they_replace_what_goes_in_and_what_comes_out(module):
    x = torch.ones(3, 2)
    doubled, negative = before(module[1], lambda m, inputs: (2 * inputs[0],)), after(module, lambda m, i, out: -out)
    true = -module[1](2 * module[0](x))
    with hooked([doubled, negative]):
        torch.testing.assert_close(module(x), true)
    torch.testing.assert_close(module(x), module[1](module[0](x)))


@pytest.mark.parametrize("where", ["registering", "in a pass"])
def test_none_is_left_after_an_exception(module, where, hooks_of):
    def broken():
        raise Broken

    def fail(*inputs):
        raise Broken

    hooks = [before(module[0], fail), *([broken] if where == "registering" else [])]
    with pytest.raises(Broken), hooked(hooks):
        module(torch.ones(1, 2))
    assert hooks_of(module) == {}


def test_others_hooks_stay(module, hooks_of):
    module[0].register_forward_hook(lambda m, i, out: None)
    own = hooks_of(module)
    with hooked([before(module[0], lambda m, inputs: None)]):
        pass
    assert hooks_of(module) == own


def test_a_shape_is_noted_however_it_is_given():
    class Block(nn.Module):
        def forward(self, hidden_states):
            return hidden_states

    block = Block()
    shape, noting = noting_shape(block)
    with hooked([noting]):
        block(torch.zeros(3, 5, 2))
        assert shape == [3, 5]
        block(hidden_states=torch.zeros(1, 4, 2))
        assert shape == [1, 4]

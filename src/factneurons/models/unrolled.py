"""Layers that share one module (ALBERT), unrolled: a module for each call of it, all over the same weights.

ALBERT runs one block again and again. A neuron (layer, index) is a place in the unrolled network: what is read, changed
or attributed there touches that call alone. The weights stay one tensor, so an edit of them would touch every layer.
"""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any

from torch import nn

from factneurons.errors import BadModel


class Unrolled(nn.ModuleList):
    """The blocks of a network in the order of their calls; its state is that of the shared ones.

    Args:
        shared: the blocks as the model keeps them.
        calls: which of them each layer calls.
    """

    def __init__(self, shared: nn.ModuleList, calls: list[int]) -> None:
        first = {number: calls.index(number) for number in calls}
        super().__init__(
            shared[number] if layer == first[number] else _over_the_same_weights(shared[number])
            for layer, number in enumerate(calls)
        )
        self._calls = calls

    def state_dict(self, *given: Any, **options: Any) -> Any:
        """The weights as transformers keeps them, each once, so that a model is saved as what it was loaded from."""
        state, prefix = super().state_dict(*given, **options), options.get("prefix", "")
        for name in [name for name in state if name.startswith(prefix)]:
            layer, rest = name.removeprefix(prefix).split(".", 1)
            state[f"{prefix}{self._calls[int(layer)]}.{rest}"] = state.pop(name)
        return state


def _over_the_same_weights(block: nn.Module) -> nn.Module:
    kept = [
        *block.parameters(),
        *block.buffers(),
        *(part.config for part in block.modules() if hasattr(part, "config")),
    ]
    return deepcopy(block, {id(each): each for each in kept})


def unroll(module: nn.Module) -> None:
    """Give every layer that shares its block a module of its own, in place; other models stay as they are.

    Raises:
        BadModel: what is shared is a group of several blocks.
    """
    for parent in list(module.modules()):
        groups = getattr(parent, "albert_layer_groups", None)
        if not isinstance(groups, nn.ModuleList) or isinstance(groups, Unrolled):
            continue
        config: Any = copy(parent.config)
        if config.inner_group_num != 1:
            raise BadModel(f"its layers share groups of {config.inner_group_num} blocks, which is not supported")
        layers = config.num_hidden_layers
        parent.albert_layer_groups = Unrolled(groups, [int(layer / (layers / len(groups))) for layer in range(layers)])
        config.num_hidden_groups = layers  # the network's own loop then calls each once
        parent.config = config

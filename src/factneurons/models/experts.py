"""Mixtures of experts as one wide MLP per layer, so that a neuron's index runs through all experts of its layer.

transformers keeps the experts of a layer in two tensors and adds their outputs, each times the router's weight. Put
side by side they are one MLP with one down-projection; neuron j of expert e has the index e * (neurons per expert) + j,
and its value is what that down-projection reads:

    value = weight of e by the router * act(gate) * up        where the router chose e for the token
          = 0                                                 elsewhere

Only chosen experts are computed. The router's choice is no neuron's: suppressing neurons changes what the routers of
the layers above read, and they choose and weigh anew.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from factneurons.errors import BadModel


class JoinedExperts(nn.Module):
    """The experts of one layer, called as transformers calls its own.

    Attributes:
        count: experts; size: neurons of each.
        gate, up: [count * size, hidden], one expert's rows after the other's.
        down: [hidden, count * size].

    Args:
        experts: a module with `gate_up_proj` [count, 2 * size, hidden], `down_proj` [count, hidden, size], `act_fn`.
    """

    def __init__(self, experts: nn.Module) -> None:
        super().__init__()
        inward, outward = experts.get_parameter("gate_up_proj").detach(), experts.get_parameter("down_proj").detach()
        self.count, self.size, hidden = inward.shape[0], inward.shape[1] // 2, inward.shape[2]
        gate, up = (part.reshape(-1, hidden) for part in inward.chunk(2, dim=1))
        self.gate, self.up = _linear(gate), _linear(up)
        self.down = _linear(outward.permute(1, 0, 2).reshape(hidden, -1))
        self.act_fn = experts.get_submodule("act_fn")

    def state_dict(self, *given: Any, **options: Any) -> Any:
        """The weights as transformers keeps them, so that a model is saved as what it was loaded from."""
        state, prefix = super().state_dict(*given, **options), options.get("prefix", "")
        gate, up, down = (state.pop(f"{prefix}{name}.weight") for name in ("gate", "up", "down"))
        gate, up = (part.view(self.count, self.size, -1) for part in (gate, up))
        state[f"{prefix}gate_up_proj"] = torch.cat([gate, up], 1)
        state[f"{prefix}down_proj"] = down.view(-1, self.count, self.size).permute(1, 0, 2).contiguous()
        return state

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """The sum over chosen experts, [tokens, hidden], of hidden_states [tokens, hidden] by a router's choice."""
        values = hidden_states.new_zeros(len(hidden_states), self.count * self.size)
        for expert in top_k_index.unique().tolist():
            if expert >= self.count:  # stands for no expert
                continue
            tokens, places = torch.where(top_k_index == expert)
            own = slice(expert * self.size, (expert + 1) * self.size)
            read = hidden_states[tokens]
            gate, up = (nn.functional.linear(read, part.weight[own]) for part in (self.gate, self.up))
            weights = top_k_weights[tokens, places, None]
            values[tokens, own] = (self.act_fn(gate) * up * weights).to(values.dtype)
        result: Tensor = self.down(values)
        return result


def _linear(weight: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    made.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    return made


def join_experts(module: nn.Module) -> None:
    """Put the experts of every layer side by side, in place; other modules stay as they are.

    Raises:
        BadModel: the experts are spread over devices.
    """
    for parent in list(module.modules()):
        experts = getattr(parent, "experts", None)
        if not isinstance(experts, nn.Module) or not _can_be_joined(experts):
            continue
        if hasattr(experts, "_hf_hook"):
            raise BadModel("the experts of a mixture cannot be spread over devices: load it without device_map")
        parent.experts = JoinedExperts(experts)


def _can_be_joined(experts: nn.Module) -> bool:
    parameters = {name: parameter.dim() for name, parameter in experts.named_parameters()}
    turned = getattr(experts, "is_transposed", False)
    return parameters == {"gate_up_proj": 3, "down_proj": 3} and hasattr(experts, "act_fn") and not turned

"""Quantised weights: what they stand for is asked of their own module, so that formats need no word here."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from factneurons.errors import BadModel

_ROWS = 512
"""Inputs of a matrix that are read at once."""


def is_plain(weight: object) -> bool:
    """Whether weights are floating-point numbers in a tensor of no class of its own."""
    return type(weight) in (Tensor, nn.Parameter) and isinstance(weight, Tensor) and weight.is_floating_point()


def said(module: nn.Module) -> str:
    """How a module's weights are kept, for messages: their class, or the type of packed numbers."""
    weight = module.weight
    own = isinstance(weight, Tensor) and weight.is_floating_point()
    return type(weight).__name__ if own else str(getattr(weight, "dtype", ""))


@torch.no_grad()
def dequantised(module: nn.Module) -> Tensor:
    """The weights [out, in] of a linear layer: what it makes of each input alone, less what it makes of none."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    assert isinstance(module, nn.Linear)
    place: dict[str, Any] = {"device": weight.device}
    place["dtype"] = weight.dtype if weight.is_floating_point() else torch.float32
    nothing = module.forward(torch.zeros(1, module.in_features, **place))
    parts = []
    for start in range(0, module.in_features, _ROWS):
        rows = torch.zeros(min(_ROWS, module.in_features - start), module.in_features, **place)
        rows.diagonal(start).fill_(1.0)
        parts.append(module.forward(rows) - nothing)
    return torch.cat(parts).T


def keep_gradients(module: nn.Module) -> None:
    """Let every layer of a model give gradients of its input.

    On some processors bitsandbytes lays 4-bit weights out anew at the first pass, for a product that has none; what it
    makes of them backwards is not what they were.

    Raises:
        BadModel: it has done so.
    """
    for part in module.modules():
        if not hasattr(part, "support_avx512bf16_for_cpu"):
            continue
        vars(part)["support_avx512bf16_for_cpu"] = False
        if getattr(getattr(part.weight, "quant_state", None), "packing_format_for_cpu", False):
            raise BadModel(
                "this model was run before, and bitsandbytes has laid out its weights for a product without gradients: "
                "load it anew, and make a Model of it before anything else"
            )

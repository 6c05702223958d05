"""Relevance propagation: one backward pass with other slopes than the operations' own.

With the slopes below, value times slope is the relevance of layer-wise relevance propagation (LRP), and one ordinary
backward pass computes it. Values stay as they are. What both methods share:

| operation | rule | slope |
| --- | --- | --- |
| layer and RMS norm | LN-rule (Ali et al., 2022) | the scale is a constant; a mean is still taken off |
| activation function f(x) | identity rule | f(x) / x |
| product of a gated MLP | half (uniform) rule | half of each factor's |
| matrices, sums | 0-rule (epsilon to 0) | their own |

They differ in attention. RelP (Rezaei Jafari et al., 2025) freezes the pattern (AH-rule): only values carry relevance.
AttnLRP (Achtibat et al., ICML 2024) gives the pattern and the values half each, takes the softmax's own derivative (its
Taylor rule), and gives queries and keys half each of the pattern's.

No family is named: norms and activations are found by their modules, the pattern where softmax, or the fused attention
of PyTorch, is called. A cap on attention scores has its own slope in AttnLRP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from factneurons.errors import BadModel
from factneurons.models.backbone import Backbone
from factneurons.models.hooks import after, after_any, hooked

_SOFTMAX = {torch.softmax, torch.nn.functional.softmax, Tensor.softmax, torch.special.softmax}
_PRODUCT = {torch.matmul, torch.bmm, Tensor.matmul, Tensor.bmm, Tensor.__matmul__}
_NEAR_ZERO = 1e-6
_CONSTANT = 1e-2
"""A norm whose output moves less than this with a constant added to its input takes the mean off."""


@contextmanager
def relp_rules(backbone: Backbone) -> Iterator[None]:
    """The slopes of RelP, for the time of a forward pass.

    Raises:
        BadModel: the model's activation function or attention cannot be reached.
    """
    with _shared_rules(backbone), _Attention(backbone, pattern=0.0, values=1.0):
        yield


@contextmanager
def attnlrp_rules(backbone: Backbone) -> Iterator[None]:
    """The slopes of AttnLRP, for the time of a forward pass.

    Raises:
        BadModel: the model's activation function or attention cannot be reached.
    """
    with _shared_rules(backbone), _Attention(backbone, pattern=0.25, values=0.5):
        yield


@contextmanager
def frozen_norms() -> Iterator[None]:
    """Norms with constant scales, for the time of the block."""
    with hooked([after_any(_frozen_norm)]):
        yield


@contextmanager
def _shared_rules(backbone: Backbone) -> Iterator[None]:
    kinds = {type(layer.activation) for layer in backbone.layers}
    if backbone.adapter.experts:
        raise BadModel(f"{backbone.name}: relevance has no rule for the router of a mixture of experts")
    if type(None) in kinds:
        raise BadModel(f"{backbone.name}: its activation function is no module, so relevance cannot pass through it")
    # some heads call an activation that is no submodule: a hook on all modules reaches it
    hooks = [after_any(_identity_rule(kinds))]
    if backbone.adapter.gated:
        parts = [part for layer in backbone.layers for part in (layer.up, layer.gate) if part is not None]
        hooks += [after(part, lambda module, inputs, output: _with_share(output, 0.5)) for part in parts]
    with frozen_norms(), hooked(hooks):
        yield


def _with_slope(value: Tensor, of: Tensor, slope: Tensor | float) -> Tensor:
    """The value, bit for bit, whose derivative with respect to `of` is the slope."""
    return value.detach() + (of - of.detach()) * slope


def _with_share(value: Tensor, share: float) -> Tensor:
    return value.detach() if share == 0.0 else _with_slope(value, value, share)


def _identity_rule(kinds: set[type]) -> Callable[..., Tensor | None]:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if type(module) not in kinds:
            return None
        x = inputs[0]
        with torch.no_grad():
            away = torch.where(x == 0, _NEAR_ZERO, x)
            slope = module.forward(away) / away
        return _with_slope(output, x, slope)

    return hook


def _is_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower() and next(module.children(), None) is None


def _frozen_norm(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
    if not _is_norm(module):
        return None
    slope, centred = norm_slope(module, inputs[0], output)
    return _with_slope(output, centring(inputs[0]) if centred else inputs[0], slope)


def centring(x: Tensor) -> Tensor:
    """What is left without the mean over the last axis."""
    return x - x.mean(-1, keepdim=True)


@torch.no_grad()
def norm_slope(module: nn.Module, x: Tensor, output: Tensor) -> tuple[Tensor, bool]:
    """A norm as the elementwise product that it is where its scale stays as it is.

    The gain is read off the norm's own answers, so it does not matter what its weights are called.

    Args:
        module: a norm over the last axis.
        x: its input [..., hidden].
        output: its output.

    Returns:
        the slopes [..., hidden], and whether they are those of `x` less its mean.
    """
    size = x.shape[-1]
    signs = torch.ones(size, dtype=x.dtype, device=x.device)
    signs[::2] = -1.0
    bias, of_constant, of_signs = module.forward(torch.stack([torch.zeros_like(signs), torch.ones_like(signs), signs]))
    centred = bool((of_constant - bias).norm() < _CONSTANT * (of_signs - bias).norm())
    if centred:
        signs, x = centring(signs), centring(x)
    gain = (of_signs - bias) / signs
    length = (gain * x).norm(dim=-1, keepdim=True)
    scale = (output - bias).norm(dim=-1, keepdim=True) / length.clamp(min=torch.finfo(x.dtype).tiny)
    return gain * scale, centred


class _Attention(TorchFunctionMode):
    """Shares of the slopes through attention's pattern and values.

    Args:
        backbone: the model that runs.
        pattern: of the slope with respect to queries and keys.
        values: of the slope with respect to values.

    Raises:
        BadModel: attention by kernels that are not PyTorch's own.
    """

    def __init__(self, backbone: Backbone, *, pattern: float, values: float) -> None:
        super().__init__()
        kernel = str(getattr(backbone.module.config, "_attn_implementation", ""))
        if "flash" in kernel or "flex" in kernel:
            raise BadModel(
                f"{backbone.name}: relevance cannot pass through the attention {kernel!r}; load the model with 'sdpa'"
            )
        self._pattern, self._values = pattern, values
        self._awaits_values = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention:
            query, key, value, *rest = args
            query, key = (_with_share(part, self._pattern) for part in (query, key))
            return func(query, key, _with_share(value, self._values), *rest, **kwargs)
        if func in _SOFTMAX:
            self._awaits_values = True
            return _with_share(func(*args, **kwargs), self._pattern)
        if func in _PRODUCT and self._awaits_values:  # the first product after the softmax is that with the values
            self._awaits_values = False
            first, second, *rest = args
            return func(first, _with_share(second, self._values), *rest, **kwargs)
        return func(*args, **kwargs)

"""The output head at the target positions: probabilities and their gradients without keeping the vocabulary.

The derivative of a softmax probability with respect to the head's input is known in closed form,
dp_t/dh = p_t (W_t - sum_v p_v W_v), so no automatic differentiation goes through the vocabulary, and one
buffer of `_ROWS` x vocabulary serves all rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from factneurons.errors import BadModel
from factneurons.models.adapters import is_projection, is_quantised
from factneurons.models.hooks import before, hooked
from factneurons.models.types import Kind, Target

_ROWS = 128
_TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-3}
_COARSE = 0.1
_CAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")


@dataclass(frozen=True, slots=True)
class Head:
    """The vocabulary projection of a model: z = scale (h W^T + b), logits = cap tanh(z / cap) where capped.

    Attributes:
        weight: W, [vocabulary, hidden].
        bias: b, [vocabulary], or None.
        scale: what logits are multiplied by.
        cap: where logits are capped smoothly, or None.
    """

    weight: Tensor
    bias: Tensor | None
    scale: float = 1.0
    cap: float | None = None

    @classmethod
    def of(cls, projection: nn.Module, config: object) -> Head:
        """The head whose projection is this module, with what the configuration says of scale and cap.

        Raises:
            BadModel: its weights are quantised.
        """
        if is_projection(projection) and is_quantised(projection):
            raise BadModel("its output embeddings are quantised: load it so that they are left as they are")
        weight, bias = projection.weight, getattr(projection, "bias", None)
        assert isinstance(weight, Tensor)
        divisor = getattr(config, "logits_scaling", None)
        scale = getattr(config, "logit_scale", None)
        return cls(
            weight.detach(),
            None if bias is None else bias.detach(),
            scale=1.0 / divisor if divisor else float(scale or 1.0),
            cap=next((cap for name in _CAPS if (cap := getattr(config, name, None))), None),
        )

    def _chunks(self, hidden: Tensor, targets: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        buffer = hidden.new_empty(min(_ROWS, len(hidden)), self.weight.shape[0])
        for start in range(0, len(hidden), _ROWS):
            part = slice(start, min(start + _ROWS, len(hidden)))
            logits = buffer[: part.stop - part.start]
            torch.mm(hidden[part], self.weight.T, out=logits)
            if self.bias is not None:
                logits.add_(self.bias)
            if self.scale != 1.0:
                logits.mul_(self.scale)
            if self.cap is not None:
                logits.div_(self.cap).tanh_().mul_(self.cap)
            wide = logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
            yield part, wide, targets[part, None].to(wide.device)

    def _slope(self, logits: Tensor) -> Tensor | float:
        """d logit / d (h W^T + b), from the logit itself."""
        return self.scale if self.cap is None else self.scale * (1.0 - (logits / self.cap).square())

    def value_and_gradient(
        self, hidden: Tensor, targets: Tensor, target: Target, against: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The target function and its gradient with respect to the head's input.

        Args:
            hidden: [rows, hidden], the head's input at the target positions.
            targets: [rows], token ids.
            target: "probability", "log_probability" (nats) or "logit".
            against: [rows], token ids whose function is taken off; None: nothing is.

        Returns:
            values [rows] and gradients [rows, hidden].
        """
        values, gradients = self._value_and_gradient(hidden, targets, target)
        if against is None:
            return values, gradients
        other, slopes = self._value_and_gradient(hidden, against, target)
        return values - other, gradients - slopes

    def values(self, hidden: Tensor, targets: Tensor, target: Target, against: Tensor | None = None) -> Tensor:
        """The target function alone, [rows] (arguments as in `value_and_gradient`)."""
        found = self._values(hidden, targets, target)
        return found if against is None else found - self._values(hidden, against, target)

    @torch.no_grad()
    def _values(self, hidden: Tensor, targets: Tensor, target: Target) -> Tensor:
        result = hidden.new_empty(len(hidden), dtype=wide_dtype(hidden.dtype))
        for part, logits, wanted in self._chunks(hidden, targets):
            chosen = logits.gather(1, wanted)[:, 0] if target == "logit" else _log_probability(logits, wanted)
            result[part] = chosen.exp() if target == "probability" else chosen
        return result

    @torch.no_grad()
    def _value_and_gradient(self, hidden: Tensor, targets: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        values = hidden.new_empty(len(hidden), dtype=wide_dtype(hidden.dtype))
        gradients = torch.empty_like(hidden)
        for part, logits, wanted in self._chunks(hidden, targets):
            chosen = logits.gather(1, wanted)
            slope = self._slope(logits)
            own_slope = self._slope(chosen)
            own = self.weight[wanted[:, 0]] * (own_slope.to(hidden) if isinstance(own_slope, Tensor) else own_slope)
            if target == "logit":
                values[part], gradients[part] = chosen[:, 0], own
                continue
            top = logits.amax(-1, keepdim=True)
            total = logits.sub_(top).exp_().sum(-1, keepdim=True)
            log_probability = (chosen - top - total.log())[:, 0]
            pulled = logits.mul_(slope) if self.cap is not None or self.scale != 1.0 else logits
            gradient = own - (pulled.to(hidden.dtype) @ self.weight) / total.to(hidden.dtype)
            if target == "probability":
                values[part] = log_probability.exp()
                gradients[part] = gradient * values[part, None].to(hidden.dtype)
            else:
                values[part], gradients[part] = log_probability, gradient
        return values, gradients

    @torch.no_grad()
    def log_probabilities(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Log-probability in nats of one token per row, [rows] float64."""
        result = hidden.new_empty(len(hidden), dtype=torch.float64)
        for part, logits, wanted in self._chunks(hidden, targets):
            result[part] = _log_probability(logits, wanted).double()
        return result

    @torch.no_grad()
    def ranks(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The rank of one token per row (1 = top; ties count in its favour) and the top token's id."""
        ranks = torch.empty(len(hidden), dtype=torch.long)
        top = torch.empty(len(hidden), dtype=torch.long)
        for part, logits, wanted in self._chunks(hidden, targets):
            ranks[part] = 1 + (logits > logits.gather(1, wanted)).sum(-1).cpu()
            top[part] = logits.argmax(-1).cpu()
        return ranks, top


def _log_probability(logits: Tensor, wanted: Tensor) -> Tensor:
    """Of one token per row, [rows], in one fused pass: the sum of exponentials alone takes twice as long."""
    return -cross_entropy(logits, wanted[:, 0], reduction="none")


@torch.no_grad()
def check_head(head: Head, module: Any, projection: nn.Module, kind: Kind) -> None:
    """Compare the head's log-probabilities with the model's own, on two tokens.

    Args:
        head: the head that was read off the projection.
        module: the whole model.
        projection: its vocabulary projection.
        kind: how the model is asked.

    Raises:
        BadModel: they differ, so the model does something to its logits that is not known here.
    """
    ids = torch.tensor([[1, 2]], device=next(module.parameters()).device)
    options = {"decoder_input_ids": ids} if kind == "encoder-decoder" else {}
    seen: list[Tensor] = []
    with hooked([before(projection, lambda module, inputs: seen.append(inputs[0]))]):
        logits = module(input_ids=ids, **options).logits[0].double()
    hidden = seen[0][0].to(head.weight.device)  # of the same pass: an open intervention changes both
    targets = logits.argmax(-1)
    true = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(-1)
    found = head.log_probabilities(hidden, targets)
    if not torch.allclose(found, true.to(found.device), atol=tolerance(head.weight.dtype), equal_nan=True):
        raise BadModel(
            "its probabilities do not follow from its output embeddings; it scales or caps its logits in a way that "
            "is not supported"
        )


def fitting_scale(head: Head, module: Any, projection: nn.Module, kind: Kind) -> float:
    """The head's scale; where logits do not follow with what the configuration says, none, or its inverse.

    MiniCPM scales what enters the projection; what divides in one model (Granite) multiplies in another (HyperCLOVA).

    Raises:
        BadModel: they do not follow with any.
    """
    try:
        check_head(head, module, projection, kind)
    except BadModel:
        for scale in {1.0, 1.0 / head.scale} - {head.scale}:
            with suppress(BadModel):
                check_head(replace(head, scale=scale), module, projection, kind)
                return scale
        raise
    return head.scale


def tolerance(dtype: torch.dtype) -> float:
    """How far two ways to the same number may part, as a share of it."""
    return _TOLERANCE.get(dtype, _COARSE)


def wide_dtype(dtype: torch.dtype) -> torch.dtype:
    """Probabilities and sums are held in float32 at least: scores of 1e-7 vanish in half precision."""
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32

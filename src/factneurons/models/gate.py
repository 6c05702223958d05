"""What a model must keep to before it is asked: tried on a few tokens, once, when it is loaded or diagnosed.

A causal model's earlier outputs do not depend on later tokens; what stands beside a prompt in a batch does not change
it; the probabilities follow from the head's input; and nothing of an MLP passes by the value that is read and changed.
The first and the last are held by gradients that must be exactly zero, so that small weights hide nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from factneurons.errors import MODEL_ERRORS, BadModel
from factneurons.models.backbone import Backbone
from factneurons.models.batches import Batch
from factneurons.models.files import first_line
from factneurons.models.head import tolerance
from factneurons.models.hooks import after, before

_EARLY, _LATE = 3, 3


class LooksAhead(BadModel):
    """A model that was to be asked as a causal one, whose outputs depend on later tokens."""


def check_model(backbone: Backbone) -> None:
    """Try a model on a few tokens; one whose weights are not all in memory is taken on trust.

    Raises:
        LooksAhead: asked as a causal model, it looks both ways.
        BadModel: the model fails in itself; its probabilities do not follow from its head; something of an MLP
            passes by the captured value; or a neighbour in the batch changes what a prompt gets.
    """
    if backbone.kind == "encoder-decoder" and not getattr(backbone.module.config, "is_encoder_decoder", False):
        raise BadModel(f"{backbone.name} has no encoder of text; it cannot be asked as an encoder-decoder")
    if any(parameter.is_meta for parameter in backbone.module.parameters()):
        return
    try:
        with torch.inference_mode(False):
            _check_gradients(backbone)
            _check_neighbours(backbone)
            _ = backbone.head  # checks itself
    except MODEL_ERRORS as error:
        raise BadModel(
            f"{backbone.name}: a trial pass over a few tokens fails in the model itself: {type(error).__name__}: "
            f"{first_line(error)}"
        ) from error


def _batch(backbone: Backbone, rows: list[list[int]]) -> Batch:
    ids = torch.tensor(rows, device=backbone.device)
    return Batch((), ids, ids if backbone.kind == "encoder-decoder" else None)


def _tokens(backbone: Backbone) -> list[int]:
    """Ids that stand for nothing special, as many as the checks need; some twice where a vocabulary is tiny."""
    config = vars(backbone.module.config)
    special = {value for name, value in config.items() if name.endswith("_token_id") and isinstance(value, int)}
    special.update(getattr(backbone.tokenizer, "all_special_ids", ()))
    size = backbone.vocabulary
    plain = [token for token in range(min(size, len(special) + 16)) if token not in special] or [size - 1]
    return [plain[place % len(plain)] for place in range(_EARLY + 2 * _LATE)]


@torch.enable_grad()
def _check_gradients(backbone: Backbone) -> None:
    """One pass forward and back, to every neuron's value, which is held: what else moves the output passes it by."""
    embedded: list[Tensor] = []
    read: dict[int, Tensor] = {}
    held: list[Tensor] = []

    def leaf_of_embedding(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_(True))
        return embedded[-1].clone()  # some models change what they have embedded in place

    def leaf_of_layer(number: int) -> Callable[..., Tensor]:
        def leaf(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            read[number] = output.detach().requires_grad_(True)
            return read[number].clone()

        return leaf

    calls: Counter[int] = Counter()

    hooks = [before(layer.down, _held(held, calls, number)) for number, layer in enumerate(backbone.layers)]
    for number, layer in enumerate(backbone.layers):
        hooks.append(after(layer.up, leaf_of_layer(number)))
    if backbone.kind == "causal":
        hooks.append(after(backbone.module.get_input_embeddings(), leaf_of_embedding))
    early = _EARLY if backbone.kind == "causal" else _EARLY + _LATE
    hidden = backbone.to_head(_batch(backbone, [_tokens(backbone)[: _EARLY + _LATE]]), hooks=hooks)
    _check_once(backbone, calls)
    weights = torch.randn(hidden.shape[-1], generator=torch.Generator().manual_seed(0)).to(hidden)
    goal = (hidden[:, :early] * weights).sum()  # not the plain sum, which a normalisation holds constant
    leaves = [*embedded[:1], *read.values(), *held]
    found = _slopes(backbone, goal, leaves, len(held))
    if embedded and bool(_by_token(found[0])[_EARLY:].any()):
        raise LooksAhead(
            f"{backbone.name} is no causal model: later tokens change its earlier outputs, so it looks both ways; "
            "and it cannot be asked as a masked model, for which it would need a masked head and a mask token"
        )
    for number, slope in zip(read, found[len(embedded[:1]) :], strict=False):
        if bool(slope.any()):
            raise BadModel(
                f"{backbone.name}: something of the MLP in layer {number} passes by the values of its neurons (an "
                "adapter such as LoRA on the down-projection, or a second branch): merge it into the weights first"
            )


def _slopes(backbone: Backbone, goal: Tensor, leaves: list[Tensor], held: int) -> tuple[Tensor, ...]:
    """The gradients of the goal; those of the held values, the last ones, must be finite at the tokens asked about.

    Behind these some models put padding of their own (Longformer), whose gradients are NaN and are never read.
    """
    if not goal.requires_grad:
        raise BadModel(f"{backbone.name}: no gradient leads from its outputs to its neurons: it cannot be attributed")
    found = torch.autograd.grad(goal, leaves, allow_unused=True, materialize_grads=True)
    if not bool(goal.isfinite()):
        raise BadModel(f"{backbone.name}: its outputs for a few tokens are NaN or infinite")
    tokens = _EARLY + _LATE
    if not all(bool(slope.reshape(-1, slope.shape[-1])[:tokens].isfinite().all()) for slope in found[-held:]):
        raise BadModel(f"{backbone.name}: gradients of its outputs are NaN or infinite: it cannot be attributed")
    return found


def _held(held: list[Tensor], calls: Counter[int], number: int) -> Callable[..., tuple[Tensor]]:
    """A hook that lets gradients come to a layer's values and no further, and counts how often those are made."""

    def hold(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        calls[number] += 1
        held.append(inputs[0].detach().requires_grad_(True))
        return (held[-1],)

    return hold


def _check_once(backbone: Backbone, calls: Counter[int]) -> None:
    for number, times in calls.items():
        if times > 1:
            raise BadModel(
                f"{backbone.name}: the MLP of layer {number} runs {times} times in a pass, over other tokens than the "
                "prompt's too, so that its neurons have no one value to be read and changed"
            )


def _by_token(slope: Tensor) -> Tensor:
    """The gradient of one prompt's embeddings, tokens first: XLNet puts them before the rows of the batch."""
    return slope.reshape(_EARLY + _LATE, -1)


@torch.no_grad()
def _check_neighbours(backbone: Backbone) -> None:
    """The same prompt alone and, for causal models longer, beside another one."""
    tokens = _tokens(backbone)
    first, second = tokens[: _EARLY + _LATE], tokens[_LATE:]
    together = backbone.to_head(_batch(backbone, [first, second]))[1]
    length = _EARLY if backbone.kind == "causal" else len(second)
    alone = backbone.to_head(_batch(backbone, [second[:length]]))[0]
    difference = (together[:length] - alone).abs().max()
    if not difference <= tolerance(backbone.dtype) * alone.abs().max():
        raise BadModel(
            f"{backbone.name}: what stands beside a prompt in a batch, or after it, changes its outputs, so no number "
            "of it would hold"
        )

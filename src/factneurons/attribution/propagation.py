"""Methods of one backward pass: value times slope, where the slope is the gradient or what replaces it.

Sources: RelP, Rezaei Jafari et al. (2025), relevance propagation coefficients in place of the gradients of attribution
patching; AttnLRP, Achtibat et al. (ICML 2024); AtP*, Kramár et al. (2024), attribution patching with its two fixes.
Where those compare a clean with another prompt, the other one here is the neuron at 0, as for every method of this
room: the score is (a_j - 0) times the slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from factneurons.attribution.scores import Scores
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadModel
from factneurons.models.hooks import Registration, after, before, stream_of, with_stream
from factneurons.models.model import Model
from factneurons.models.passes.capture import Capture, Item, places
from factneurons.models.passes.fast_path import values_and_gradients
from factneurons.models.passes.relevance import attnlrp_rules, relp_rules
from factneurons.models.passes.spread import spread_places
from factneurons.models.passes.whole import WholeGradients, whole_gradients


def gradient_x_activation(
    model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings
) -> Scores:
    """dF/da_j times a_j: attribution patching with zero."""
    if settings.positions != "target":
        whole = whole_gradients(model.backbone, captured, settings.target)
        return Scores.without_path(_summed(model, captured, items, settings, whole), 1)
    found = values_and_gradients(model.backbone, captured, captured.activations, settings.target)[1]
    pairs = zip(captured.activations, found, strict=True)
    return Scores.without_path([value[:, 0] * slope[:, 0] for value, slope in pairs if slope is not None], 1)


def relp(model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Scores:
    """Value times RelP's propagation coefficient (`passes.relevance`), started from the slope of F at the logits.

    Raises:
        BadModel: relevance cannot pass through the model's activation function or attention.
    """
    found = whole_gradients(model.backbone, captured, settings.target, rules=lambda: relp_rules(model.backbone))
    return Scores.without_path(_summed(model, captured, items, settings, found), 1)


def attnlrp(model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Scores:
    """The relevance of AttnLRP (`passes.relevance`), started from the slope of F at the logits.

    Raises:
        BadModel: relevance cannot pass through the model's activation function or attention.
    """
    found = whole_gradients(model.backbone, captured, settings.target, rules=lambda: attnlrp_rules(model.backbone))
    return Scores.without_path(_summed(model, captured, items, settings, found), 1)


def atp_star(model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Scores:
    """AtP*: mean over dropped layers of |value times gradient|, what dropped layers add being a constant (GradDrop).

        score(n) = 1 / (L - 1) * sum over layers l of |a_n * dF/da_n with what layer l adds to the stream held|

    (the paper's equation 11; dropping the neuron's own layer leaves nothing of it, hence L - 1; a model of one layer
    has none to drop, and nothing is). Its other fix, of queries and keys, concerns these nodes alone: their attention
    is computed anew. A neuron of an MLP is neither, so that fix leaves its score as it is. Scores are effects without
    their signs.

    Raises:
        BadModel: blocks that normalise the residual stream itself, to which no layer only adds.
    """
    backbone = model.backbone
    if any(layer.after_residual is not None for layer in backbone.layers):
        raise BadModel(
            f"{backbone.name}: atp_star drops what a layer adds to the residual stream, and these blocks normalise the "
            "stream after adding; use another method"
        )
    count = backbone.layer_count
    total: list[Tensor] = []
    for dropped in range(count) if count > 1 else [None]:
        hooks = [] if dropped is None else _holding(backbone.layers[dropped].block)
        found = whole_gradients(backbone, captured, settings.target, hooks=hooks)
        effects = [each.abs() for each in _summed(model, captured, items, settings, found)]
        total = [old + new for old, new in zip(total, effects, strict=True)] if total else effects
    return Scores.without_path([each / max(1, count - 1) for each in total], count)


def _holding(block: nn.Module) -> list[Registration]:
    """Hooks by which what a block adds to the residual stream is a constant."""
    entered: list[Tensor] = []

    def enter(module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
        entered[:] = [inputs[0] if inputs else options["hidden_states"]]

    def leave(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        hidden = stream_of(output)
        held = hidden.detach() + (entered[0] - entered[0].detach())
        return with_stream(output, held)

    return [
        before(block, enter, keywords=True),
        after(block, leave),
    ]


def activation(model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Scores:
    """The neuron's value itself, summed over the positions."""
    if settings.positions == "target":
        return Scores.without_path([value[:, 0] for value in captured.vectors], 0)
    found = whole_gradients(model.backbone, captured, settings.target)
    ones = WholeGradients(found.activations, [torch.ones_like(value) for value in found.activations])
    return Scores.without_path(_summed(model, captured, items, settings, ones), 0)


def _summed(
    model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings, found: WholeGradients
) -> list[Tensor]:
    """Value times slope, summed over the places of a layer's neurons, [I, width] per layer."""
    result, backbone = [], model.backbone
    products = [value * slope for value, slope in zip(found.activations, found.gradients, strict=True)]
    if settings.positions != "target":
        scores = [each.new_zeros(len(items), each.shape[-1]) for each in products]
        for number, (row, tokens) in enumerate(items):
            by_layer = spread_places(backbone, captured.batch.queries[row], tokens[0])
            for score, product, own in zip(scores, products, by_layer, strict=True):
                score[number] = product[number, own].sum(0)
        return scores
    for layer, product in enumerate(products):
        where = places(backbone, captured.batch, layer, captured.rows, captured.positions).to(product.device)
        rows = torch.arange(len(where), device=product.device)[:, None]
        result.append(product[rows, where].sum(1))
    return result

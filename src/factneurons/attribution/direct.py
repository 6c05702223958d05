"""What a neuron writes, read by the head at once: no layer between.

Sources: Yu and Ananiadou (EMNLP 2024), the log-probability increase of a single neuron's write; direct logit
attribution (Elhage et al., 2021), the write times the unembedding with the final norm's scale held. An encoder that
feeds a decoder writes to a stream that the head does not read, so its neurons' scores are 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from factneurons.attribution.scores import Scores
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadModel
from factneurons.models.adapters import Layer, weights_of
from factneurons.models.backbone import Backbone
from factneurons.models.model import Model
from factneurons.models.passes.capture import Capture, Item
from factneurons.models.passes.lens import head_input
from factneurons.models.passes.relevance import centring, frozen_norms, norm_slope
from factneurons.models.passes.rows import block_output

_ROWS = 2048
"""Rows of the residual stream that go through the head at once."""
_LINEAR = 1e-3
"""How far the head may be from a matrix after a norm, as a share of the logit."""


@torch.no_grad()
def log_probability_increase(
    model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings
) -> Scores:
    """log p(answer | r + a_j w_j) - log p(answer | r), in nats.

    r is the residual stream that the layer's MLP adds to, w_j what the neuron writes, and p what the model's own final
    norm and head make of a stream (the paper's Imp; its released code takes the final norm's scale from the last
    layer). A post-norm block's norm is applied to both streams; a norm of the MLP's output has the scale of the whole
    output.
    """
    backbone = model.backbone
    scores = [torch.zeros_like(value[:, 0]) for value in captured.activations]
    for number, layer in enumerate(backbone.layers):
        if not _feeds_a_decoder(backbone, number):
            for item in range(captured.size):
                scores[number][item] = _increases(backbone, captured.subset(torch.tensor([item])), number, layer)
    return Scores.without_path(scores, 1)


def _increases(backbone: Backbone, captured: Capture, number: int, layer: Layer) -> Tensor:
    """The scores [width] of one item in one layer."""
    stream, activation = captured.residuals[number][0, 0], captured.activations[number][0, 0]
    columns, slope = weights_of(layer.down), _slope_of_output(layer, activation)

    def read(rows: Tensor) -> Tensor:
        through = rows if layer.after_residual is None else layer.after_residual(rows)
        goal, against = captured.goal(len(rows))
        return backbone.head.values(head_input(backbone, captured.batch, through), goal, "log_probability", against)

    before = read(stream[None])
    found = []
    for part in torch.arange(len(activation), device=activation.device).split(_ROWS):
        writes = (columns[:, part] * activation[part]).T
        if slope is not None:
            writes = slope[0] * (centring(writes) if slope[1] else writes)
        found.append(read(stream + layer.factor * writes) - before)
    return torch.cat(found)


def direct_logit(model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Scores:
    """a_j w_j . u: the neuron's write times the answer's unembedding, the scales of norms held; in logits.

    The scores of all layers, with those of attention, embeddings and biases, would sum to the logit.

    Raises:
        BadModel: blocks that normalise the residual stream itself, or a head that is more than a norm and a matrix, so
            that no neuron has a share of the logit.
    """
    backbone = model.backbone
    if any(layer.after_residual is not None for layer in backbone.layers):
        raise BadModel(
            f"{backbone.name}: direct_logit splits the logit into what each neuron wrote, and these blocks normalise "
            "the stream after adding; use log_probability_increase"
        )
    direction = _unembedding(backbone, captured)
    scores = []
    for number, layer in enumerate(backbone.layers):
        activation = captured.activations[number][:, 0]
        if _feeds_a_decoder(backbone, number):
            scores.append(torch.zeros_like(activation))
            continue
        read, slope = direction, _slope_of_output(layer, activation)
        if slope is not None:
            read = slope[0] * read
            read = centring(read) if slope[1] else read
        scores.append(activation * (layer.factor * read @ weights_of(layer.down)))
    return Scores.without_path(scores, 1)


def _unembedding(backbone: Backbone, captured: Capture) -> Tensor:
    """The slope [I, hidden] of the logit with respect to the last block's output, the final norm's scale held."""
    wanted, other = captured.goal()
    with torch.no_grad():
        last = block_output(backbone.layers[-1], captured.residuals[-1], captured.activations[-1])[:, 0]
        at_head = head_input(backbone, captured.batch, last)
    _, answer = backbone.head.value_and_gradient(at_head, wanted, "logit", other)

    def slope_and_rest(stream: Tensor) -> tuple[Tensor, Tensor]:
        """The slope, and what of the logit it does not account for: biases, where all else is linear."""
        leaf = stream.detach().requires_grad_(True)
        with torch.enable_grad(), frozen_norms():
            logit = (head_input(backbone, captured.batch, leaf) * answer).sum(-1)
            slope = torch.autograd.grad(logit.sum(), leaf)[0]
        return slope, logit.detach() - (slope * leaf.detach()).sum(-1)

    slope, rest = slope_and_rest(last)
    other_rest = slope_and_rest(last.roll(1, -1))[1]  # of any other stream
    if (rest - other_rest).abs().max() > _LINEAR * (1 + (at_head * answer).sum(-1).abs().max()):
        raise BadModel(
            f"{backbone.name}: direct_logit needs a head that is a norm and a matrix, and this one transforms the "
            "stream further; use log_probability_increase"
        )
    return slope


@torch.no_grad()
def _slope_of_output(layer: Layer, activation: Tensor) -> tuple[Tensor, bool] | None:
    """The norm of the MLP's output as an elementwise product (`norm_slope`); None where there is none."""
    if layer.after_mlp is None:
        return None
    own = layer.down.forward(activation)
    return norm_slope(layer.after_mlp, own, layer.after_mlp.forward(own))


def _feeds_a_decoder(backbone: Backbone, layer: int) -> bool:
    return backbone.kind == "encoder-decoder" and backbone.in_encoder(layer)

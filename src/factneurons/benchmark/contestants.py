"""Who is judged: ways to score neurons, and ways to group them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from factneurons.attribution import AttributionSettings
from factneurons.attribution.methods import METHODS, attribute_all, method_named
from factneurons.degeneracy.clusterers import CLUSTERERS
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.model import Model
from factneurons.models.types import Query

FloatArray = npt.NDArray[np.float32]

CAPTUM = "captum"
"""Captum's LayerIntegratedGradients: an outsider, whose path runs through the embeddings."""

_CAPTUM_POINTS = 20
_CAPTUM_THRESHOLD = 0.2
"""Captum has no threshold of its own: that of Dai et al. (2022), who integrate along a path as well."""

Scorer = Callable[[Model, Sequence[Query]], list[FloatArray]]


def scorers() -> dict[str, tuple[Scorer, dict[str, float]]]:
    """Name -> how it scores neurons [layers, width] for queries, and its thresholds by language ("": all others).

    Captum is among them where it is installed.
    """
    found = {name: (_own(name), method_named(name).threshold) for name in METHODS}
    if find_spec("captum") is not None:
        found[CAPTUM] = (captum_scores, {"": _CAPTUM_THRESHOLD})
    return found


def _own(method: str) -> Scorer:
    def score(model: Model, queries: Sequence[Query]) -> list[FloatArray]:
        return [found.scores for found in attribute_all(model, queries, AttributionSettings(method))]

    return score


def captum_scores(model: Model, queries: Sequence[Query]) -> list[FloatArray]:
    """Captum's layer integrated gradients at the input of every down-projection, from embeddings of zero."""
    return [_captum_of(model, query) for query in queries]


def _captum_of(model: Model, query: Query) -> FloatArray:
    from captum.attr import LayerIntegratedGradients

    ids = torch.tensor([query.input_ids], device=model.device)
    position, answer = query.target_positions[0], query.answer_ids[0]
    embedded = model.module.get_input_embeddings()(ids).detach()

    def forward(values: Tensor) -> Tensor:
        probability: Tensor = model.module(inputs_embeds=values).logits[:, position].softmax(-1)[:, answer]
        return probability

    rows = []
    for layer in model.layers:
        found = LayerIntegratedGradients(forward, layer.down).attribute(
            embedded.clone().requires_grad_(True),
            baselines=torch.zeros_like(embedded),
            n_steps=_CAPTUM_POINTS,
            attribute_to_layer_input=True,
        )
        found = found[0] if isinstance(found, tuple) else found
        rows.append(found[0, position].detach().float().cpu().numpy())
    return np.stack(rows)


def groupers() -> dict[str, DegeneracySettings]:
    """Name -> the settings of a way to group neurons: every clusterer, and topology clustering in other forms."""
    plain = {name: DegeneracySettings(clusterer=name) for name in CLUSTERERS if name != "random_layers"}
    variants = {
        "ntc, all neurons": DegeneracySettings(cover="all"),
        "ntc, log": DegeneracySettings(persistence="log"),
        "ntc, adjacent": DegeneracySettings(span="adjacent"),
        "ntc, layer-gap": DegeneracySettings(scale="layer-gap"),
    }
    return {**plain, **variants}

"""Who is judged: ways to score neurons, and ways to group them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.methods import METHODS, ROUNDS, method_named
from factneurons.attribution.rounds import scores_in_rounds, search_in_rounds
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.benchmark.settings import CAPTUM, IN_ROUNDS, has_captum
from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.model import Model
from factneurons.models.types import Query

FloatArray = npt.NDArray[np.float32]

_CAPTUM_POINTS = 20
_CAPTUM_THRESHOLD = 0.2
"""Captum has no threshold of its own: that of Dai et al. (2022), who integrate along a path as well."""

Scorer = Callable[[Model, Sequence[Sequence[Query]]], list[FloatArray]]
"""The queries of each fact -> of each fact the scores of its prompts, [prompts, layers, width]."""


def scorers() -> dict[str, tuple[Scorer, dict[str, float]]]:
    """Name -> how it scores neurons [layers, width] for queries, and its thresholds by language ("": all others).

    Captum is among them where it is installed.
    """
    found = {name: (_own(name), method_named(name).threshold) for name in METHODS}
    found |= {name: (_in_rounds(method), method_named(method).threshold) for name, method in IN_ROUNDS.items()}
    if has_captum():
        found[CAPTUM] = (captum_scores, {"": _CAPTUM_THRESHOLD})
    return found


def _own(method: str) -> Scorer:
    def score(model: Model, facts: Sequence[Sequence[Query]]) -> list[FloatArray]:
        flat = attribute_all(model, [query for queries in facts for query in queries], AttributionSettings(method))
        found = iter(flat)
        return [np.stack([next(found).scores for _ in queries]) for queries in facts]

    return score


def _in_rounds(method: str) -> Scorer:
    def score(model: Model, facts: Sequence[Sequence[Query]]) -> list[FloatArray]:
        settings, threshold = AttributionSettings(method), method_named(method).threshold[""]
        selection = SelectionSettings(rounds=ROUNDS)
        found = [search_in_rounds(model, queries, settings, threshold, selection) for queries in facts]
        return [scores_in_rounds(each).astype(np.float32) for each in model.answer(found)]

    return score


def captum_scores(model: Model, facts: Sequence[Sequence[Query]]) -> list[FloatArray]:
    """Captum's layer integrated gradients at the input of every down-projection, from embeddings of zero."""
    return [np.stack([_captum_of(model, query) for query in queries]) for queries in facts]


def _captum_of(model: Model, query: Query) -> FloatArray:
    from captum.attr import LayerIntegratedGradients

    ids = torch.tensor([query.input_ids], device=model.backbone.device)
    position, answer = query.target_positions[0], query.answer_ids[0]
    embedded = model.backbone.module.get_input_embeddings()(ids).detach()

    def forward(values: Tensor) -> Tensor:
        probability: Tensor = model.backbone.module(inputs_embeds=values).logits[:, position].softmax(-1)[:, answer]
        return probability

    rows = []
    for layer in model.backbone.layers:
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
    return {
        **{str(name): DegeneracySettings(clusterer=name) for name in CLUSTERERS if name != "random_layers"},
        "ntc, all neurons": DegeneracySettings("ntc", cover="all"),
        "ntc, log": DegeneracySettings("ntc", persistence="log"),
        "ntc, adjacent": DegeneracySettings("ntc", span="adjacent"),
        "ntc, layer-gap": DegeneracySettings("ntc", scale="layer-gap"),
    }

"""Other tools, asked for the scores of all layers of one fact, and the plain loop that shows what is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from factneurons.models.model import Model
from factneurons.models.types import Query

POINTS = 20


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores [layers, width] of one tool and, where it says so itself, the largest completeness error over layers."""

    scores: Tensor
    error: float | None = None


def plain_loop(model: Model, query: Query) -> Callable[[], Scores]:
    """For each layer one batch of whole prompts, the down-projection's input replaced by points of the path."""
    ids = torch.tensor([query.input_ids])
    position, answer = query.target_positions[0], query.answer_ids[0]
    nodes = torch.linspace(0, 1, POINTS)[:, None]

    def run() -> Scores:
        scores, errors = [], []
        for layer in model.backbone.layers:
            seen: list[Tensor] = []
            handle = layer.down.register_forward_pre_hook(
                lambda _, x, seen=seen: seen.append(x[0][:, position].clone())
            )
            with torch.no_grad():
                full = model.backbone.module(ids).logits[0, position].softmax(-1)[answer]
            handle.remove()
            leaf = (nodes * seen[0]).requires_grad_(True)

            def put(_: object, inputs: tuple[Tensor], leaf: Tensor = leaf) -> tuple[Tensor]:
                changed = inputs[0].clone()
                changed[:, position] = leaf
                return (changed,)

            handle = layer.down.register_forward_pre_hook(put)
            probabilities = model.backbone.module(ids.expand(POINTS, -1)).logits[:, position].softmax(-1)[:, answer]
            handle.remove()
            gradient = torch.autograd.grad(probabilities.sum(), leaf)[0].mean(0)
            scores.append(gradient * seen[0][0])
            errors.append(float((scores[-1].sum() - (full - probabilities[0])).detach().abs()))
        return Scores(torch.stack(scores).detach(), max(errors))

    return run


def _keep(seen: list[Tensor], position: int, _: object, inputs: tuple[Any, ...]) -> None:
    seen.append(inputs[0][:, position].detach().clone())


def knowledge_neurons(model: Model, query: Query) -> Callable[[], Scores]:
    """The PyPI package knowledge-neurons 0.0.2; a LLaMA is given the attribute paths it does not know."""
    from knowledge_neurons.knowledge_neurons import KnowledgeNeurons

    peer = KnowledgeNeurons(
        model.backbone.module,
        model.backbone.tokenizer,
        model_type="bert" if model.kind == "cloze" else "gpt",
        device="cpu",
    )
    if model.backbone.adapter.family == "llama":
        peer.transformer_layers_attr, peer.input_ff_attr = "model.layers", "mlp.up_proj"
    blank = "[MASK]" if model.kind == "cloze" else ""
    text = query.prompt.text.replace("___", blank).strip()

    def run() -> Scores:
        return Scores(peer.get_scores(text, query.answer, batch_size=10, steps=POINTS, pbar=False))

    return run


def captum(model: Model, query: Query) -> Callable[[], Scores]:
    """Captum's LayerIntegratedGradients at the input of every down-projection, embeddings computed once.

    Its path runs in the embeddings and so moves every position: another quantity at a like cost.
    """
    from captum.attr import LayerIntegratedGradients

    ids = torch.tensor([query.input_ids])
    position, answer = query.target_positions[0], query.answer_ids[0]
    embedded = model.backbone.module.get_input_embeddings()(ids).detach()
    zero = torch.zeros_like(embedded)

    def forward(values: Tensor) -> Tensor:
        logits: Tensor = model.backbone.module(inputs_embeds=values).logits[:, position]
        return logits.softmax(-1)[:, answer]

    def run() -> Scores:
        scores, errors = [], []
        for layer in model.backbone.layers:
            method = LayerIntegratedGradients(forward, layer.down)
            found, delta = method.attribute(
                embedded.clone().requires_grad_(True),
                baselines=zero,
                n_steps=POINTS,
                attribute_to_layer_input=True,
                return_convergence_delta=True,
            )
            found = found[0] if isinstance(found, tuple) else found
            scores.append(found[0, position].detach())
            errors.append(float(delta.abs().max()))
        return Scores(torch.stack(scores), max(errors))

    return run


PEERS: dict[str, Callable[[Model, Query], Callable[[], Scores]]] = {
    "knowledge-neurons 0.0.2": knowledge_neurons,
    "captum LayerIntegratedGradients": captum,
    "plain loop": plain_loop,
}

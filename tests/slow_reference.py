"""What is asked of the engine, written down plainly: a whole forward pass per point, autograd through all logits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from factneurons.attribution.quadrature import quadrature
from factneurons.models.model import Model
from factneurons.models.types import Query


class SlowReference:
    """What is asked of the engine, written plainly: a whole forward pass per point, autograd through all logits.

    Args:
        model: the model.
        downs: its down-projections, found by other means than the adapters.
        factors: neurons whose values are multiplied at the target positions in every pass.
    """

    def __init__(
        self, model: Model, downs: Sequence[nn.Module], factors: Mapping[tuple[int, int], float] | None = None
    ) -> None:
        self.module, self.kind, self.downs = model.backbone.module, model.kind, downs
        encoder = set(self.module.get_encoder().modules()) if model.kind == "encoder-decoder" else ()
        self.encoder_layers = sum(down in encoder for down in downs)
        self.factors = dict(factors or {})
        self._activations: dict[Query, list[Tensor]] = {}
        self._known: dict[tuple[Any, ...], tuple[float, Tensor]] = {}

    def places(self, query: Query, layer: int) -> tuple[int, ...]:
        if query.positions != "target":
            everything = tuple(range(len(query.input_ids)))
            if self.encoder_layers and layer >= self.encoder_layers:
                return tuple(range(len(query.decoder_input_ids))) if query.positions == "all" else ()
            return {"all": everything, "subject": query.subject, "subject_last": query.subject[-1:]}[query.positions]
        if layer < self.encoder_layers:
            assert query.encoder_position is not None
            return (query.encoder_position,)
        return query.target_positions

    @contextmanager
    def _patched(self, query: Query, patch: tuple[int, int, Tensor] | None, everywhere: bool) -> Iterator[None]:
        """Factors first, then the patch (layer, position, vector)."""
        handles = []

        def change(layer: int) -> Callable[..., tuple[Tensor]]:
            def hook(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
                value = inputs[0].reshape(-1, inputs[0].shape[-1])  # one prompt: [tokens, width]
                scale = torch.ones_like(value)
                for (at, index), factor in self.factors.items():
                    if at == layer:
                        scale[slice(None) if everywhere else list(self.places(query, layer)), index] = factor
                rows = list(value * scale)
                if patch is not None and patch[0] == layer:
                    rows[patch[1]] = patch[2]
                return (torch.stack(rows).view(inputs[0].shape),)

            return hook

        try:
            for layer, down in enumerate(self.downs):
                handles.append(down.register_forward_pre_hook(change(layer)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _forward(self, query: Query) -> Tensor:
        options = {"input_ids": torch.tensor([query.input_ids])}
        if query.decoder_input_ids:
            options["decoder_input_ids"] = torch.tensor([query.decoder_input_ids])
        if self.kind == "causal":
            options["use_cache"] = (
                False  # a recurrent state is written in place, which automatic differentiation refuses
            )
        return self.module(**options).logits[0]  # type: ignore[no-any-return]

    def logits(self, query: Query, patch: tuple[int, int, Tensor] | None = None, *, everywhere: bool = False) -> Tensor:
        """Logits [tokens, vocabulary] of a whole pass."""
        with self._patched(query, patch, everywhere):
            return self._forward(query)

    @torch.no_grad()
    def log_probability(self, query: Query, *, everywhere: bool = False) -> float:
        table = self.logits(query, everywhere=everywhere).double().log_softmax(-1)
        return float(sum(table[p, t] for p, t in zip(query.target_positions, query.answer_ids, strict=True)))

    def activation(self, query: Query, layer: int, token: int) -> Tensor:
        """The layer's vector [width] at the token's target position."""
        if query not in self._activations:
            self._activations[query] = self._values(query)
        places = self.places(query, layer)
        return self._activations[query][layer][places[min(token, len(places) - 1)]]

    @torch.no_grad()
    def _values(self, query: Query) -> list[Tensor]:
        """Every layer's vectors [tokens, width]."""
        seen: list[Tensor] = []

        def keep(module: nn.Module, inputs: tuple[Tensor]) -> None:
            seen.append(inputs[0].reshape(-1, inputs[0].shape[-1]).clone())

        with self._patched(query, None, False):
            handles = [down.register_forward_pre_hook(keep) for down in self.downs]
            try:
                self._forward(query)
            finally:
                for handle in handles:
                    handle.remove()
        return seen

    def value(self, query: Query, token: int, layer: int, vector: Tensor, target: str = "probability") -> Tensor:
        """F as a function of the layer's vector, differentiable."""
        places = self.places(query, layer)
        place = places[min(token, len(places) - 1)]
        logits = self.logits(query, (layer, place, vector))[query.target_positions[token]]
        functions = {
            "probability": lambda: logits.softmax(-1),
            "log_probability": lambda: logits.log_softmax(-1),
            "logit": lambda: logits,
        }
        return functions[target]()[query.answer_ids[token]]

    def value_and_gradient(
        self, query: Query, token: int, layer: int, vector: Tensor, target: str = "probability"
    ) -> tuple[float, Tensor]:
        key = (query, token, layer, target, tuple(vector.tolist()))
        if key not in self._known:
            leaf = vector.detach().clone().requires_grad_(True)
            with torch.enable_grad():
                value = self.value(query, token, layer, leaf, target)
                gradient = torch.autograd.grad(value, leaf)[0]
            self._known[key] = float(value.detach()), gradient
        return self._known[key]

    def path(
        self, query: Query, token: int, layer: int, baseline: Tensor, rule: str, points: int, target: str
    ) -> Tensor:
        """(a_j - b_j) * sum_k w_k dF/da_j(b + s_k (a - b)), [width]."""
        end = self.activation(query, layer, token)
        chosen = quadrature(rule, points)
        total = torch.zeros_like(end)
        for node, weight in zip(chosen.nodes, chosen.weights, strict=True):
            at = baseline + float(node) * (end - baseline)
            total += float(weight) * self.value_and_gradient(query, token, layer, at, target)[1]
        return (end - baseline) * total

    def dai(self, query: Query, rule: str, points: int, target: str = "probability") -> np.ndarray[Any, Any]:
        """Zero baseline, mean over answer tokens, [layers, width]."""
        return self._mean_over_tokens(
            query, lambda token, layer: self.path(query, token, layer, self._zero(query, layer), rule, points, target)
        )

    def amig(
        self, query: Query, replacement: int, groups: Sequence[Collection[int]], rule: str, points: int
    ) -> np.ndarray[Any, Any]:
        """Sum over baselines in which one group of positions is replaced, mean over answer tokens."""
        return self._mean_over_tokens(
            query,
            lambda token, layer: sum(
                self.path(query, token, layer, baseline, rule, points, "probability")
                for baseline in self.baselines(query, replacement, groups, layer, token)
            ),
        )

    def baselines(
        self, query: Query, replacement: int, groups: Sequence[Collection[int]], layer: int, token: int
    ) -> list[Tensor]:
        """The layer's vector for every baseline sentence."""
        ids = [
            tuple(replacement if place in group else old for place, old in enumerate(query.input_ids))
            for group in groups
        ]
        return [self.activation(replace(query, input_ids=sentence), layer, token) for sentence in ids]

    def joint(
        self, query: Query, rule: str, points: int, *, replaced: tuple[int, Collection[int]] | None = None
    ) -> np.ndarray[Any, Any]:
        """Gates on all neurons open together, from zero or from a sentence with positions replaced: [layers, width]."""
        tokens = range(len(query.answer_ids))
        return np.mean([self._joint_of(query, token, rule, points, replaced) for token in tokens], 0)

    def _joint_of(
        self, query: Query, token: int, rule: str, points: int, replaced: tuple[int, Collection[int]] | None
    ) -> np.ndarray[Any, Any]:
        layers = range(len(self.downs))
        rest = [self._zero(query, layer) for layer in layers]
        if replaced is not None:
            rest = [self.baselines(query, replaced[0], [replaced[1]], layer, token)[0] for layer in layers]
        total = [torch.zeros_like(each) for each in rest]
        chosen = quadrature(rule, points)
        for node, weight in zip(chosen.nodes, chosen.weights, strict=True):
            gates = [torch.full_like(each, float(node)).requires_grad_(True) for each in rest]
            with torch.enable_grad(), self._gated(query, token, gates, rest):
                probability = self._forward(query)[query.target_positions[token]].softmax(-1)[query.answer_ids[token]]
                for layer, gradient in enumerate(torch.autograd.grad(probability, gates, materialize_grads=True)):
                    total[layer] += float(weight) * gradient
        return _rows([each.double().numpy() for each in total])

    @contextmanager
    def _gated(self, query: Query, token: int, gates: Sequence[Tensor], rest: Sequence[Tensor]) -> Iterator[None]:
        def change(layer: int) -> Callable[..., tuple[Tensor]]:
            def hook(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
                places = self.places(query, layer)
                if query.positions == "target":
                    places = (places[min(token, len(places) - 1)],)
                rows = list(inputs[0].reshape(-1, inputs[0].shape[-1]))
                for place in places:
                    rows[place] = gates[layer] * rows[place] + (1 - gates[layer]) * rest[layer]
                return (torch.stack(rows).view(inputs[0].shape),)

            return hook

        with self._patched(query, None, False):
            handles = [down.register_forward_pre_hook(change(layer)) for layer, down in enumerate(self.downs)]
            try:
                yield
            finally:
                for handle in handles:
                    handle.remove()

    def _zero(self, query: Query, layer: int) -> Tensor:
        return torch.zeros_like(self._values(query)[layer][0])

    def _mean_over_tokens(self, query: Query, scores: Callable[[int, int], Any]) -> np.ndarray[Any, Any]:
        tokens = range(len(query.answer_ids))
        layers = range(len(self.downs))
        return _rows([np.mean([scores(token, layer).double().numpy() for token in tokens], 0) for layer in layers])


def _rows(layers: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """[layers, width]; rows of narrower layers end in zeros."""
    width = max(map(len, layers))
    return np.stack([np.pad(layer, (0, width - len(layer))) for layer in layers])

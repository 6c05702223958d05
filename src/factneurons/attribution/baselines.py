"""Where the paths of integrated gradients start: zero, or the activations of corrupted sentences.

Source: Dai et al. (2022) for the zero baseline; Journey to the Center of the Knowledge Neurons (AAAI 2024)
for baseline sentences, in which one word is replaced by the mask or end-of-text token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from factneurons.attribution.settings import AttributionSettings
from factneurons.models.model import Model
from factneurons.models.passes.capture import Capture, Item
from factneurons.models.passes.corrupted import corrupted, replacement_token, target_activations
from factneurons.models.types import Kind, Query


@dataclass(frozen=True, slots=True)
class Baselines:
    """The starts of up to P paths for each of I items.

    Attributes:
        starts: per layer [I, P, width].
        real: [I, P] of bool; items whose prompts have fewer units than the longest are filled up with paths
            that do not count.
    """

    starts: list[Tensor]
    real: Tensor


def zero_baseline(model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Baselines:
    """One path, from all neurons of the layer at zero."""
    return _single([torch.zeros_like(value) for value in captured.vectors])


def _single(starts: list[Tensor]) -> Baselines:
    return Baselines(starts, torch.ones(len(starts[0]), 1, dtype=torch.bool))


def sentence_baselines(
    model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings
) -> Baselines:
    """One path per unit of the prompt, from the activations of the sentence without it."""
    per_item = _per_item(model, captured, items, settings)
    longest = max(len(values[0]) for values in per_item)
    real = torch.zeros(len(items), longest, dtype=torch.bool)
    starts = [value.expand(-1, longest, -1).clone() for value in captured.vectors]
    for number, values in enumerate(per_item):
        real[number, : len(values[0])] = True
        for layer, value in enumerate(values):
            starts[layer][number, : len(value)] = value
    return Baselines(starts, real)


def mean_baseline(model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Baselines:
    """One path, from the mean of the sentence baselines."""
    return _mean(captured, _per_item(model, captured, items, settings))


def grown_mean_baseline(
    model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings
) -> Baselines:
    """The same over every position up to the item's own target: in a causal model the answer tokens before it too."""
    if model.kind != "causal":
        return mean_baseline(model, captured, items, settings)
    queries = captured.batch.queries
    groups: dict[_Text, list[tuple[int, ...]]] = {
        _text(query): [(place,) for place in range(query.target_positions[-1] + 1)] for query in queries
    }
    per_item = _per_item(model, captured, items, settings, groups)
    ends = [queries[row].target_positions[tokens[0]] + 1 for row, tokens in items]
    # what stands after a target does not reach it, so the longer text's baselines are those of the shorter one
    return _mean(captured, [[value[:end] for value in values] for values, end in zip(per_item, ends, strict=True)])


def _mean(captured: Capture, per_item: list[list[Tensor]]) -> Baselines:
    layers = range(len(captured.activations))
    return _single([torch.stack([values[layer].mean(0)[None] for values in per_item]) for layer in layers])


def _per_item(
    model: Model,
    captured: Capture,
    items: Sequence[Item],
    settings: AttributionSettings,
    groups: dict[_Text, list[tuple[int, ...]]] | None = None,
) -> list[list[Tensor]]:
    """The activations of every corrupted sentence at each item's target position: per item, layer [units, width]."""
    token, _ = replacement_token(model.backbone)
    sentences = {
        _text(query): [
            corrupted(query, group, token)
            for group in (groups[_text(query)] if groups else units_of(query, settings.units, model.kind))
        ]
        for query in captured.batch.queries
    }
    per_text: dict[_Text, list[Tensor]] = {}
    for texts in _of_one_shape(sentences):
        every = [sentence for text in texts for sentence in sentences[text]]
        found = target_activations(model.backbone, every, pre=captured.inward is not None)
        parts = zip(*(values.split([len(sentences[text]) for text in texts]) for values in found), strict=True)
        per_text.update(zip(texts, map(list, parts), strict=True))
    per_query = [per_text[_text(query)] for query in captured.batch.queries]
    # a sentinel in an encoder is one position, whatever the answer token
    return [[values[:, 0 if values.shape[1] == 1 else tokens[0]] for values in per_query[row]] for row, tokens in items]


_Text = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _text(query: Query) -> _Text:
    """What the baselines of a query depend on: candidates that fill one prompt share it."""
    return query.input_ids, query.decoder_input_ids, query.target_positions


def _of_one_shape(sentences: Iterable[_Text]) -> list[list[_Text]]:
    """Texts that can be run side by side."""
    shapes: dict[tuple[int, ...], list[_Text]] = {}
    for text in sentences:
        shapes.setdefault(tuple(len(part) for part in text), []).append(text)
    return list(shapes.values())


def units_of(query: Query, units: str, kind: Kind) -> list[tuple[int, ...]]:
    """The groups of positions that are replaced one at a time; a prompt without any has one, empty, group.

    Args:
        query: what is asked.
        units: one of `settings.UNITS`; "all" means special tokens and masks too.
        kind: of the model. In a causal one the answer's own tokens follow the prompt, and are no part of it.
    """
    every_position = range(_prompt_length(query, kind)) if units == "all" else query.replaceable
    single: list[tuple[int, ...]] = [(position,) for position in every_position]
    groups = list(query.words) if units == "words" else single
    return groups or [()]


def _prompt_length(query: Query, kind: Kind) -> int:
    return query.target_positions[0] + 1 if kind == "causal" else len(query.input_ids)

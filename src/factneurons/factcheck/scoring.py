"""The score of a statement by neurons: the mean over S_r of what each neuron contributes to the candidate.

    score(prompt, candidate) = mean over S_r of Attr(neuron; prompt, candidate)

Source: the released code of 'Journey to the Center of the Knowledge Neurons' (AAAI 2024) and 'Cracking Factual
Knowledge' (ACL 2025). Its text says mean *activation*; in a causal model that does not depend on the candidate before
the candidate is read, so it is offered as a feature of its own, read at the candidate's last token.
Only the layers that hold neurons of S_r are integrated, with as few path points as completeness allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from factneurons.attribution.chosen import attribute_neurons, path_method
from factneurons.attribution.quadrature import ADAPTIVE
from factneurons.attribution.settings import AttributionSettings
from factneurons.factcheck.relation_neurons import NeuronSets
from factneurons.factcheck.types import Group
from factneurons.models.model import Model
from factneurons.models.types import Kind, Neuron, Query
from factneurons.settings import check_choice
from factneurons.statistics import Numbers

POINTS = (2, 3, 4)
"""Gauss-Radau points that are tried, the fewest first."""

COMPLETE, SHARE_COMPLETE = 0.1, 0.9
"""Points are enough if the completeness error of 90 % of the statements is at most 10 % of the change."""

_TRIED = 64


@dataclass(frozen=True, slots=True)
class Points:
    """How many path points statements need.

    Attributes:
        settings: the attribution settings with them.
        error: the 90 % quantile of the relative completeness error that was measured with them; NaN: not measured.
        statements: on how many training statements.
    """

    settings: AttributionSettings
    error: float
    statements: int


def enough_points(
    model: Model, queries: Sequence[tuple[Query, Group]], sets: NeuronSets, settings: AttributionSettings
) -> Points:
    """The fewest path points with which scores are complete, measured on (some of) the training statements.

    A rule that is not "adaptive" was asked for, and is kept. Where no number of points is enough, "adaptive" stays.
    """
    path_method(settings)
    usable = [(query, group) for query, group in queries if group in sets]
    tried = [usable[place] for place in np.linspace(0, len(usable) - 1, min(_TRIED, len(usable)), dtype=int)]
    if settings.rule != ADAPTIVE or not tried:
        return Points(settings, float("nan"), 0)
    for points in POINTS:
        fixed = replace(settings, rule="radau", points=points)
        errors = [
            attribute_neurons(model, [query for query, own in tried if own == group], sets[group], fixed)
            for group in dict.fromkeys(group for _, group in tried)
        ]
        error = float(np.quantile(np.concatenate([each.completeness_ratio for each in errors]), SHARE_COMPLETE))
        if error <= COMPLETE:
            return Points(fixed, error, len(tried))
    return Points(settings, float("nan"), len(tried))


def _attribution(
    model: Model, queries: Sequence[Query], neurons: Sequence[Neuron], settings: AttributionSettings
) -> Numbers:
    return attribute_neurons(model, queries, neurons, settings).scores


def _activation(
    model: Model, queries: Sequence[Query], neurons: Sequence[Neuron], settings: AttributionSettings
) -> Numbers:
    values = model.activations([filled(query, model.kind) for query in queries])
    return np.array([[float(row[neuron]) for neuron in neurons] for row in values]).reshape(len(queries), len(neurons))


def filled(query: Query, kind: Kind) -> Query:
    """The query with its answer in place, and the answer's last token as its target position."""
    return _FILLED[kind](query)


def _filled_cloze(query: Query) -> Query:
    ids = list(query.input_ids)
    for position, token in zip(query.target_positions, query.answer_ids, strict=True):
        ids[position] = token
    last = query.target_positions[-1:]
    return replace(query, input_ids=tuple(ids), target_positions=last, answer_ids=query.answer_ids[-1:])


def _filled_causal(query: Query) -> Query:
    ids = (*query.input_ids, query.answer_ids[-1])
    return replace(query, input_ids=ids, target_positions=(len(ids) - 1,), answer_ids=query.answer_ids[-1:])


def _filled_decoder(query: Query) -> Query:
    ids = (*query.decoder_input_ids, query.answer_ids[-1])
    return replace(query, decoder_input_ids=ids, target_positions=(len(ids) - 1,), answer_ids=query.answer_ids[-1:])


_FILLED: dict[str, Callable[[Query], Query]] = {
    "cloze": _filled_cloze,
    "causal": _filled_causal,
    "encoder-decoder": _filled_decoder,
}

FEATURES: dict[str, Callable[[Model, Sequence[Query], Sequence[Neuron], AttributionSettings], Numbers]] = {
    "attribution": _attribution,
    "activation": _activation,
}
"""What a neuron contributes to a statement, by name: [queries, neurons]."""


@dataclass(frozen=True, slots=True)
class StatementScores:
    """Scores of statements of any relations by the neurons of several conditions.

    Attributes:
        scores: [statements, conditions], the mean over S_r; NaN where the relation has no neurons.
        contributions: [statements][conditions], what each neuron of S_r contributes.
    """

    scores: Numbers
    contributions: list[list[dict[Neuron, float]]]


def score_statements(
    model: Model,
    queries: Sequence[Query],
    groups: Sequence[Group],
    conditions: Sequence[NeuronSets],
    settings: AttributionSettings,
    feature: str = "attribution",
) -> StatementScores:
    """Score statements by the neurons of several conditions, in one pass for all of them.

    Args:
        model: the model.
        queries: the statements, each with its candidate as the answer.
        groups: their relations.
        conditions: S_r by relation, for every condition.
        settings: how to attribute.
        feature: a name of FEATURES.
    """
    check_choice("feature", feature, FEATURES)
    scores = np.full((len(queries), len(conditions)), np.nan)
    contributions: list[list[dict[Neuron, float]]] = [[{} for _ in conditions] for _ in queries]
    for group in dict.fromkeys(groups):
        rows = [row for row, own in enumerate(groups) if own == group]
        sets = [condition.get(group, ()) for condition in conditions]
        together = sorted({neuron for own in sets for neuron in own})
        if not together:
            continue
        found = FEATURES[feature](model, [queries[row] for row in rows], together, settings)
        place = {neuron: column for column, neuron in enumerate(together)}
        for number, own in enumerate(sets):
            if own:
                part = found[:, [place[neuron] for neuron in own]]
                scores[rows, number] = part.mean(1)
                for row, values in zip(rows, part, strict=True):
                    contributions[row][number] = dict(zip(own, values.tolist(), strict=True))
    return StatementScores(scores, contributions)

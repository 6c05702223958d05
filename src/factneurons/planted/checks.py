"""Whether a planted fact is stored as it should be: its promises, measured by suppressing neurons.

A conjunctive fact is told from a single one by how its parts work together, in log-odds of P(answer):

    conjunctive   losing one component costs nearly as much as losing all
    single        what the parts cost adds up to what all cost
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from factneurons.models.model import Model
from factneurons.models.query import placed
from factneurons.models.types import Neuron
from factneurons.planted.regimes import promises
from factneurons.planted.types import Check, PlantedFact

GATED = 0.6
"""A component of a conjunctive fact costs at least this share of what all cost, in log-odds."""

ADDITIVE = (0.6, 1.3)
"""The neurons of one layer of a component cost together from this to this many times what all of them cost, in
log-odds."""

LITTLE = 0.2
"""One helper costs at most this share of what all helpers cost, in log-odds."""

_LEAST = 1e-12
_NO_BOUND = 1e9


def measured(model: Model, planted: PlantedFact, everything: Collection[Neuron]) -> tuple[Check, ...]:
    """Every promise of a planted fact with its measured value, the worst over languages."""
    kept = promises(planted, everything, accepting=True)
    sets = [promise.suppressed for promise in kept]
    tables: dict[bool, list[npt.NDArray[np.float64]]] = {
        at_target: [_table(model, planted, number, sets, at_target=at_target) for number in _languages(planted)]
        for at_target in {promise.at_target for promise in kept}
    }
    checks = []
    for place, promise in enumerate(kept):
        asked = zip(planted.facts, tables[promise.at_target], strict=True)
        values = [float(table[:, place].mean()) for fact, table in asked if promise.language in ("", fact.language)]
        value = min(values) if promise.at_least > 0 else max(values)
        neurons = tuple(sorted(promise.suppressed))
        checks.append(Check(promise.what, neurons, value, promise.at_least, promise.at_most, promise.language))
    return (*checks, *_interplay(model, planted))


def _languages(planted: PlantedFact) -> range:
    return range(len(planted.facts))


def _table(
    model: Model, planted: PlantedFact, number: int, sets: Sequence[Collection[Neuron]], *, at_target: bool = False
) -> npt.NDArray[np.float64]:
    """P(answer), [prompts, sets]."""
    fact = planted.facts[number]
    queries = [model.query(prompt, fact.answer, subject=fact.subject) for prompt in fact.prompts]
    if not at_target:
        queries = [placed(query, planted.positions) for query in queries]
    return model.probabilities_with(queries, sets)


def _interplay(model: Model, planted: PlantedFact) -> Iterator[Check]:
    own = frozenset(planted.neurons)
    if planted.regime == "conjunctive":
        parts = [frozenset(component.neurons) for component in planted.components]
        for part, share in zip(parts, _shares(model, planted, parts, own), strict=True):
            yield Check("share of the whole loss in log-odds", tuple(sorted(part)), float(share), GATED, _NO_BOUND)
            yield _additive(model, planted, part)
    if planted.regime in ("single", "shared", "helped") and planted.components[0].wiring == "parallel":
        yield _additive(model, planted, own)
    if planted.helpers:
        helpers = [frozenset({helper}) for helper in planted.helpers]
        largest = float(_shares(model, planted, helpers, frozenset(planted.helpers)).max())
        yield Check("largest share of a helper in what all lose, in log-odds", planted.helpers, largest, 0.0, LITTLE)


def _additive(model: Model, planted: PlantedFact, part: frozenset[Neuron]) -> Check:
    total = float(sum(_shares(model, planted, [frozenset({neuron}) for neuron in part], part)))
    return Check("sum of the neurons' losses in log-odds", tuple(sorted(part)), total, *ADDITIVE)


def _shares(
    model: Model, planted: PlantedFact, parts: Sequence[frozenset[Neuron]], whole: frozenset[Neuron]
) -> npt.NDArray[np.float64]:
    """Loss in log-odds with each part suppressed, as a share of the loss with the whole suppressed, [parts]."""
    shares = []
    for number in _languages(planted):
        table = _table(model, planted, number, [frozenset(), *parts, whole]).clip(_LEAST, 1 - _LEAST)
        odds = np.log(table / (1 - table)).mean(0)
        shares.append((odds[0] - odds[1:-1]) / (odds[0] - odds[-1]))
    mean: npt.NDArray[np.float64] = np.mean(shares, axis=0)
    return mean

"""How much of a fact is lost as more and more of its components are suppressed.

In: groups of neurons of one fact and measured losses. Out: for every k = 1 .. n the mean loss over subsets of
k groups ('Cracking Factual Knowledge', ACL 2025, acquisition of facts). Degenerate components give a curve that
is flat while k < n and jumps at k = n; what is no such thing rises before, or does not jump.

Random partitions of the fact's knowledge neurons into parts of the same sizes are measured in the same way: a
curve says something about groups only where theirs is another one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from factneurons.attribution.drops import Drops, NeuronSet, suppressed_by, union
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.distances import GapUnits
from factneurons.degeneracy.find import degenerate_search
from factneurons.degeneracy.settings import ClustererName, DegeneracySettings
from factneurons.degeneracy.tables import ACQUISITION
from factneurons.degeneracy.types import AcquisitionCurve, AcquisitionPoint, DegenerateNeurons, FactCurves
from factneurons.draws import as_number
from factneurons.models.model import Model
from factneurons.models.questions import Asking
from factneurons.models.types import Neuron

_Subset = tuple[int, ...]

EXACT_SUBSETS = 64
"""Proper subsets of n components are all measured while 2^n is at most this."""

SAMPLED_SUBSETS = 32
"""Beyond, so many subsets of each size are drawn (and all of one component, and of all but one)."""

RANDOM_PARTITIONS = 5
"""Random partitions behind the curve beside each found one; a single one where subsets are drawn, too."""


def acquisition_curves(
    found: DegenerateNeurons, known: KnowledgeNeurons, drops: Drops, settings: DegeneracySettings
) -> Asking[tuple[AcquisitionCurve, ...]]:
    """The curves of one fact: of its components, of its candidates, and of random partitions beside either.

    Args:
        found: what the search found.
        known: the fact's knowledge neurons, from which random parts are drawn.
        drops: measured losses, of the mean over the fact's prompts (`drops.suppressed_by`).
        settings: the seed is read.

    Returns:
        No curve of fewer than two groups, and none where P(answer) is 0.
    """
    curves: list[AcquisitionCurve] = []
    if len(found.components) > 1 or len(found.candidates) > 1:
        yield from drops.measure()
    for which, random_name, described in (
        ("components", "random for components", found.components),
        ("candidates", "random for candidates", found.candidates),
    ):
        groups = [frozenset(each.neurons) for each in described]
        if len(groups) < 2 or not drops.probability > 0:
            continue
        rng = np.random.default_rng([settings.seed, *which.encode(), as_number(found.fact.key)])
        pool = sorted(union([*groups, frozenset(known.neurons)]))
        sizes = [len(group) for group in groups]
        count = RANDOM_PARTITIONS if 2 ** len(groups) <= EXACT_SUBSETS else 1
        drawn = [random_partition(pool, sizes, rng) for _ in range(count)]
        curves.append(AcquisitionCurve(which, sum(sizes), (yield from _points([groups], drops, rng))))
        curves.append(AcquisitionCurve(random_name, sum(sizes), (yield from _points(drawn, drops, rng))))
    return tuple(curves)


def _points(
    partitions: Sequence[Sequence[NeuronSet]], drops: Drops, rng: np.random.Generator
) -> Asking[tuple[AcquisitionPoint, ...]]:
    """The mean over partitions into equally many groups; all of them lose the same subsets."""
    count = len(partitions[0])
    subsets = [*proper_subsets(count, rng), tuple(range(count))]
    asked = [union(groups[place] for place in subset) for groups in partitions for subset in subsets]
    lost = (yield from drops.asked(asked)).reshape(len(partitions), len(subsets)).mean(axis=0)
    sizes = np.array([len(subset) for subset in subsets])
    return tuple(
        AcquisitionPoint(size, int((sizes == size).sum()), float(lost[sizes == size].mean()))
        for size in range(1, count + 1)
    )


def proper_subsets(count: int, rng: np.random.Generator) -> list[_Subset]:
    """Subsets of 1 to count - 1 of `count` groups.

    All of them while 2^count <= 64; else all of size 1 and count - 1 and 32 of every size between.
    """
    subsets: list[_Subset] = []
    for size in range(1, count):
        few = size in (1, count - 1) or math.comb(count, size) <= SAMPLED_SUBSETS
        every = 2**count <= EXACT_SUBSETS or few
        subsets += combinations(range(count), size) if every else _sample_subsets(count, size, rng)
    return subsets


def _sample_subsets(count: int, size: int, rng: np.random.Generator) -> list[_Subset]:
    drawn: set[_Subset] = set()
    while len(drawn) < SAMPLED_SUBSETS:
        drawn.add(tuple(sorted(rng.choice(count, size=size, replace=False).tolist())))
    return sorted(drawn)


def random_partition(pool: Sequence[Neuron], sizes: Sequence[int], rng: np.random.Generator) -> list[NeuronSet]:
    """Disjoint parts of these sizes, drawn from a pool of at least so many neurons in a fixed order."""
    shuffled = [pool[place] for place in rng.permutation(len(pool))[: sum(sizes)]]
    stops = np.cumsum(sizes).tolist()
    return [frozenset(shuffled[stop - size : stop]) for stop, size in zip(stops, sizes, strict=True)]


def measure_acquisition(
    known: KnowledgeNeurons, found: DegenerateNeurons, settings: DegeneracySettings
) -> Asking[tuple[AcquisitionCurve, ...]]:
    """The acquisition curves of one fact (`acquisition_curves`), with losses of all its queries."""
    return acquisition_curves(found, known, Drops(suppressed_by(known.fact, known.queries)), settings)


def acquisition_by_clusterer(
    model: Model,
    known: Iterable[KnowledgeNeurons],
    clusterers: Sequence[ClustererName],
    settings: DegeneracySettings | None = None,
) -> pd.DataFrame:
    """Search every fact with several clusterers and measure their groups: the table `acquisition` of them all.

    Args:
        model: the model in which the knowledge neurons were found.
        known: the knowledge neurons.
        clusterers: names of clusterers.
        settings: all other options.

    Raises:
        BadSetting: an unknown clusterer.
        BadNumber: a weight or a probability that is NaN.
    """
    settings = settings or DegeneracySettings()
    variants = [replace(settings, clusterer=name) for name in clusterers]
    units = GapUnits(model, settings)

    def search(each: KnowledgeNeurons, variant: DegeneracySettings) -> Asking[FactCurves]:
        found = yield from degenerate_search(model, each, variant, units)
        curves = yield from measure_acquisition(each, found, variant)
        return FactCurves(each.fact, variant.clusterer, curves)

    return ACQUISITION.frame(model.answer(search(each, variant) for each in known for variant in variants))

"""How much of a fact is lost as more and more of its components are suppressed.

In: groups of neurons of one fact and measured losses. Out: for every k = 1 .. n the mean loss over subsets of
k groups ('Cracking Factual Knowledge', ACL 2025, acquisition of facts). Degenerate components give a curve that
is flat while k < n and jumps at k = n; what is no such thing rises before, or does not jump.

Random partitions of the fact's knowledge neurons into parts of the same sizes are measured in the same way: a
curve says something about groups only where theirs is another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.control import EXACT_SUBSETS, proper_subsets, random_partition
from factneurons.degeneracy.distances import GapUnits
from factneurons.degeneracy.drops import Drops, NeuronSet, suppressed_by, union
from factneurons.degeneracy.find import degenerate_neurons
from factneurons.degeneracy.settings import ClustererName, DegeneracySettings
from factneurons.degeneracy.tables import ACQUISITION
from factneurons.degeneracy.types import AcquisitionCurve, AcquisitionPoint, DegenerateNeurons, FactCurves
from factneurons.draws import as_number
from factneurons.models.model import Model

RANDOM_PARTITIONS = 5
"""Random partitions behind the curve beside each found one; a single one where subsets are drawn, too."""


def acquisition_curves(
    found: DegenerateNeurons, known: KnowledgeNeurons, drops: Drops, settings: DegeneracySettings
) -> tuple[AcquisitionCurve, ...]:
    """The curves of one fact: of its components, of its candidates, and of random partitions beside either.

    Args:
        found: what the search found.
        known: the fact's knowledge neurons, from which random parts are drawn.
        drops: measured losses, of the mean over the fact's prompts (`drops.suppressed_by`).
        settings: seed and `null` are read; random parts are drawn as the control draws them.

    Returns:
        No curve of fewer than two groups, and none where P(answer) is 0.
    """
    curves: list[AcquisitionCurve] = []
    for which, random_name, described in (
        ("components", "random for components", found.components),
        ("candidates", "random for candidates", found.candidates),
    ):
        groups = [frozenset(each.neurons) for each in described]
        if len(groups) < 2 or not drops.probability > 0:
            continue
        rng = np.random.default_rng([settings.seed, *which.encode(), as_number(found.fact.key)])
        pool = sorted(union(groups) if settings.null == "components" else union([*groups, frozenset(known.neurons)]))
        sizes = [len(group) for group in groups]
        count = RANDOM_PARTITIONS if 2 ** len(groups) <= EXACT_SUBSETS else 1
        drawn = [random_partition(pool, sizes, rng) for _ in range(count)]
        curves.append(AcquisitionCurve(which, sum(sizes), _points([groups], drops, rng)))
        curves.append(AcquisitionCurve(random_name, sum(sizes), _points(drawn, drops, rng)))
    return tuple(curves)


def _points(
    partitions: Sequence[Sequence[NeuronSet]], drops: Drops, rng: np.random.Generator
) -> tuple[AcquisitionPoint, ...]:
    """The mean over partitions into equally many groups; all of them lose the same subsets."""
    count = len(partitions[0])
    proper, _ = proper_subsets(count, rng)
    subsets = [*proper, tuple(range(count))]
    asked = [union(groups[place] for place in subset) for groups in partitions for subset in subsets]
    lost = drops(asked).reshape(len(partitions), len(subsets)).mean(axis=0)
    sizes = np.array([len(subset) for subset in subsets])
    return tuple(
        AcquisitionPoint(size, int((sizes == size).sum()), float(lost[sizes == size].mean()))
        for size in range(1, count + 1)
    )


def measure_acquisition(
    model: Model, known: KnowledgeNeurons, found: DegenerateNeurons, settings: DegeneracySettings
) -> tuple[AcquisitionCurve, ...]:
    """The acquisition curves of one fact (`acquisition_curves`), with losses measured in a model."""
    return acquisition_curves(found, known, Drops(suppressed_by(model, known.fact, known.queries)), settings)


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
    curves = []
    for each in known:
        for variant in variants:
            found = degenerate_neurons(model, each, variant, units)
            curves.append(FactCurves(each.fact, variant.clusterer, measure_acquisition(model, each, found, variant)))
    return ACQUISITION.frame(curves)

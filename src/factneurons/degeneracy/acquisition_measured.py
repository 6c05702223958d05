"""Acquisition curves measured in a model: of one fact, and of facts searched with several clusterers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.acquisition import acquisition_curves
from factneurons.degeneracy.find import SuppressibleModel, degenerate_neurons, suppressed_by
from factneurons.degeneracy.functional import Drops
from factneurons.degeneracy.scale import GapUnits
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.tables import ACQUISITION
from factneurons.degeneracy.types import AcquisitionCurve, DegenerateNeurons, FactCurves


def measure_acquisition(
    model: SuppressibleModel, known: KnowledgeNeurons, found: DegenerateNeurons, settings: DegeneracySettings
) -> tuple[AcquisitionCurve, ...]:
    """The acquisition curves of one fact (`acquisition_curves`), with losses measured in a model."""
    return acquisition_curves(found, known, Drops(suppressed_by(model, known)), settings)


def acquisition_by_clusterer(
    model: SuppressibleModel,
    known: Iterable[KnowledgeNeurons],
    clusterers: Sequence[str],
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

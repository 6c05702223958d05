"""The experiments of the papers, one file each."""

from __future__ import annotations

from factneurons.experiments.experiment import Experiment
from factneurons.experiments.suite import (
    acquisition,
    attenuation,
    complexity,
    consistency,
    critical_checks,
    cross_lingual,
    enhancement,
    fact_checking,
    fact_checking_text,
    layers,
    localisation,
    overlap,
    partial_tuning,
    update_and_erase,
)
from factneurons.settings import check_choice

_SUITE = (
    localisation,
    cross_lingual,
    layers,
    fact_checking,
    acquisition,
    attenuation,
    enhancement,
    fact_checking_text,
    overlap,
    partial_tuning,
    complexity,
    update_and_erase,
    critical_checks,
    consistency,
)

EXPERIMENTS: dict[str, Experiment] = {module.EXPERIMENT.id: module.EXPERIMENT for module in _SUITE}


def experiment_named(name: str) -> Experiment:
    """The experiment with that id.

    Raises:
        BadSetting: there is none; the message lists those there are.
    """
    check_choice("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]

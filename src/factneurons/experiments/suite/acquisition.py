"""E5: is nothing lost until the last of a fact's groups is suppressed, and then everything?

'Cracking Factual Knowledge' (ACL 2025), acquisition of facts: the n groups of a fact's knowledge neurons are suppressed
k at a time. Of degenerate components little is lost while k < n, and much at k = n; the paper says so of its topology
clustering, and less of k-means, DBSCAN, hierarchical clustering and pairs.

Groups are found with half of a fact's prompts and their losses measured with the other half. Beside each are random
partitions of the same knowledge neurons into parts of the same sizes: a curve says something of groups only where
theirs is another one. "components" passed the functional tests, which ask for this very shape; "candidates" are all
groups that a clusterer made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np

from factneurons.degeneracy.settings import ClustererName
from factneurons.degeneracy.types import AcquisitionCurve
from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Work
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact

COMPONENTS, CANDIDATES = "components", "candidates"
PANELS = range(2, 8)
"""How many groups the panels are of, as in the paper; facts with more are in the other numbers."""

_LOSS = "loss, {} {}"

MEASURES = {
    "some suppressed": "mean share of P(answer) lost with some of the groups suppressed, over proper subsets",
    "all suppressed": "share of P(answer) lost with all groups suppressed",
    "jump": "all suppressed - some suppressed",
    "degeneracy index": "1 - loss with one group left / loss with none, 0 to 1",
    "has groups": "1 if the clusterer makes two groups or more of the fact, else 0",
    "groups": "how many groups there are",
    "neurons per group": "how many neurons a group has",
} | {
    _LOSS.format(number, which): f"share of P(answer) lost, by how many of {number} {which} are suppressed"
    for which in (COMPONENTS, CANDIDATES)
    for number in PANELS
}


def prepare(study: Study) -> Work:
    """Every clusterer, one after the other, on one fact."""
    from factneurons.attribution.drops import Drops, suppressed_by
    from factneurons.degeneracy.acquisition import acquisition_curves
    from factneurons.degeneracy.distances import GapUnits
    from factneurons.degeneracy.find import degenerate_neurons

    settings = study.settings.search
    units = GapUnits(study.model, settings)

    def work(fact: Fact) -> Iterator[Measured]:
        study.require_known(fact)
        known = study.knowledge(fact, study.settings.methods[0])
        _, tested = study.halves(fact)
        drops = Drops(suppressed_by(fact, tested))
        for name in study.settings.clusterers:
            variant = replace(settings, clusterer=cast(ClustererName, name))
            if variant == settings:
                found = study.components(fact)
            else:
                found = degenerate_neurons(study.model, known, variant, units)
            (curves,) = study.model.answer([acquisition_curves(found, known, drops, variant)])
            there = {curve.which for curve in curves}
            for which in (COMPONENTS, CANDIDATES):
                yield Measured(name, "has groups", float(which in there), which)
            for curve in curves:
                yield from _of_curve(name, curve)

    return work


def _of_curve(clusterer: str, curve: AcquisitionCurve) -> Iterator[Measured]:
    from factneurons.degeneracy.indices import degeneracy_index, mean_of_proper_subsets

    which = curve.which.removeprefix(RANDOM_FOR)
    condition = clusterer if which == curve.which else f"{RANDOM_FOR}{clusterer}"
    drops = [point.mean_drop for point in curve.points]
    some, everything = mean_of_proper_subsets(drops), drops[-1]
    yield Measured(condition, "some suppressed", some, which)
    yield Measured(condition, "all suppressed", everything, which)
    yield Measured(condition, "jump", everything - some, which)
    index = degeneracy_index(everything, np.array(drops[-2:-1]))
    if not math.isnan(index):
        yield Measured(condition, "degeneracy index", index, which)
    if condition == clusterer:
        yield Measured(condition, "groups", float(curve.groups), which)
        yield Measured(condition, "neurons per group", curve.size / curve.groups, which)
    if curve.groups in PANELS:
        for point in curve.points:
            name = _LOSS.format(curve.groups, which)
            yield Measured(condition, name, point.mean_drop, str(point.suppressed))


def _claims() -> Iterator[Claim]:
    for name, what in (("ntc", "topology clustering"), ("interaction", "clustering by interaction")):
        for which in (COMPONENTS, CANDIDATES):
            own = f"the {which} of {what}"
            yield Claim(
                f"While some of {own} are suppressed, less is lost than of random partitions.",
                "some suppressed", name, "less", f"{RANDOM_FOR}{name}", which,
            )  # fmt: skip
            yield Claim(
                f"Suppressing the last of {own} costs more than the last part of random partitions.",
                "jump", name, "greater", f"{RANDOM_FOR}{name}", which,
            )  # fmt: skip
    for other in ("kmeans", "dbscan", "hierarchical", "pairs", "random"):
        yield Claim(
            f"The jump is larger for the components of ntc than for those of {other}.",
            "jump", "ntc", "greater", other, COMPONENTS,
        )  # fmt: skip
    yield Claim(
        "The jump is larger for the components of interaction than for those of ntc.",
        "jump", "interaction", "greater", "ntc", COMPONENTS,
    )  # fmt: skip


def _panels(which: str) -> Chart:
    measures = tuple(_LOSS.format(number, which) for number in PANELS)
    return Chart(f"Loss by {which} suppressed", measures, across="place", axis="groups suppressed")


EXPERIMENT = Experiment(
    id="E5",
    title="Acquisition",
    source="Cracking Factual Knowledge (ACL 2025)",
    question="Is nothing lost until the last of a fact's groups of neurons is suppressed, and then everything?",
    smallest="100 facts that the model knows, for 30 with components",
    example=(
        'factneurons experiment E5 --model pocket-gpt2 --facts "bundled?lang=en&sample=20&seed=1" '
        "--clusterers ntc,interaction,kmeans --out runs/acquisition"
    ),
    measures=MEASURES,
    claims=tuple(_claims()),
    prepare=prepare,
    charts=(
        Chart("What some and all groups cost", ("some suppressed", "all suppressed", "jump")),
        _panels(COMPONENTS),
        _panels(CANDIDATES),
    ),
    options=("clusterers",),
)

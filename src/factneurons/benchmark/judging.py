"""One planted model judged: which neurons each method finds, how each clusterer groups them, and what it concludes.

In: a planted model and its truth. Out: three tables, one row per fact and contestant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import adjusted_rand_score, average_precision_score

from factneurons.attribution.drops import Drops, NeuronSet, suppressed_by
from factneurons.attribution.selection import coarse_set, needed_prompts
from factneurons.attribution.settings import SelectionSettings
from factneurons.benchmark.contestants import groupers, scorers
from factneurons.benchmark.settings import GROUPED, JUDGED, ORACLE, TRUE
from factneurons.degeneracy.carrying import FactsByNeuron
from factneurons.degeneracy.clusterers.base import Context
from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.degeneracy.distances import GapUnits, neuron_distances
from factneurons.degeneracy.halving import split_prompts
from factneurons.degeneracy.judge import storage_of
from factneurons.degeneracy.mediation import mediated_effects
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.draws import as_number
from factneurons.errors import BadModel, warn
from factneurons.facts.types import Fact
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.prompts import queries_of
from factneurons.models.questions import Asking
from factneurons.models.types import Neuron, Query
from factneurons.planted.truth import Truth
from factneurons.planted.types import PlantedFact

_MATCH = 0.5
"""A group is a component if their Jaccard index is above this: at most one group can be."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A planted fact in one language, as it is asked of its model."""

    planted: PlantedFact
    fact: Fact
    queries: tuple[Query, ...]

    @property
    def searched(self) -> Sequence[Query]:
        """The queries that neurons and groups are found with: every other one."""
        return split_prompts(self.queries)[0]

    @property
    def held_out(self) -> Sequence[Query]:
        """The other queries, which nothing is found with."""
        return split_prompts(self.queries)[1]

    @property
    def neurons(self) -> frozenset[Neuron]:
        """The neurons that carry it."""
        return frozenset(self.planted.neurons_of(self.fact.language))

    @property
    def helpers(self) -> frozenset[Neuron]:
        """Neurons that to find is neither right nor wrong."""
        return frozenset(self.planted.helpers)

    @property
    def components(self) -> list[NeuronSet]:
        """Its components in this language."""
        own = (each for each in self.planted.components if each.language in ("", self.fact.language))
        return [frozenset(component.neurons) for component in own]

    def row(self) -> dict[str, object]:
        """What every row of a table says of it."""
        return {"fact_id": self.fact.id, "language": self.fact.language, "regime": self.planted.regime}


@dataclass(slots=True)
class Judged:
    """The tables of one model."""

    localisation: pd.DataFrame
    grouping: pd.DataFrame
    verdicts: pd.DataFrame


@dataclass(slots=True)
class Sets:
    """The neurons of every unit from one source, and the losses measured for them."""

    model: Model
    neurons: dict[tuple[str, str], NeuronSet]
    units: Sequence[Unit]
    drops: dict[tuple[str, str], Drops] = field(default_factory=dict)

    def of(self, unit: Unit) -> NeuronSet:
        """A unit's neurons."""
        return self.neurons[unit.fact.id, unit.fact.language]

    def losses(self, unit: Unit) -> Drops:
        """What suppressing sets of neurons costs the prompts that groups are found with; each set is measured once."""
        key = (unit.fact.id, unit.fact.language)
        if key not in self.drops:
            self.drops[key] = Drops(suppressed_by(unit.fact, unit.searched))
        return self.drops[key]

    def others(self, settings: DegeneracySettings) -> FactsByNeuron:
        """Whose neurons a group may carry."""
        units = {unit.fact.key: unit for unit in self.units}
        facts = ((unit.fact, self.of(unit)) for unit in self.units)
        return FactsByNeuron(facts, lambda fact: self.losses(units[fact.key]), settings)


def judge(folder: Path, *, grouped_by: Sequence[str] = (TRUE, "amig")) -> Judged:
    """Judge every method and clusterer by one planted model.

    Args:
        folder: a planted model with its truth.
        grouped_by: where the neurons to be grouped come from: the truth, or methods by name.

    Raises:
        BadRun: the folder holds no planted model.
        BadModel: it holds facts whose neurons do not act at the target.
    """
    truth = Truth.load(folder)
    elsewhere = next((planted.positions for planted in truth.facts if planted.positions != "target"), None)
    if elsewhere:
        raise BadModel(f"{folder}: it has facts whose neurons act at {elsewhere!r}; methods are judged at the target")
    model = load_model(folder)
    units = [Unit(planted, fact, queries_of(model, fact)) for planted in truth.facts for fact in planted.facts]
    localisation, found = _localised(model, units)
    sources = {TRUE: {(unit.fact.id, unit.fact.language): unit.neurons for unit in units}, **found}
    tables = [grouped(model, units, name, sources[name], groupers()) for name in grouped_by if name in sources]
    return Judged(
        pd.DataFrame(localisation),
        pd.concat([pd.DataFrame(rows) for rows, _ in tables], ignore_index=True),
        pd.concat([pd.DataFrame(rows) for _, rows in tables], ignore_index=True),
    )


def _localised(
    model: Model, units: Sequence[Unit]
) -> tuple[list[dict[str, object]], dict[str, dict[tuple[str, str], NeuronSet]]]:
    """Rows of the localisation table, and the neurons that each method found."""
    rows: list[dict[str, object]] = []
    found: dict[str, dict[tuple[str, str], NeuronSet]] = {}
    for name, (scorer, thresholds) in scorers().items():
        try:
            scored = scorer(model, [each.searched for each in units])
        except BadModel as reason:  # a method that is not defined on this family
            warn(f"{name} is not judged: {reason}")
            continue
        found[name] = {}
        for unit, scores in zip(units, scored, strict=True):
            threshold = thresholds.get(unit.fact.language, thresholds[""])
            chosen = chosen_neurons(scores, threshold)
            found[name][unit.fact.id, unit.fact.language] = chosen
            metrics = localisation_metrics(unit.neurons, chosen, scores, unit.helpers)
            rows.append({**unit.row(), "method": name, **metrics})
    for place, unit in enumerate(units):
        own = rows[place :: len(units)]
        lost = held_out_losses(model, unit, [each[unit.fact.id, unit.fact.language] for each in found.values()])
        for row, value in zip(own, lost, strict=True):
            row["held_out_loss"] = value
    return rows, found


def held_out_losses(model: Model, unit: Unit, sets: Sequence[NeuronSet]) -> list[float]:
    """What suppressing each set costs the prompts it was not found with: the share of P(answer) lost, their mean.

    NaN where the fact has one prompt only.
    """
    if not unit.held_out:
        return [math.nan] * len(sets)
    table = model.probabilities_with(unit.held_out, [(), *(sorted(each) for each in sets)])
    lost: list[float] = (1 - table[:, 1:] / table[:, :1]).mean(axis=0).tolist()
    return lost


def chosen_neurons(scores: npt.NDArray[np.float32], threshold: float) -> NeuronSet:
    """The neurons that reach the threshold, as a share of the largest score, in enough of the prompts."""
    settings = SelectionSettings()
    sets = [coarse_set(each.astype(np.float64), settings.selector, threshold) for each in scores]
    needed = needed_prompts(len(sets), settings)
    candidates = {neuron for each in sets for neuron in each}
    return frozenset(neuron for neuron in candidates if sum(neuron in each for each in sets) >= needed)


def localisation_metrics(
    true: NeuronSet, chosen: NeuronSet, scores: npt.NDArray[np.float32], ignored: NeuronSet = frozenset()
) -> dict[str, object]:
    """Precision and recall of the chosen neurons, and average precision of the mean scores over all neurons.

    Args:
        true: the neurons to be found.
        chosen: those that were found.
        scores: of all neurons, [prompts, layers, width].
        ignored: neurons that are neither right nor wrong: they are left out everywhere.
    """
    mean = np.asarray(scores.mean(axis=0, dtype=np.float64))
    labels, counted = np.zeros(mean.shape, dtype=bool), np.ones(mean.shape, dtype=bool)
    for neuron in true:
        labels[neuron] = True
    for neuron in ignored:
        counted[neuron] = False
    chosen = chosen - ignored
    hits = len(true & chosen)
    return {
        "precision": hits / len(chosen) if chosen else 0.0,
        "recall": hits / len(true),
        "average_precision": float(average_precision_score(labels[counted], mean[counted])),
        "chosen": len(chosen),
        "true": len(true),
    }


def grouped(
    model: Model,
    units: Sequence[Unit],
    source: str,
    neurons: dict[tuple[str, str], NeuronSet],
    contestants: Mapping[str, DegeneracySettings],
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows of the grouping table and of the verdict table for neurons from one source."""
    sets = Sets(model, neurons, units)
    judged = [
        (unit, name)
        for unit in units
        if unit.planted.regime in JUDGED
        for name in (*contestants, *((ORACLE,) if unit.planted.regime in GROUPED else ()))
    ]
    found = groups_and_verdicts(sets, judged, contestants, lambda unit: true_groups(unit, sets.of(unit)))
    grouping, verdicts = [], []
    for (unit, name), (groups, verdict) in zip(judged, found, strict=True):
        row = {**unit.row(), "neurons": source, "clusterer": name}
        if unit.planted.regime in GROUPED:
            counted = [group - unit.helpers for group in groups if group - unit.helpers]
            metrics = grouping_metrics(unit.components, counted, sets.of(unit) - unit.helpers)
            grouping.append({**row, **metrics})
        verdicts.append({**row, "verdict": verdict})
    return grouping, verdicts


def groups_and_verdicts(
    sets: Sets,
    judged: Sequence[tuple[Unit, str]],
    contestants: Mapping[str, DegeneracySettings],
    oracle: Callable[[Unit], list[NeuronSet]],
) -> list[tuple[list[NeuronSet], str]]:
    """What each contestant makes of a unit's neurons, and what is concluded from it; all are asked side by side.

    Args:
        sets: the neurons of every unit.
        judged: units and names of contestants, or `ORACLE`.
        contestants: name -> the settings of a way to group neurons.
        oracle: gives the groups of `ORACLE`.
    """
    gaps = {name: GapUnits(sets.model, settings) for name, settings in contestants.items()}

    def search(unit: Unit, name: str) -> Asking[tuple[list[NeuronSet], str]]:
        settings = contestants.get(name, DegeneracySettings())
        if name == ORACLE:
            groups = oracle(unit)
        else:
            groups = yield from groups_of(sets.model, sets, unit, settings, gaps[name])
        return groups, (yield from _verdict(sets, unit, groups, settings))

    return list(sets.model.answer(search(unit, name) for unit, name in judged))


def true_groups(unit: Unit, neurons: NeuronSet) -> list[NeuronSet]:
    """Of the given neurons those of each component; a neuron that two have in common is the first one's."""
    groups: list[NeuronSet] = []
    for component in unit.components:
        groups.append((component & neurons).difference(*groups))
    return [group for group in groups if group]


def groups_of(
    model: Model, sets: Sets, unit: Unit, settings: DegeneracySettings, units: GapUnits
) -> Asking[list[NeuronSet]]:
    """The groups a clusterer makes of a unit's neurons; none where it finds none."""
    neurons = tuple(sorted(sets.of(unit)))
    if len(neurons) < 2:
        return []
    context = Context(
        distances=neuron_distances(model, neurons, settings, units),
        neurons=neurons,
        scores=(1.0,) * len(neurons),
        drops=sets.losses(unit),
        rng=np.random.default_rng([settings.seed, as_number(unit.fact.key)]),
        widths=model.backbone.widths,
        mediated_effects=lambda needed: mediated_effects(unit.searched, needed),
    )
    clustering = yield from CLUSTERERS[settings.clusterer].cluster(context, settings)
    return [frozenset(neurons[member] for member in cluster.members) for cluster in clustering.clusters]


def _verdict(sets: Sets, unit: Unit, groups: Sequence[NeuronSet], settings: DegeneracySettings) -> Asking[str]:
    drops = sets.losses(unit)
    yield from drops.measure()
    if not drops.probability > 0:
        return "none"
    carries = sets.others(settings).carrying(unit.fact)
    held_out = suppressed_by(unit.fact, unit.held_out)
    found = yield from storage_of(sets.of(unit), groups, drops, held_out, carries, settings, fact_key=unit.fact.key)
    return found.verdict


def grouping_metrics(
    components: Sequence[NeuronSet], groups: Sequence[NeuronSet], neurons: NeuronSet
) -> dict[str, object]:
    """How well groups are the components: adjusted Rand index, and F1 of "this group is a component".

    Both speak of all neurons, the true and the given ones. A neuron that is in no group, or in no component, stands
    for itself. Where there is no group at all, the given neurons are one.
    """
    groups = list(groups) or [neurons]
    every = sorted(neurons.union(*components))
    index = adjusted_rand_score(_labels(every, components), _labels(every, groups))
    hits = sum(any(_jaccard(group, component) > _MATCH for group in groups) for component in components)
    return {"adjusted_rand_index": float(index), "f1": 2 * hits / (len(groups) + len(components))}


def _labels(neurons: Sequence[Neuron], groups: Sequence[NeuronSet]) -> list[int]:
    place = {neuron: number for number, group in enumerate(groups) for neuron in group}
    return [place.get(neuron, len(groups) + alone) for alone, neuron in enumerate(neurons)]


def _jaccard(first: NeuronSet, second: NeuronSet) -> float:
    either = first | second
    return len(first & second) / len(either) if either else 0.0

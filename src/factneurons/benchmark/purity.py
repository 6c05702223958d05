"""Grouping judged where nobody planned the facts: do the groups that are found lie within one group of neurons?

In: a model that was trained with one of two groups of neurons off. Out: a row per fact and clusterer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from scipy.stats import hypergeom

from factneurons.attribution.drops import NeuronSet
from factneurons.benchmark.contestants import scorers
from factneurons.benchmark.judging import Sets, Unit, chosen_neurons, groups_and_verdicts, held_out_losses
from factneurons.benchmark.settings import DEFAULT, DISTINCT, ORACLE
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.load import load_model
from factneurons.models.prompts import queries_of
from factneurons.planted.switched import Switched
from factneurons.planted.types import PlantedFact


def purity(groups: Sequence[NeuronSet], first: NeuronSet) -> float:
    """The share of grouped neurons that are on the side, in `first` or not, of most of their group; 1 without any."""
    neurons = sum(len(group) for group in groups)
    if not neurons:
        return 1.0
    return sum(max(len(group & first), len(group - first)) for group in groups) / neurons


def purity_by_chance(groups: Sequence[NeuronSet], first: NeuronSet) -> float:
    """The mean purity where it is drawn at random which of the grouped neurons are in `first`, as many as there are.

    Exact: how many of a group are in it is hypergeometric.
    """
    neurons = sum(len(group) for group in groups)
    inside = sum(len(group & first) for group in groups)
    if not neurons:
        return 1.0
    expected = 0.0
    for group in groups:
        size = len(group)
        counts = range(size + 1)
        chances = hypergeom.pmf(counts, neurons, inside, size).tolist()
        expected += sum(chance * max(count, size - count) for count, chance in zip(counts, chances, strict=True))
    return expected / neurons


def sides(neurons: NeuronSet, first: NeuronSet) -> list[NeuronSet]:
    """The neurons in the first group, and the others."""
    return [side for side in (neurons & first, neurons - first) if side]


def judge_switched(
    folder: Path, contestants: Mapping[str, DegeneracySettings], *, facts: int | None = None
) -> pd.DataFrame:
    """Judge clusterers by one such model, with the neurons that `locate` finds by default.

    Neurons and groups are found with every other prompt of a fact. Columns: fact_id, language, clusterer, found (how
    many neurons were), both_sides (whether there are some in each group), held_out_loss (the share of P(answer) that
    the other prompts lose with all of them suppressed), groups, purity, by_chance, above_chance, verdict, components
    (whether the verdict is that there are any). The clusterer "true groups" is no clusterer: it parts the neurons by
    the two groups.

    Args:
        folder: a model that `planted.from_scratch.train_switched` made.
        contestants: name -> the settings of a way to group neurons.
        facts: how many facts at most; None: all.

    Raises:
        BadRun: the folder holds no such model.
    """
    known, model = Switched.load(folder), load_model(folder)
    first = known.groups[0]
    units = [
        Unit(PlantedFact((fact,), "degenerate", ()), fact, queries_of(model, fact)) for fact in known.facts[:facts]
    ]
    scorer, thresholds = scorers()[DEFAULT]
    scores = scorer(model, [unit.searched for unit in units])
    found = [chosen_neurons(each, thresholds[""]) for each in scores]
    keys = [(unit.fact.id, unit.fact.language) for unit in units]
    sets = Sets(model, dict(zip(keys, found, strict=True)), units)
    lost = {unit.fact.id: held_out_losses(model, unit, [sets.of(unit)])[0] for unit in units}
    judged = [(unit, name) for unit in units for name in (*contestants, ORACLE)]
    made = groups_and_verdicts(sets, judged, contestants, lambda unit: sides(sets.of(unit), first))
    rows = []
    for (unit, name), (own, verdict) in zip(judged, made, strict=True):
        neurons = sets.of(unit)
        groups = own or ([neurons] if neurons else [])
        pure, chance = purity(groups, first), purity_by_chance(groups, first)
        rows.append(
            {"fact_id": unit.fact.id, "language": unit.fact.language, "clusterer": name, "groups": len(groups)}
            | {"found": len(neurons), "both_sides": float(len(sides(neurons, first)) == 2)}
            | {"held_out_loss": lost[unit.fact.id], "purity": pure, "by_chance": chance, "above_chance": pure - chance}
            | {"verdict": verdict, "components": float(verdict in DISTINCT)}
        )
    return pd.DataFrame(rows)

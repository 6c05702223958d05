"""What the thresholds of the verdict were chosen by: two tables over planted models that are not in the benchmark.

    factneurons plant pocket-gpt2 --out planted/gpt2 --seed 100
    factneurons plant pocket-llama --out planted/llama --seed 100
    python studies/tuning.py planted/gpt2 planted/llama

The first: how many verdicts of grouping by interaction are right, the true neurons given, by the threshold of F1. The
second: of how many components it is seen that they carry another fact, or none, by the other facts' neurons (what the
verdict uses) and by their effect on other facts against matched random neurons. The threshold of the halving test has
a study of its own, halving.py.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from factneurons.attribution.controls import matched_random, strengths
from factneurons.benchmark.contestants import groupers
from factneurons.benchmark.judging import Sets, Unit, grouped
from factneurons.benchmark.settings import JUDGED, TRUE
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.planted.truth import Truth

THRESHOLDS = (0.05, 0.1, 0.2, 0.3)
DRAWS = 99
CHANGED = 0.1
CARRIES = {"degenerate": True, "shared": True, "redundant": False, "single": False}


def units_of(folder: Path) -> tuple[Model, list[Unit]]:
    """A planted model and its facts."""
    model = load_model(folder)
    facts = ((planted, fact) for planted in Truth.load(folder).facts for fact in planted.facts)
    return model, [
        Unit(planted, fact, tuple(model.query(prompt, fact.answer) for prompt in fact.prompts))
        for planted, fact in facts
    ]


def right_verdicts(model: Model, units: list[Unit]) -> Iterator[tuple[float, bool]]:
    """(threshold of F1, whether the verdict over a fact is right)."""
    settings = groupers()["interaction"]
    neurons = {(unit.fact.id, unit.fact.language): unit.neurons for unit in units}
    for threshold in THRESHOLDS:
        _, verdicts = grouped(model, units, TRUE, neurons, {"interaction": replace(settings, t_low=threshold)})
        for row in verdicts:
            yield threshold, row["verdict"] == row["regime"]


def carrying(model: Model, units: list[Unit]) -> Iterator[tuple[str, bool, bool]]:
    """(regime, whether a component is seen to carry other facts by their neurons, by its effect on them)."""
    sets = Sets(model, {(unit.fact.id, unit.fact.language): unit.neurons for unit in units}, units)
    known = sets.others(groupers()["interaction"])
    for unit in units:
        if unit.planted.regime not in CARRIES:
            continue
        others = [
            other.queries[0]
            for other in units
            if other.fact.id != unit.fact.id and other.fact.language == unit.fact.language
        ]
        strength = strengths(model, unit.queries)
        for component in unit.components:
            random = matched_random(strength, sorted(component), draws=DRAWS, seed=1, name=unit.fact.key)
            table = model.probabilities_with(others, [(), sorted(component), *random])
            changed = (np.abs(np.log(table[:, 1:] / table[:, :1])) > CHANGED).mean(axis=0)
            p_value = (1 + (changed[1:] >= changed[0]).sum()) / (1 + DRAWS)
            yield unit.planted.regime, model.answer([known.carrying(unit.fact)(component)])[0], bool(p_value <= 0.05)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="planted models")
    loaded = [units_of(folder) for folder in parser.parse_args().folders]
    right: dict[float, list[bool]] = defaultdict(list)
    seen: Counter[tuple[str, str]] = Counter()
    for model, units in loaded:
        for threshold, hit in right_verdicts(model, units):
            right[threshold].append(hit)
        for regime, by_neurons, by_effect in carrying(model, units):
            seen[regime, "components"] += 1
            seen[regime, "by neurons"] += by_neurons
            seen[regime, "by effect"] += by_effect
    facts = sum(unit.planted.regime in JUDGED for _, units in loaded for unit in units)
    print(f"{facts} facts\n\n| threshold of F1 | right verdicts |\n| --- | --- |")
    for threshold, hits in right.items():
        print(f"| {threshold:g} | {np.mean(hits):.0%} |")
    columns = ("components", "by neurons", "by effect")
    print("\n| regime | components | seen to carry others by neurons | by effect |\n| --- | --- | --- | --- |")
    for regime in CARRIES:
        print(f"| {regime} | " + " | ".join(str(seen[regime, column]) for column in columns) + " |")


if __name__ == "__main__":
    main()

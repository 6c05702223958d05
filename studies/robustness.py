"""Does degeneracy make a fact robust? The same planted facts with one of their components left, and with all of them.

    python studies/robustness.py FOLDER ... [--draws 20]

Each FOLDER is a planted model. Of every redundant or degenerate fact each component suffices alone; with all but k of
them suppressed at the target positions the fact has k, in the same model, with the same weights, about as likely. For
every k, as means over the ways to keep k:

    P              P(answer)
    perturbed      share of P(answer) that a perturbed question loses (replace, add, delete), as in E6
    one neuron     share that is lost with one neuron of those kept suppressed too: the same number for every k
    half           share that is lost with a random half of those kept suppressed: the same share for every k

"all, random gone" keeps every component and suppresses as many random neurons, matched in layer and strength, as are
suppressed where one is left: what the suppression of so many neurons does by itself. Differences are paired over facts
(two-sided permutation test), once more over those facts alone whose P(answer) differs by at most 0.02.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

import factneurons as fn
from factneurons.attribution.controls import matched_random, strengths
from factneurons.errors import NotAskable
from factneurons.facts.perturbing import versions_of
from factneurons.facts.settings import EDITS
from factneurons.models.types import Neuron
from factneurons.planted.types import PlantedFact
from factneurons.statistics import bootstrap_interval, holm, paired_permutation_test

SEED = 42
REGIMES = ("redundant", "degenerate")
MEASURES = ("P", "perturbed", "one neuron", "half")
ONE, ALL, CONTROL = "one component", "all components", "all, random gone"
ALIKE = 0.02
"""Facts whose P(answer) differs by no more count as equally likely."""

Sets = list[tuple[Neuron, ...]]


def rows_of(folder: Path, draws: int) -> Iterator[dict[str, object]]:
    """A row for every fact and condition."""
    model, truth = fn.load_model(folder), fn.Truth.load(folder)
    for planted in truth.facts:
        if planted.regime in REGIMES:
            (fact,) = planted.facts
            try:
                for condition, numbers in measured(model, planted, draws):
                    yield {"model": folder.name, "fact": f"{folder.name}/{fact.id}", "condition": condition, **numbers}
            except NotAskable as error:
                print(f"{folder.name}: {fact.id} is left out: {error}")


def measured(model: fn.Model, planted: PlantedFact, draws: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Every condition of one fact, the mean over the ways to keep so many components."""
    (fact,) = planted.facts
    clean = [model.query(prompt, fact.answer) for prompt in fact.prompts]
    how = fn.PerturbationSettings(seed=SEED)
    made = {version for prompt in fact.prompts for edit in EDITS for version in versions_of(fact, prompt, edit, how)}
    perturbed = [model.query(prompt, fact.answer) for prompt in sorted(made, key=lambda prompt: prompt.text)]
    parts = [each.neurons for each in planted.components]
    everything = frozenset(planted.neurons)

    def numbers(gone: Sequence[Neuron], kept: Sequence[Neuron]) -> dict[str, float]:
        rng, size = np.random.default_rng(SEED), len(kept) // 2
        halves = [tuple(kept[place] for place in rng.permutation(len(kept))[:size]) for _ in range(draws)]
        sets: Sets = [tuple(gone), *((*gone, neuron) for neuron in kept), *((*gone, *half) for half in halves)]
        table = model.probabilities_with([*clean, *perturbed], sets)
        own, changed = table[: len(clean)].mean(axis=0), table[len(clean) :].mean(axis=0)
        lost = 1 - own / own[0]
        single = slice(1, 1 + len(kept))
        return {
            "P": own[0],
            "perturbed": 1 - changed[0] / own[0],
            "one neuron": lost[single].mean(),
            "half": lost[single.stop :].mean(),
        }

    for count in range(1, len(parts) + 1):
        found = []
        for chosen in combinations(parts, count):
            kept = sorted({neuron for part in chosen for neuron in part})
            found.append(numbers(sorted(everything.difference(kept)), kept))
        name = ONE if count == 1 else ALL if count == len(parts) else f"{count} components"
        yield name, _means(found)
    removed = [neuron for part in parts[1:] for neuron in part]
    random = matched_random(strengths(model, clean), removed, draws=draws, seed=SEED, name=fact.key)
    apart = [gone for gone in random if not everything.intersection(gone)]
    if apart:
        yield CONTROL, _means([numbers(gone, planted.neurons) for gone in apart])


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def compared(rows: pd.DataFrame) -> Iterator[str]:
    """A line for every difference of all components from one component, and from all with random neurons gone."""
    wide = rows.pivot_table(index=["model", "fact"], columns="condition", values=list(MEASURES))
    told: list[tuple[str, float]] = []
    alike = (wide["P", ALL] - wide["P", ONE]).abs() <= ALIKE
    for which, own in (("all facts", wide), ("equally likely", wide[alike])):
        for first, second in ((ALL, ONE), (CONTROL, ONE), (CONTROL, ALL)):
            both = own[[name for name in own.columns if name[1] in (first, second)]].dropna()
            for measure in MEASURES if len(both) > 1 else ():
                one, other = both[measure, first], both[measure, second]
                found = bootstrap_interval((one - other).to_numpy())
                p = paired_permutation_test(one.to_numpy(), other.to_numpy()).p_value
                ends = f"{found.estimate:+.3f} [{found.low:+.3f}, {found.high:+.3f}], {len(both)} facts"
                told.append((f"{which}: {measure}, {first} less {second}: {ends}", p))
    for (text, _), p in zip(told, holm([p for _, p in told]) if told else (), strict=True):
        yield f"{text}, p {p:.3g} after Holm"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="planted models")
    parser.add_argument("--draws", type=int, default=20, help="random halves and random sets per fact")
    options = parser.parse_args()
    rows = pd.DataFrame([row for folder in options.folders for row in rows_of(folder, options.draws)])
    if rows.empty:
        parser.error("none of these models has a redundant or a degenerate fact")
    for condition, own in rows.groupby("condition", sort=False):
        means = ", ".join(f"{name} {own[name].mean():.3f}" for name in MEASURES)
        print(f"{condition} ({len(own)} facts): {means}")
    for line in compared(rows):
        print(line)


if __name__ == "__main__":
    main()

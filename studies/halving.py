"""How often the halving test calls groups distinct where there are none, and where there are.

    factneurons plant pocket-gpt2 --out planted/gpt2 --seed 100
    factneurons plant pocket-llama --out planted/llama --seed 100
    python studies/halving.py planted/gpt2 planted/llama --docs docs/degeneracy.md

Without groups: landscapes, in which P(answer) is written down as a nondecreasing function of a sum of one weight per
neuron, searched by `interaction` and filtered; and bundled models whose weight matrices are shuffled, with their
knowledge neurons. With groups: planted models that are not in the benchmark, by how a fact was planted, with its true
neurons and with those that `joint` finds. What stands between two comments of the docs is replaced.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binomtest

from factneurons.attribution.drops import Drops, Suppressed
from factneurons.attribution.locate import locate
from factneurons.attribution.settings import SelectionSettings
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.benchmark.judging import Unit
from factneurons.benchmark.tables import Table, fill, markdown
from factneurons.degeneracy.carrying import carries_nothing
from factneurons.degeneracy.clusterers.base import Context
from factneurons.degeneracy.clusterers.interaction import interaction
from factneurons.degeneracy.find import find_degenerate
from factneurons.degeneracy.halving import split_prompts
from factneurons.degeneracy.judge import storage_of
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.facts.source import load_facts
from factneurons.models.bundled import POCKET_MODELS
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.questions import Asking, answered, knowing
from factneurons.models.types import FloatArray, Neuron
from factneurons.planted.truth import Truth

Floats = npt.NDArray[np.float64]
Found = tuple[str, str, float]
"""What a row of the table is about, the grouping, and T (NaN: not tested)."""

SETTINGS = DegeneracySettings()
NEURONS = [Neuron(place // 6, place % 6) for place in range(18)]
PROMPTS = 8
JOINT = SelectionSettings(threshold=0.2, rounds=4)
MARK = "halving"


def sigmoid(total: Floats) -> Floats:
    """P where a fact has log-odds that its neurons add to."""
    return 1 / (1 + np.exp(1.5 - total))


def lognormal(rng: np.random.Generator) -> Floats:
    """A few neurons matter much, most little."""
    return np.exp(rng.normal(size=len(NEURONS)))


def equal(_: np.random.Generator) -> Floats:
    """Every neuron matters as much as another."""
    return np.full(len(NEURONS), math.exp(0.5))


LANDSCAPES: dict[str, tuple[Callable[[np.random.Generator], Floats], Callable[[Floats], Floats]]] = {
    "sigmoid of log-normal weights": (lognormal, sigmoid),
    "sigmoid of equal weights": (equal, sigmoid),
    "linear in log-normal weights": (lognormal, lambda total: np.clip(0.02 + 0.03 * total, 0, 1)),
    "threshold of log-normal weights": (lognormal, lambda total: 0.02 + 0.9 * (total > 5).astype(np.float64)),
}


def landscapes(count: int) -> Iterator[Found]:
    """Facts without groups, with and without noise: every prompt has weights of its own around those of the fact."""
    for name, (draw, link) in LANDSCAPES.items():
        for noise in (0.0, 0.1, 0.3):
            rng = np.random.default_rng(1)
            for number in range(count):
                weights = draw(rng) * np.exp(noise * rng.normal(size=(PROMPTS, len(NEURONS))))
                searched, held_out = (_suppressed(np.array(part), link) for part in split_prompts(list(weights)))
                yield f"{name}, noise {noise:g}", *_judged(searched, held_out, f"{name} {number}")


def _suppressed(weights: Floats, link: Callable[[Floats], Floats]) -> Suppressed:
    place = {neuron: number for number, neuron in enumerate(NEURONS)}

    def ask(sets: Sequence[Collection[Neuron]]) -> Asking[FloatArray]:
        active = np.ones((len(sets), len(NEURONS)))
        for row, neurons in enumerate(sets):
            active[row, [place[neuron] for neuron in neurons]] = 0
        return knowing(link(weights @ active.T))

    return ask


def _judged(searched: Suppressed, held_out: Suppressed, name: str) -> tuple[str, float]:
    drops = Drops(searched)
    nothing = np.zeros((len(NEURONS), len(NEURONS)))
    context = Context(nothing, tuple(NEURONS), (1.0,) * len(NEURONS), drops, np.random.default_rng(0), ())
    clusters = answered(interaction(context, SETTINGS)).clusters
    groups = [frozenset(NEURONS[member] for member in cluster.members) for cluster in clusters]
    judging = storage_of(frozenset(NEURONS), groups, drops, held_out, carries_nothing, SETTINGS, fact_key=name)
    found = answered(judging)
    return found.grouping, found.evidence.get("halving", math.nan)


def shuffled_models(count: int) -> Iterator[Found]:
    """Bundled models with random weights: the entries of every matrix are shuffled."""
    facts = [fact for fact in load_facts(f"bundled?sample={count}&seed=3") if len(fact.prompts) > 1]
    for name in POCKET_MODELS:
        model = load_model(name)
        generator = torch.Generator().manual_seed(0)
        for weights in model.backbone.module.parameters():
            if weights.dim() == 2:
                order = torch.randperm(weights.numel(), generator=generator)
                weights.copy_(weights.flatten()[order].reshape(weights.shape))
        known = locate(model, facts, selection=JOINT, method="joint")
        for each in find_degenerate(model, known):
            yield f"{name}, weights shuffled", each.grouping, each.details.get("halving", math.nan)


def planted(folder: Path) -> Iterator[Found]:
    """Facts of a planted model, with their true neurons and with those that are found."""
    truth, model = Truth.load(folder), load_model(folder)
    facts = [fact for planted in truth.facts for fact in planted.facts]
    located = {known.fact.key: known for known in locate(model, facts, selection=JOINT, method="joint")}
    for each in truth.facts:
        for fact in each.facts:
            unit = Unit(each, fact, located[fact.key].queries)
            sources = {"true": unit.neurons, "found": frozenset(located[fact.key].neurons)}
            for source, neurons in sources.items():
                yield f"planted: {each.regime}, {source} neurons", *_searched(model, unit, neurons)


def _searched(model: Model, unit: Unit, neurons: frozenset[Neuron]) -> tuple[str, float]:
    order, ones = tuple(sorted(neurons)), (1.0,) * len(neurons)
    known = KnowledgeNeurons(unit.fact, order, ones, ones, unit.queries, "joint", 0.2, True, 1.0, 1)
    (found,) = find_degenerate(model, known)
    return found.grouping, found.details.get("halving", math.nan)


def table(found: Sequence[Found]) -> str:
    """A row for each kind of facts."""
    rows = []
    for name in dict.fromkeys(row[0] for row in found):
        own = [row[1:] for row in found if row[0] == name]
        count = {which: sum(grouping == which for grouping, _ in own) for which in ("distinct", "undecided")}
        values = [value for _, value in own if not math.isnan(value)]
        ends = binomtest(count["distinct"], len(own)).proportion_ci(method="exact")
        rows.append(
            (
                name,
                str(len(own)),
                str(sum(grouping != "no-groups" for grouping, _ in own)),
                str(count["undecided"]),
                f"{count['distinct']} ({100 * ends.low:.0f} to {100 * ends.high:.0f} %)",
                f"{min(values):.2f} to {max(values):.2f}" if values else "–",
            )
        )
    columns = ("facts", "searched", "pass F1 to F3", "undecided", "distinct (95 % interval of the share)", "T")
    return markdown(Table("verdict", columns, tuple(rows)))


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="planted models")
    parser.add_argument("--landscapes", type=int, default=100, help="facts of each kind")
    parser.add_argument("--facts", type=int, default=100, help="bundled facts asked of each shuffled model")
    parser.add_argument("--docs", type=Path, help="the page that the table is written into")
    options = parser.parse_args()
    found = [*landscapes(options.landscapes), *shuffled_models(options.facts)]
    found += sorted((row for folder in options.folders for row in planted(folder)), key=lambda row: row[0])
    print(table(found))
    if options.docs is not None:
        page = options.docs.read_text(encoding="utf-8")
        options.docs.write_text(fill(page, MARK, table(found)), encoding="utf-8")


if __name__ == "__main__":
    main()

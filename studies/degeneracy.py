"""How many facts of the bundled models have degenerate knowledge neurons, and what decides it.

    python studies/degeneracy.py --out docs/degeneracy_bundled.csv

For clusterers, thresholds, distances and coverage: for what share of the facts the components that are found
pass the functional tests, how many of these are distinct by the halving test, and undecided,
what share of the knowledge neurons the clusters cover, and, beside it, for what share of
the facts random partitions of all their knowledge neurons pass the same tests: one into three parts, and parts as many
and as large as those that were found.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from factneurons.attribution.drops import Drops, suppressed_by
from factneurons.attribution.locate import locate
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.find import find_degenerate
from factneurons.degeneracy.functional import functional_filter
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.models.bundled import POCKET_MODELS
from factneurons.models.load import load_model
from factneurons.models.model import Model

PARTS = 3

VARIANTS = (
    ("interaction", "residual", "chosen"),
    ("ntc", "residual", "chosen"),
    ("ntc", "residual", "all"),
    ("ntc", "adjacent", "chosen"),
)
"""Clusterer, span and coverage."""


def random_passes(model: Model, known: KnowledgeNeurons, settings: DegeneracySettings) -> bool:
    """Whether one random partition of a fact's neurons into three parts passes F1 to F3."""
    neurons = sorted(known.neurons)
    if len(neurons) < 2 * PARTS:
        return False
    random.Random(known.fact.key).shuffle(neurons)
    parts = tuple(frozenset(neurons[number::PARTS]) for number in range(PARTS))
    losses = Drops(suppressed_by(known.fact, known.queries))
    ((_, reason),) = model.answer([functional_filter(parts, losses, settings)])
    return reason == ""


def rows_of(name: str, facts: list[Fact], methods: list[str], thresholds: list[float]) -> list[dict[str, object]]:
    """One row per method, threshold and variant."""
    model = load_model(name)
    rows = []
    for method in methods:
        for threshold in thresholds:
            selection = SelectionSettings(threshold=threshold)
            known = list(locate(model, facts, AttributionSettings(method=method), selection, multi_mask=True))
            known = [each for each in known if each.rank == 1]
            by_random = sum(random_passes(model, each, DegeneracySettings()) for each in known)
            for clusterer, span, cover in VARIANTS:
                settings = DegeneracySettings(clusterer=clusterer, span=span, cover=cover)  # type: ignore[arg-type]
                row = {
                    "model": name,
                    "method": method,
                    "threshold": threshold,
                    "clusterer": clusterer,
                    "span": span,
                    "cover": cover,
                }
                rows.append(
                    row | _summary(model, known, settings) | {"random partition passes": _share(by_random, known)}
                )
                print(json.dumps(rows[-1]), flush=True)
    return rows


def _summary(model: Model, known: list[KnowledgeNeurons], settings: DegeneracySettings) -> dict[str, object]:
    found = list(find_degenerate(model, known, settings=settings))
    having = [each for each in found if each.components]
    covered = [each.details["coverage_candidates"] for each in found if "coverage_candidates" in each.details]
    by_chance = sum(
        each.reason == "" for each in find_degenerate(model, known, settings=replace(settings, clusterer="random"))
    )
    layers = Counter(neuron.layer for each in known for neuron in each.neurons)
    total = max(1, sum(layers.values()))
    return {
        "known facts": len(known),
        "neurons per fact": round(total / max(1, len(known)), 1),
        "share of neurons by layer": " ".join(f"{layers[layer] / total:.2f}" for layer in range(model.layer_count)),
        "facts with a DKN": len(having),
        "share with a DKN": _share(len(having), known),
        "coverage of the clusters": _mean(covered),
        "coverage of the components": _mean([each.coverage for each in having]),
        "mean degeneracy index": _mean([each.degeneracy_index for each in having]),
        "random parts of the same sizes pass": _share(by_chance, known),
        "of these distinct": sum(each.grouping == "distinct" for each in having),
        "of these undecided": sum(each.grouping == "undecided" for each in having),
        "how stored": ", ".join(f"{name} {n}" for name, n in Counter(each.storage for each in found).most_common()),
        "reasons": ", ".join(
            f"{reason} {n}" for reason, n in Counter(e.reason for e in found if e.reason).most_common()
        ),
    }


def _share(count: int, known: list[KnowledgeNeurons]) -> float:
    return round(count / max(1, len(known)), 3)


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="default: the bundled models")
    parser.add_argument("--facts", type=int, default=60)
    parser.add_argument("--method", action="append")
    parser.add_argument("--threshold", type=float, action="append")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    facts = list(load_facts(f"bundled?sample={options.facts}&seed=3"))
    rows = []
    for name in options.model or list(POCKET_MODELS):
        thresholds = options.threshold or [0.3, 0.2, 0.1, 0.05]
        rows += rows_of(name, facts, options.method or ["amig", "dai"], thresholds)
        if options.out:
            pd.DataFrame(rows).to_csv(options.out, index=False)


if __name__ == "__main__":
    main()

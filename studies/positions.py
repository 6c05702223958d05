"""Facts stored at the subject: which neurons attribution finds at which positions, judged by planted truth.

    factneurons plant pocket-gpt2 --mix subject --seed 0 --out FOLDER
    python studies/positions.py FOLDER ...

Every fact's neurons act at the last token of its subject; suppressed at the target they cost it little
(docs/planted.md). The table says, by method and positions, the average precision with which the scores (mean over the
prompts) rank the true neurons among all; of the best-ranked neurons, as many as the fact has: which share of the true
ones is among them (recall), and what share of P(answer) is lost where they are suppressed at these positions. Means
over facts with 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.prompts import ask
from factneurons.models.types import Neuron, Positions
from factneurons.planted.truth import Truth
from factneurons.planted.types import PlantedFact
from factneurons.statistics import bootstrap_interval

POSITIONS: tuple[Positions, ...] = ("target", "subject_last", "subject", "all")
METHODS = ("joint", "dai")


def judged(model: Model, planted: PlantedFact, method: str, positions: Positions) -> tuple[float, float, float]:
    """Average precision, recall, and share of P(answer) lost, of one fact."""
    (fact,) = planted.facts
    queries, _ = ask(model, fact, positions=positions)
    found = attribute_all(model, queries, AttributionSettings(method, positions=positions))
    scores = np.mean([each.scores for each in found], axis=0)
    truth = np.zeros_like(scores)
    truth[tuple(zip(*planted.neurons, strict=True))] = 1
    best = np.argsort(-scores, axis=None)[: len(planted.neurons)]
    neurons = [Neuron(int(place) // model.width, int(place) % model.width) for place in best]
    before, after = model.probabilities_with(queries, [(), neurons]).mean(0)
    precision = float(average_precision_score(truth.ravel(), scores.ravel()))
    return precision, float(truth.ravel()[best].mean()), float((before - after) / before)


def main() -> None:
    """Print one row per model, method and positions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    rows = defaultdict(list)
    for folder in parser.parse_args().folders:
        truth, model = Truth.load(folder), load_model(folder, device="cpu")
        for fact in (each for each in truth.facts if each.regime == "subject"):
            for method in METHODS:
                for positions in POSITIONS:
                    rows[Path(truth.base).name, method, positions].append(judged(model, fact, method, positions))
    print("| base | facts | method | positions | average precision | recall | share lost |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (base, method, positions), values in rows.items():
        means = []
        for each in zip(*values, strict=True):
            interval = bootstrap_interval(each)
            means.append(f"{np.mean(each):.2f} [{interval.low:.2f}, {interval.high:.2f}]")
        print(f"| {base} | {len(values)} | {method} | {positions} | {' | '.join(means)} |")


if __name__ == "__main__":
    main()

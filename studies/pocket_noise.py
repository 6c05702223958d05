"""What token noise and dropout in training cost: recall, and the loss when a fact's neurons are suppressed.

    python studies/pocket_noise.py --work build/noise     # trains every cell, writes docs/pocket_noise.csv
    python studies/pocket_noise.py --only FOLDER          # measures models that exist

Training goes on where it was stopped. Recall is of the last check of training.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

import factneurons as fn
from factneurons.attribution.controls import matched_random, strengths
from factneurons.pocket.training import train_pocket

CELLS = [(0.0, 0.0), (0.01, 0.0), (0.05, 0.0), (0.0, 0.1), (0.05, 0.1)]
"""Token noise and dropout of each model."""

DRAWS = 5
COLUMNS = (
    "model",
    "size",
    "noise",
    "dropout",
    "steps",
    "recall_trained",
    "recall_left_out",
    "method",
    "language",
    "facts",
    "probability",
    "neurons",
    "loss_suppressed",
    "loss_random",
)


def measure(folder: Path, facts: list[fn.Fact], method: str) -> list[dict[str, object]]:
    """One row per language: mean relative loss of P(answer) when the found neurons are suppressed."""
    model = fn.load_model(str(folder))
    rows = defaultdict(list)
    for known in fn.locate(model, facts, method=method):
        if known.rank != 1 or not known.neurons:
            continue
        random = matched_random(
            strengths(model, known.queries), known.neurons, draws=DRAWS, seed=42, name=known.fact.key
        )
        losses = []
        for query in known.queries:
            before, after, *others = model.probabilities_with([query], [(), known.neurons, *random])[0]
            losses.append((1 - after / before, 1 - np.mean(others) / before, before))
        rows[known.fact.language].append((*np.mean(losses, axis=0), len(known.neurons)))
    return [
        {
            "method": method,
            "language": language,
            "facts": len(values),
            "probability": f"{np.mean([value[2] for value in values]):.3f}",
            "neurons": f"{np.mean([value[3] for value in values]):.1f}",
            "loss_suppressed": f"{np.mean([value[0] for value in values]):.3f}",
            "loss_random": f"{np.mean([value[1] for value in values]):.4f}",
        }
        for language, values in sorted(rows.items())
    ]


def describe(folder: Path) -> dict[str, object]:
    """What is known of a trained model from the recipe in its folder."""
    content = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    recipe, last = content["recipe"], content["history"][-1]
    return {
        "model": f"pocket-{recipe['architecture']}",
        "size": recipe["size"],
        "noise": recipe["noise"],
        "dropout": recipe["dropout"],
        "steps": content["steps"],
        "recall_trained": f"{min(value for name, value in last.items() if name.endswith('/trained')):.3f}",
        "recall_left_out": f"{min(value for name, value in last.items() if name.endswith('/left_out')):.3f}",
    }


def main() -> None:
    """Read the arguments, train what is to be trained, measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="pocket-llama", help="the model trained in every cell")
    parser.add_argument("--size", default="s")
    parser.add_argument("--work", type=Path, help="where the models are trained")
    parser.add_argument("--only", type=Path, nargs="+", help="measure these folders and train nothing")
    parser.add_argument("--facts", type=int, default=60, help="facts per model, drawn evenly")
    parser.add_argument("--methods", nargs="+", default=["dai", "amig"])
    parser.add_argument("--out", type=Path, default=Path("docs/pocket_noise.csv"))
    arguments = parser.parse_args()
    if not arguments.only and not arguments.work:
        parser.error("one of --work and --only is needed")
    folders = arguments.only or []
    if not folders:
        for noise, dropout in CELLS:
            folder = arguments.work / f"{arguments.name}-{arguments.size}-noise{noise}-dropout{dropout}"
            train_pocket(arguments.name, out=folder, size=arguments.size, noise=noise, dropout=dropout, report=print)
            folders.append(folder)
    facts = list(fn.load_facts(f"bundled?sample={arguments.facts}&seed=7"))
    target = sys.stdout if arguments.only else arguments.out.open("w", encoding="utf-8", newline="")
    writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for folder in folders:
        for method in arguments.methods:
            for row in measure(folder, facts, method):
                writer.writerow({**describe(folder), **row})
                target.flush()


if __name__ == "__main__":
    main()

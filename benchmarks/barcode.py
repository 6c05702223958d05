"""How long the distances and the barcode of thousands of neurons take, and how much memory.

    OMP_NUM_THREADS=1 python benchmarks/barcode.py

Neurons are drawn at random from a randomly initialised model of the size of GPT-2 small. Every row is a process of
its own: processor seconds of the distance matrix and of the clustering with its whole barcode (with one thread and
nothing else running, the seconds that one waits, which stand beside them), and the peak memory of both in megabytes
above the loaded model.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from factneurons.attribution.drops import Drops
from factneurons.degeneracy.clusterers.base import Context
from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.degeneracy.distances import neuron_distances
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.models.questions import answered
from factneurons.models.types import Neuron
from measuring import in_fresh_process, peak_above, random_model

DISTANCES: dict[str, dict[str, str]] = {
    "residual": {},
    "adjacent": {"span": "adjacent"},
    "residual, layer-gap": {"scale": "layer-gap"},
    "residual, cosine, layer-gap": {"similarity": "cosine", "scale": "layer-gap"},
}


def measured(name: str, count: int, distances: str) -> dict[str, object]:
    """One row; for a process of its own."""
    torch.set_num_threads(1)
    model = random_model(name)
    rng = np.random.default_rng(0)
    places = rng.choice(model.layer_count * model.width, size=count, replace=False)
    neurons = tuple(Neuron(*divmod(place, model.width)) for place in sorted(places.tolist()))
    settings = replace(DegeneracySettings(), **DISTANCES[distances])  # type: ignore[arg-type]
    row: dict[str, Any] = {"model": name, "neurons": count, "distances": distances}

    def run() -> None:
        start, start_wall = time.process_time(), time.perf_counter()
        matrix = neuron_distances(model, neurons, settings)
        between = time.process_time()
        context = Context(matrix, neurons, (1.0,) * count, Drops(len), rng, model.width)  # type: ignore[arg-type]
        found = answered(CLUSTERERS["ntc"].cluster(context, settings))
        row["matrix, s"] = round(between - start, 2)
        row["barcode, s"] = round(time.process_time() - between, 2)
        row["both, waited, s"] = round(time.perf_counter() - start_wall, 2)
        row["clusters"] = len(found.barcode)
        row["finite"] = round(float(np.isfinite(matrix).mean()), 3)

    row["MB above model"] = round(peak_above(run))
    return row


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="gpt2")
    parser.add_argument("--neurons", type=int, action="append", help="default: 500 and 5000")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for count in options.neurons or [500, 5000]:
        for distances in DISTANCES:
            rows.append(in_fresh_process(measured, options.model, count, distances))
            print(json.dumps(rows[-1]), flush=True)
    if options.out:
        pd.DataFrame(rows).to_csv(options.out, index=False)


if __name__ == "__main__":
    main()

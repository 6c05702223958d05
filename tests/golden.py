"""Golden numbers: what the bundled models give for a few facts, in whatever versions of what they run on.

    python tests/golden.py                   renews golden.json, after a change that is meant to change the numbers
    python tests/golden.py PYTHON [PYTHON]   compares in these environments, and writes their row of docs/reliability.md

Numbers are the same within `TOLERANCE` of the largest of their kind, everything else exactly.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import factneurons as fn

GOLDEN = Path(__file__).with_name("golden.json")
FACTS = "bundled?relation=capital&lang=en&sample=2&seed=1"
PROMPTS = 2
METHODS = ("dai", "amig", "relp", "gradient_x_activation", "activation", "suppression")
TOLERANCE = 1e-4

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy", "scikit-learn", "pandas", "pyarrow")
SAID = ("torch", "transformers", "numpy", "pandas")

Numbers = dict[str, Any]


def numbers_of(name: str) -> Numbers:
    """What the bundled model gives: by fact the neurons and what they do, by method the scores of one prompt."""
    model = fn.load_model(name)
    facts = [replace(fact, prompts=fact.prompts[:PROMPTS]) for fact in fn.load_facts(FACTS)]
    known = fn.locate(model, facts)
    degenerate = fn.find_degenerate(model, known)
    found = {each.fact.id: _numbers(model, each, degenerate[each.fact.id]) for each in known}
    return {"facts": found, "methods": {method: _scores(model, facts[0], method) for method in METHODS}}


def _numbers(model: fn.Model, known: fn.KnowledgeNeurons, degenerate: fn.DegenerateNeurons) -> Numbers:
    with model.suppress(known.neurons):
        suppressed = model.probabilities(known.queries)
    with model.enhance(known.neurons):
        enhanced = model.probabilities(known.queries)
    return {
        "probability": model.probabilities(known.queries).tolist(),
        "suppressed": suppressed.tolist(),
        "enhanced": enhanced.tolist(),
        "rank": known.rank,
        "scores": {_written(each): score for each, score in zip(known.neurons, known.scores, strict=True)},
        "storage": degenerate.storage,
        "candidates": [
            {
                "neurons": [_written(neuron) for neuron in each.neurons],
                "drops": [each.drop_alone, each.drop_without_others],
            }
            for each in degenerate.candidates
        ],
    }


def _scores(model: fn.Model, fact: fn.Fact, method: str) -> Numbers:
    scores = fn.attribute(model, fact.prompts[0], fact.answer, method=method).scores
    best = np.unravel_index(np.argmax(scores), scores.shape)
    return {"best": _written(best), "largest of each layer": np.abs(scores).max(1).tolist()}


def _written(neuron: Any) -> str:
    layer, index = neuron
    return f"{int(layer)}.{int(index)}"


def differences(found: Any, golden: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Where two of them differ, and by how much, as a share of the largest number there; infinite: not in a number."""
    if isinstance(golden, dict) and isinstance(found, dict) and found.keys() == golden.keys():
        if not all(isinstance(value, float) for value in golden.values()):
            for key, value in golden.items():
                yield from differences(found[key], value, f"{place}/{key}")
            return
        found, golden = [found[key] for key in golden], list(golden.values())
    if isinstance(golden, list) and isinstance(found, list) and len(found) == len(golden):
        if not all(isinstance(value, float) for value in golden):
            for index, value in enumerate(golden):
                yield from differences(found[index], value, f"{place}/{index}")
            return
        yield place, _apart(found, golden)
    elif isinstance(golden, float) and isinstance(found, float):
        yield place, _apart([found], [golden])
    elif found != golden:
        yield place, float("inf")


def _apart(found: list[float], golden: list[float]) -> float:
    """How far apart, as a share of the largest; infinite where only one of them is a number."""
    if np.isnan(found).tolist() != np.isnan(golden).tolist():
        return float("inf")
    apart, size = np.nan_to_num(np.subtract(found, golden)), np.nan_to_num(golden)
    return float(np.abs(apart).max(initial=0) / np.abs(size).max(initial=1e-12))


def compare() -> dict[str, Any]:
    """Every bundled model of this environment against the golden numbers."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    all_of = [each for name in golden for each in differences(numbers_of(name), golden[name], name)]
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "wrong": [place for place, size in all_of if size > TOLERANCE],
        "largest": max((size for _, size in all_of), default=0.0),
    }


def compare_elsewhere(pythons: list[str]) -> int:
    """Compare in each of these environments; say it, write it into the page, and return the exit status."""
    import reliability  # it needs pytest, which the other environments do without

    outcome = reliability.Outcome(files={"tests/golden.py"})
    for python in pythons:
        done = subprocess.run([python, __file__, "--compare"], check=False, capture_output=True, text=True)
        if done.returncode:
            sys.stderr.write(f"{python}: {done.stderr}\n")
            return 1
        found = json.loads(done.stdout.splitlines()[-1])
        outcome.held &= not found["wrong"]
        packages = ", ".join(
            f"{name} {found['packages'][name]}" for name in ("torch", "transformers", "numpy", "pandas")
        )
        largest = f"to {found['largest']:.1e}" if found["largest"] else "bit-equal"
        said = " not the same: ".join([f"Python {found['python']}, {packages}: {largest}", *found["wrong"]])
        sys.stdout.write(said + "\n")
        outcome.said.append(said)
        outcome.tests += 1
    reliability.renew({"versions": outcome})
    return 0 if outcome.held else 1


def main(arguments: list[str]) -> int:
    if arguments == ["--compare"]:
        sys.stdout.write(json.dumps(compare()) + "\n")
        return 0
    if arguments:
        return compare_elsewhere(arguments)
    made = {name: numbers_of(name) for name in fn.POCKET_MODELS}
    GOLDEN.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

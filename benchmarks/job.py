"""The whole job on a pocket model: what locating, testing, searching and reporting cost, and how that grows.

    python benchmarks/job.py --facts 8 16 32
    python benchmarks/job.py --facts 60 --alone 0

One line per number of facts, in processor seconds (of all threads), so that a busy machine counts little; the first
run, which loads and checks the model, is not counted. `per fact` is flat if time is linear in facts. Then, for a few of
the facts, the search for degenerate neurons one fact after the other beside the same facts side by side.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent))
from factneurons.attribution.locate import locate
from factneurons.attribution.settings import InterventionSettings
from factneurons.degeneracy.find import degenerate_neurons, find_degenerate
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.facts.source import load_facts
from factneurons.models.bundled import POCKET_MODELS
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.report.page import run_report
from factneurons.stages.degenerate import run_degenerate
from factneurons.stages.locate import run_locate
from measuring import machine, peak_above

FACTS = "bundled?relation=capital,author,animal_class,chemical_symbol,president&sample={count}&seed=1"
_Result = TypeVar("_Result")


def job(model: Model, count: int) -> dict[str, object]:
    """Processor seconds of each step over `count` facts, tests of neurons being in the step that runs them."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        few = InterventionSettings(draws=20)
        spent = {
            "locate and test": _seconds(lambda: run_locate(model, FACTS.format(count=count), run, tests=few))[0],
            "degenerate": _seconds(lambda: run_degenerate(run, model, tests=few))[0],
            "report": _seconds(lambda: run_report(run))[0],
        }
    total = sum(spent.values())
    return {
        "facts": count,
        **{name: round(seconds, 2) for name, seconds in spent.items()},
        "seconds": round(total, 2),
        "per fact": round(total / count, 4),
    }


def side_by_side(model: Model, count: int) -> dict[str, object]:
    """The search one fact after the other, and all facts side by side."""
    known = list(locate(model, load_facts(FACTS.format(count=count))))
    settings = DegeneracySettings()
    apart, alone = _seconds(lambda: [degenerate_neurons(model, each, settings) for each in known])
    together, found = _seconds(lambda: find_degenerate(model, known, settings))
    same = [each.reason for each in alone] == [each.reason for each in found]
    return {
        "facts": count,
        "one by one": round(apart, 2),
        "side by side": round(together, 2),
        "times as fast": round(apart / together, 1),
        "same reasons": same,
    }


def _seconds(work: Callable[[], _Result]) -> tuple[float, _Result]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=POCKET_MODELS, default="pocket-gpt2")
    parser.add_argument("--facts", type=int, nargs="+", default=[8, 16, 32], help="how many, one line each")
    parser.add_argument("--alone", type=int, default=8, help="facts that are searched one by one, too; 0: none")
    options = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    model = load_model(options.model)
    job(model, 2)
    for count in options.facts:
        rows: list[dict[str, object]] = []

        def run(count: int = count, rows: list[dict[str, object]] = rows) -> None:
            rows.append(job(model, count))

        print(json.dumps({"MB above": round(peak_above(run)), **rows[0]}), flush=True)
    if options.alone:
        print(json.dumps(side_by_side(model, options.alone)), flush=True)


if __name__ == "__main__":
    main()

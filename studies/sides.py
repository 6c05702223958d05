"""Where facts became degenerate by themselves: what a whole group of neurons off costs, and its found neurons alone.

    factneurons benchmark --out FOLDER --base pocket-gpt2 --base pocket-llama --seeds 100 --regimes undesigned
    python studies/sides.py FOLDER [--facts 30]

Neurons are found with every other prompt of a fact, and suppressed in the others. A row is the share of P(answer) that
is lost, the mean over facts with a 95 % bootstrap interval, subjects resampled; below 0: P rises.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

import factneurons as fn
from factneurons.models.prompts import queries_of
from factneurons.planted.switched import GROUPS, Switched
from factneurons.statistics import bootstrap_interval


def losses(folder: Path, most: int) -> Iterator[dict[str, object]]:
    """What is lost of every fact of one model, by what is suppressed."""
    model, known = fn.load_model(folder), Switched.load(folder)
    first, second = known.groups
    facts = known.facts[:most]
    searched = [replace(fact, prompts=fact.prompts[::2]) for fact in facts]
    for fact, located in zip(facts, fn.locate(model, searched), strict=True):
        found = frozenset(located.neurons)
        sets = {
            "nothing": frozenset[fn.Neuron](),
            "one whole group": first,
            "the other whole group": second,
            "found neurons of one group": found & first,
            "found neurons of the other group": found & second,
            "one whole group and the found neurons of the other": first | (found & second),
            "the other whole group and the found neurons of the one": second | (found & first),
            "all found neurons": found,
        }
        queries = queries_of(model, replace(fact, prompts=fact.prompts[1::2]))
        kept = model.probabilities_with(queries, list(sets.values())).mean(0)
        yield {"subject": fact.subject, **dict(zip(sets, 1 - kept / kept[0], strict=True))}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of a finished benchmark")
    parser.add_argument("--facts", type=int, default=30, help="facts of every model, at most")
    options = parser.parse_args()
    models = sorted(path.parent for path in options.folder.glob(f"models/*/{GROUPS}"))
    table = pd.DataFrame(row for folder in models for row in losses(folder, options.facts))
    print(f"{len(table)} facts in {len(models)} models\n\n| suppressed | lost |\n| --- | --- |")
    for name in table.columns[2:]:
        lost = bootstrap_interval(table[name], clusters=table["subject"].tolist())
        print(f"| {name} | {lost.estimate:.0%} [{lost.low:.0%}, {lost.high:.0%}] |")


if __name__ == "__main__":
    main()

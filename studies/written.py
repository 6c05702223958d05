"""How often a fact's neuron promotes the fact's answer: the neurons that planted models hold, beside random ones.

    python studies/written.py FOLDER ... [--tokens 10] [--draws 20]

Each FOLDER is a planted model. For every neuron of a fact, and for random neurons of the same layers and strength, the
answer's first token is looked up among the tokens that the neuron promotes (those it suppresses, where its value on the
fact's prompts is negative). A row is a share of neurons, the mean over facts of the mean over a fact's neurons, with a
95 % bootstrap interval over facts.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import factneurons as fn
from factneurons.attribution.controls import matched_random, strengths
from factneurons.errors import NotAskable
from factneurons.models.prompts import queries_of
from factneurons.models.written import written_logits
from factneurons.statistics import bootstrap_interval

SEED = 42


class Found(NamedTuple):
    """What one neuron makes of the answer of one fact."""

    base: str
    fact: str
    wiring: str
    layer: int
    neurons: str
    rank: int
    """The place of the answer's first token, from 1; as if it were drawn where the neuron has no path to the head."""


def ranks_of(folder: Path, draws: int) -> Iterator[Found]:
    """Every true neuron of a planted model and as many random ones per draw."""
    model, truth = fn.load_model(folder), fn.Truth.load(folder)
    for planted in truth.facts:
        for fact in planted.facts:
            wiring = {neuron: each.wiring for each in planted.components for neuron in each.neurons}
            neurons = planted.neurons_of(fact.language)
            try:
                queries = queries_of(model, fact)
                random = matched_random(strengths(model, queries), neurons, draws=draws, seed=SEED, name=fact.key)
            except NotAskable as error:
                print(f"{folder.name}: {error}")
                continue
            values = model.activations(queries).mean(0)
            token, name = queries[0].answer_ids[0], f"{folder.name}/{fact.id}/{fact.language}"
            everything = [*neurons, *(neuron for drawn in random for neuron in drawn)]
            logits = dict(written_logits(model, everything))
            for place, neuron in enumerate(everything):
                signed = logits[neuron] * (-1 if values[neuron] < 0 else 1)
                rank = 1 + int((signed > signed[token]).sum())
                what = "true" if place < len(neurons) else "random"
                yield Found(Path(truth.base).name, name, wiring.get(neuron, ""), neuron.layer, what, rank)


def lines(found: pd.DataFrame, tokens: int, by: Sequence[str]) -> Iterator[str]:
    """A Markdown row per group: true and random neurons, and the median place of the answer."""
    for key, rows in found.groupby(list(by)):
        cells = []
        for what in ("true", "random"):
            own = rows[rows["neurons"] == what] if what in set(rows["neurons"]) else rows[:0]
            if own.empty:
                cells += ["-", "-"]
                continue
            shares = (own["rank"] <= tokens).groupby(own["fact"]).mean()
            hit = bootstrap_interval(shares.to_numpy(float))
            cells += [f"{hit.estimate:.3f} [{hit.low:.3f}, {hit.high:.3f}]", f"{np.median(own['rank']):g}"]
        yield f"| {' | '.join(map(str, key))} | {rows['fact'].nunique()} | {' | '.join(cells)} |"


def table(found: pd.DataFrame, tokens: int, by: Sequence[str]) -> Iterator[str]:
    """A Markdown table."""
    what = f"answer among the top {tokens}"
    titles = [*by, "facts", f"fact's neurons: {what}", "median place", f"random neurons: {what}", "median place"]
    yield f"| {' | '.join(titles)} |"
    yield f"|{' --- |' * len(titles)}"
    yield from lines(found, tokens, by)


def main(arguments: Iterable[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--tokens", type=int, default=10)
    parser.add_argument("--draws", type=int, default=20)
    given = parser.parse_args(None if arguments is None else list(arguments))
    found = pd.DataFrame(row for folder in given.folders for row in ranks_of(folder, given.draws))
    print("\n".join(table(found, given.tokens, ["base"])), end="\n\n")
    print("\n".join(table(found, given.tokens, ["base", "layer"])), end="\n\n")
    true = found[found["neurons"] == "true"]
    print("\n".join(table(true, given.tokens, ["base", "wiring"])))


if __name__ == "__main__":
    main()

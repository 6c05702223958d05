"""How much faster statements are scored by the checked neurons' layers than by attributing them in full.

    python benchmarks/factcheck.py --model pocket-gpt2

Both sides are asked the same statements in the same process, in turn, and the ratio of processor time is printed
(wall time would say more about the machine's other work). Full: every neuron of every layer, as `attribute` does by
default. Checked: what a fitted `FactChecker` does, with the layers of its relation neurons and as few path points as
completeness allows. A third line leaves the points as they are, so that the layers' share of the gain can be seen.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.factcheck.checker import FactChecker
from factneurons.factcheck.scoring import score_statements
from factneurons.facts.source import load_facts
from factneurons.models.load import load_model


def processor_time(work: Callable[[], object]) -> float:
    """Seconds of processor time, all threads together."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def best(work: Callable[[], object], rounds: int) -> float:
    """The least of some rounds, after one that does not count."""
    work()
    return min(processor_time(work) for _ in range(rounds))


def in_facts(spec: str, model_name: str, share: float, count: int) -> None:
    """Print one line for every way of scoring."""
    model = load_model(model_name)
    facts = list(load_facts(spec))
    train, test = facts[: 3 * len(facts) // 4], facts[3 * len(facts) // 4 :]
    checker = FactChecker(model, condition="knowledge", share=share).fit(train)
    cases = checker.cases(test)[:count]
    queries = [query for case in cases for query in case.queries]
    groups = [case.true.group for case in cases for _ in case.queries]
    layers = {group: sorted({neuron.layer for neuron in own}) for group, own in checker.relation_neurons_.items()}
    print(f"{model_name}: {len(queries)} statements of {len(cases)} facts, {model.layer_count} layers of {model.width}")
    for (relation, language), own in layers.items():
        print(f"  {relation} ({language}): {len(checker.relation_neurons_[relation, language])} neurons, layers {own}")
    points = checker.settings_.points or checker.settings_.rule
    adaptive = AttributionSettings(checker.settings.method)
    sets = [checker.relation_neurons_]
    ways: Sequence[tuple[str, Callable[[], object]]] = (
        (f"full, {checker.settings.method}, adaptive", lambda: attribute_all(model, queries, adaptive)),
        ("checked layers, adaptive", lambda: score_statements(model, queries, groups, sets, adaptive)),
        (f"checked layers, {points} points", lambda: score_statements(model, queries, groups, sets, checker.settings_)),
    )
    seconds = [best(work, rounds=3) for _, work in ways]
    for (name, _), took in zip(ways, seconds, strict=True):
        print(
            f"  {name:32} {len(queries) / took:8.1f} statements per second of processor time, {seconds[0] / took:.1f} x"
        )
    full = score_statements(model, queries, groups, sets, adaptive).scores[:, 0]
    fewer = score_statements(model, queries, groups, sets, checker.settings_).scores[:, 0]
    same = np.mean(np.argsort(np.argsort(full)) == np.argsort(np.argsort(fewer)))
    print(
        f"  scores with fewer points: correlation {np.corrcoef(full, fewer)[0, 1]:.4f}, "
        f"largest difference {np.abs(full - fewer).max():.2g} of {np.abs(full).max():.2g}, same rank {same:.0%}"
    )


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-gpt2")
    parser.add_argument("--facts", default="bundled?relation=capital,currency&lang=en&sample=100")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--statements", type=int, default=24, help="facts that are scored, two statements each")
    options = parser.parse_args()
    torch.set_num_threads(1)
    in_facts(options.facts, options.model, options.share, options.statements)


if __name__ == "__main__":
    main()

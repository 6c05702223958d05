"""How cost grows with prompt length, points, layers and facts, and what of memory grows with them.

    python benchmarks/growth.py

Ratios are to the first value of each series. `facts per second` is measured on the pocket models, one fact at a
time and in batches; `memory` runs `locate` over more and more facts and reads the peak.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

sys.path.insert(0, str(Path(__file__).parent))
from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.baselines import zero_baseline
from factneurons.attribution.joint import integrate_jointly
from factneurons.attribution.locate import locate_batch
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.facts.source import load_facts
from factneurons.models.bundled import POCKET_MODELS
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.passes.capture import capture
from measuring import Contender, interleave, prompt_of, random_model, word_tokenizer

FIXED = AttributionSettings(rule="gauss_legendre", points=8)


def series(what: str, repeats: int, cases: Iterable[tuple[object, Callable[[], object]]]) -> None:
    """Time the cases in turn and print a line each."""
    contenders = [(value, Contender(str(value), run)) for value, run in cases]
    interleave([contender for _, contender in contenders], repeats)
    first = contenders[0][1].median
    for value, contender in contenders:
        row = {
            what: value,
            "seconds": round(contender.median, 4),
            "ratio": round(contender.median / first, 2),
            "MB above": round(contender.peak),
        }
        print(json.dumps(row), flush=True)


def one(model: Model, tokens: int, settings: AttributionSettings) -> Callable[[], object]:
    """Attribution of one prompt."""
    query = model.query(prompt_of(tokens, masked=model.kind == "cloze"), "w123")
    return lambda: attribute_all(model, [query], settings)


def rows_only(model: Model, tokens: int) -> Callable[[], object]:
    """The rows of one prompt without the pass that they share."""
    query = model.query(prompt_of(tokens, masked=False), "w123")
    items = [(0, (0,))]
    captured = capture(model.backbone, [query], items)
    baselines = zero_baseline(model, captured, items, FIXED)
    return lambda: integrate_jointly(model, captured, baselines, FIXED)


def deep(layers: int) -> Model:
    """A GPT-2 of the usual width with so many layers."""
    torch.manual_seed(0)
    return Model(GPT2LMHeadModel(GPT2Config(n_layer=layers)).eval(), word_tokenizer(), name="gpt2", kind="causal")


def pocket_speed(name: str, repeats: int, facts: int) -> None:
    """Facts per second of `locate`'s work on a pocket model."""
    model = load_model(name)
    chosen = list(load_facts(f"bundled?lang=en&sample={facts}&seed=0"))
    for method in ("joint", "dai"):
        settings = AttributionSettings(method=method)

        def run(size: int, settings: AttributionSettings = settings) -> None:
            for begin in range(0, len(chosen), size):
                locate_batch(model, chosen[begin : begin + size], settings, SelectionSettings(), multi_mask=True)

        cases = [Contender(str(size), partial(run, size)) for size in (1, 8)]
        interleave(cases, repeats)
        row: dict[str, object] = {"model": name, "method": method}
        row |= {f"facts per second, {case.name} at a time": round(len(chosen) / case.median, 1) for case in cases}
        print(json.dumps(row), flush=True)


def memory(name: str) -> None:
    """Peak memory of the same work over more and more facts, rows thrown away as a run does after each batch."""
    model = load_model(name)

    def run(count: int) -> Callable[[], object]:
        def work() -> None:
            batch = []
            for fact in load_facts("bundled?lang=en", limit=count):
                batch.append(fact)
                if len(batch) == 8:
                    locate_batch(model, batch, AttributionSettings(), SelectionSettings())
                    batch = []

        return work

    series("facts in a run", 1, [(count, run(count)) for count in (40, 400)])


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--facts", type=int, default=24)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    gpt2 = random_model("gpt2")
    series("tokens, rows only", options.repeats, [(t, rows_only(gpt2, t)) for t in (10, 30, 100, 300)])
    series("tokens, all", options.repeats, [(t, one(gpt2, t, FIXED)) for t in (10, 30, 100, 300)])
    rules = [(n, AttributionSettings(rule="gauss_legendre", points=n)) for n in (4, 8, 16, 32, 64)]
    series("points", options.repeats, [(n, one(gpt2, 30, settings)) for n, settings in rules])
    del gpt2
    series("layers", options.repeats, [(n, one(deep(n), 30, FIXED)) for n in (2, 4, 8, 12)])
    for name in POCKET_MODELS:
        pocket_speed(name, options.repeats, options.facts)
    memory("pocket-gpt2")


if __name__ == "__main__":
    main()

"""A 7B LLaMA on one GPU, GPT-2 small by the batch, and what bfloat16 costs in exactness: at most 8 minutes on a GPU.

    python benchmarks/big.py [--device cuda]
    python benchmarks/big.py --tiny --device cpu     # the script's own check, in seconds
    python benchmarks/big.py --precision pocket-llama --device cpu     # what half precision costs on bundled facts

Weights are random: times are those of a model of that size, answers mean nothing. float32 is measured on the same
weights, so that the differences are those of the arithmetic. One line of JSON per figure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).parent))
from factneurons import load_facts, load_model, locate
from factneurons.attribution.attribute import attribute_all
from factneurons.models.model import Model
from measuring import gpt2_small, gpt2_tiny, machine, prompt_of, word_tokenizer

TOKENS = 30


def llama(tiny: bool, device: str) -> LlamaForCausalLM:
    """A LLaMA of 6.7 billion random weights in bfloat16, made where it stays."""
    small: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 172}
    sizes = {**small, "num_hidden_layers": 2, "num_attention_heads": 2} if tiny else {}
    config = LlamaConfig(vocab_size=32000, bos_token_id=1, eos_token_id=1, **sizes)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            module: LlamaForCausalLM = LlamaForCausalLM(config).eval()
            return module
    finally:
        torch.set_default_dtype(before)


def timed(what: str, work: Callable[[], Any], repeats: int, facts: int, **more: object) -> Any:
    """Print the median of some repeats after one that warms up; the result of the last."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()  # numbers of numpy: whatever ran on the device has ended
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    peak = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None
    figures = {
        "seconds": round(median, 4),
        "all": [round(each, 4) for each in seconds],
        "facts_per_second": facts / median,
    }
    print(json.dumps({"what": what, **figures, "peak_GiB": peak, **more}), flush=True)
    return result


def compare(low: Any, full: Any, p_low: float, p_full: float) -> None:
    """Print how far bfloat16's scores and probability are from those of float32."""
    a, b = low.scores.ravel().astype(float), full.scores.ravel().astype(float)
    top = set(np.argsort(-abs(a))[:100]) & set(np.argsort(-abs(b))[:100])
    row = {
        "what": "bfloat16 against float32, the same weights",
        "correlation of scores": float(np.corrcoef(a, b)[0, 1]),
        "largest difference, of the largest score": float(abs(a - b).max() / abs(b).max()),
        "of the 100 largest, the same": len(top),
        "P(answer), relative difference": abs(p_low - p_full) / p_full,
    }
    print(json.dumps(row), flush=True)


def seven_billion(tiny: bool, device: str, repeats: int) -> None:
    """One fact of 30 tokens, all layers, in bfloat16 and in float32."""
    module = llama(tiny, device)
    found, asked = {}, {}
    for dtype in ("bfloat16", "float32"):
        model = Model(module.to(getattr(torch, dtype)), word_tokenizer(), name="llama", kind="causal")
        query = model.query(prompt_of(TOKENS, masked=False), "w123")
        parameters = sum(weight.numel() for weight in module.parameters())
        what = f"LLaMA, {parameters:,} weights, {dtype}, one fact of {TOKENS} tokens, all layers"
        found[dtype] = timed(what, partial(attribute_all, model, [query]), repeats, 1)[0]
        asked[dtype] = float(model.probabilities([query])[0])
    compare(found["bfloat16"], found["float32"], asked["bfloat16"], asked["float32"])


def many_facts(tiny: bool, device: str, repeats: int) -> None:
    """GPT-2 small in float32: facts of 10 tokens, more and more in a call."""
    torch.manual_seed(0)
    module = (gpt2_tiny if tiny else gpt2_small)().eval().to(device)
    model = Model(module, word_tokenizer(), name="gpt2", kind="causal")
    size = "tiny" if tiny else "small"
    for count in (4, 8) if tiny else (64, 256):
        queries = [model.query(prompt_of(10, masked=False), f"w{number}") for number in range(count)]
        what = f"GPT-2 {size}, float32, {count} facts of 10 tokens in a call, all layers"
        timed(what, partial(attribute_all, model, queries), repeats, count)


def precision(name: str, device: str, facts: int = 24) -> None:
    """Facts that a model knows in half precision and in float32: P(answer), scores, and which neurons are chosen."""
    full = load_model(name, device=device)
    known = [
        each for each in locate(full, load_facts("bundled?relation=capital&lang=en", limit=2 * facts)) if each.rank == 1
    ]
    known = known[:: max(1, len(known) // facts)][:facts]
    queries = [query for each in known for query in each.queries]
    asked, scores = full.probabilities(queries), attribute_all(full, queries)
    for dtype in ("bfloat16", "float16"):
        half = load_model(name, device=device, dtype=dtype)
        ratios = abs(half.probabilities(queries) / asked - 1)
        pairs = [
            (one.scores.ravel().astype(float), other.scores.ravel().astype(float))
            for one, other in zip(attribute_all(half, queries), scores, strict=True)
        ]
        correlation = [float(np.corrcoef(*pair)[0, 1]) for pair in pairs]
        largest = [float(abs(low - true).max() / abs(true).max()) for low, true in pairs]
        chosen = {each.fact.key: set(each.neurons) for each in locate(half, [each.fact for each in known])}
        shared = [
            len(chosen[each.fact.key] & set(each.neurons)) / max(1, len(chosen[each.fact.key] | set(each.neurons)))
            for each in known
        ]
        row = {
            "what": f"{dtype} against float32, {name}", "facts": len(known), "prompts": len(queries),
            "P(answer), relative difference, median": float(np.median(ratios)), "most": float(ratios.max()),
            "correlation of scores, median": float(np.median(correlation)), "least": min(correlation),
            "largest difference of a score, of the largest, median": float(np.median(largest)), "at most": max(largest),
            "chosen neurons in common, of all, mean": float(np.mean(shared)),
        }  # fmt: skip
        print(json.dumps(row), flush=True)


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="small models: does the script work?")
    parser.add_argument("--precision", metavar="MODEL", help="measure only this: half precision on bundled facts")
    options = parser.parse_args()
    card = torch.cuda.get_device_name() if options.device.startswith("cuda") else "none"
    print(json.dumps({"card": card, **machine()}), flush=True)
    if options.precision:
        precision(options.precision, options.device)
        return
    many_facts(options.tiny, options.device, options.repeats)
    seven_billion(options.tiny, options.device, options.repeats)


if __name__ == "__main__":
    main()

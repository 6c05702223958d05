"""Many suppressed neuron sets of one prompt: one batch of rows beside a loop of forward passes.

python benchmarks/suppression.py --sets 256 --tokens 30
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from factneurons.models.model import Model
from factneurons.models.types import FloatArray, Neuron, Query
from measuring import MODELS, Contender, interleave, prompt_of, random_model


def loop(model: Model, query: Query, sets: list[list[Neuron]]) -> FloatArray:
    """One whole forward pass per set, its neurons zeroed at the target position by hooks."""
    ids, position = torch.tensor([query.input_ids]), query.target_positions[0]
    result = []
    for neurons in sets:
        handles = []
        for layer in {neuron.layer for neuron in neurons}:
            own = [neuron.index for neuron in neurons if neuron.layer == layer]

            def zero(_: object, inputs: tuple[torch.Tensor], own: list[int] = own) -> tuple[torch.Tensor]:
                changed = inputs[0].clone()
                changed[0, position, own] = 0.0
                return (changed,)

            handles.append(model.backbone.layers[layer].down.register_forward_pre_hook(zero))
        with torch.no_grad():
            result.append(float(model.backbone.module(ids).logits[0, position].softmax(-1)[query.answer_ids[0]]))
        for handle in handles:
            handle.remove()
    return np.array(result)


def rows(model: Model, query: Query, sets: list[list[Neuron]]) -> FloatArray:
    """The same as rows of one pass."""
    kept: FloatArray = model.probabilities_with([query], sets)[0]
    return kept


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), action="append")
    parser.add_argument("--tokens", type=int, default=30)
    parser.add_argument("--sets", type=int, default=256)
    parser.add_argument("--neurons", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.model or ["gpt2"]:
        model = random_model(name)
        query = model.query(prompt_of(options.tokens, masked=model.kind == "cloze"), "w123")
        draw = random.Random(0)
        sets = [
            [Neuron(draw.randrange(model.layer_count), draw.randrange(model.width)) for _ in range(options.neurons)]
            for _ in range(options.sets)
        ]
        slow = Contender("loop", partial(loop, model, query, sets))
        fast = Contender("rows", partial(rows, model, query, sets))
        fast.run()
        interleave([slow, fast], options.repeats, warm=False)
        row = {
            "model": name,
            "tokens": options.tokens,
            "sets": options.sets,
            "loop, s": round(slow.median, 3),
            "factneurons, s": round(fast.median, 4),
            "times as fast": round(slow.median / fast.median, 1),
            "largest relative difference": float(np.abs(fast.result / slow.result - 1).max()),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

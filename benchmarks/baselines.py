"""AMIG's per-token baselines: factneurons beside a plain re-implementation of the way the authors compute them.

    python benchmarks/baselines.py --tokens 30

The authors run, for every layer anew, the prompt and each of its corrupted versions through the whole model, one
sentence at a time, vocabulary projection included, and read the layer's neurons at the target position.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from factneurons.models.model import Model
from factneurons.models.passes.corrupted import corrupted, replacement_token, target_activations
from factneurons.models.types import Query
from measuring import MODELS, Contender, interleave, prompt_of, random_model


def authors_way(model: Model, query: Query, token: int) -> list[Tensor]:
    """Per layer [units, width]."""
    position = query.target_positions[0]
    sentences = [query, *(corrupted(query, (place,), token) for place in query.replaceable)]
    result = []
    for layer in model.backbone.layers:
        rows: list[Tensor] = []
        handle = layer.down.register_forward_pre_hook(lambda _, x, rows=rows: rows.append(x[0][0, position].detach()))
        for sentence in sentences:
            with torch.no_grad():
                model.backbone.module(torch.tensor([sentence.input_ids]))
        handle.remove()
        result.append(torch.stack(rows[1:]))
    return result


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), default="gpt2")
    parser.add_argument("--tokens", type=int, action="append")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = random_model(options.model)
    token, _ = replacement_token(model.backbone)
    for tokens in options.tokens or [10, 30]:
        query = model.query(prompt_of(tokens, masked=model.kind == "cloze"), "w123")
        sentences = [corrupted(query, (place,), token) for place in query.replaceable]
        slow = Contender("authors' way", partial(authors_way, model, query, token))
        fast = Contender("factneurons", partial(target_activations, model.backbone, sentences))
        fast.run()
        interleave([slow, fast], options.repeats, warm=False)
        difference = max(
            float((a[:, 0] - b).abs().max() / b.abs().max()) for a, b in zip(fast.result, slow.result, strict=True)
        )
        row = {
            "model": options.model,
            "tokens": tokens,
            "authors' way, s": round(slow.median, 3),
            "factneurons, s": round(fast.median, 4),
            "times as fast": round(slow.median / fast.median, 1),
            "difference": difference,
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

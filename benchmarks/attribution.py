"""Attribution of one fact, all layers: factneurons beside other tools, interleaved in one run.

    python benchmarks/attribution.py --model gpt2 --tokens 30 --repeats 3

Needs the extra `benchmarks`. Models have true size and random weights. Prints one line per tool: median seconds,
how many times as fast as knowledge-neurons, peak memory above the loaded model, largest completeness error,
largest difference from the plain loop relative to the layer's maximum (same points only).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from factneurons.attribution import AttributionSettings
from factneurons.attribution.methods import attribute_all
from factneurons.models import Model, Query
from factneurons.models.matmul import routing
from measuring import MODELS, Contender, interleave, model_megabytes, prompt_of, random_model
from peers import PEERS, POINTS, Scores

REFERENCE = "plain loop"
PEER = "knowledge-neurons 0.0.2"


def ours(model: Model, query: Query, settings: AttributionSettings) -> Contender:
    """One of our own settings as a contender."""
    points = f"{settings.points} points of {settings.rule}" if settings.points else "library defaults"

    def run() -> Scores:
        found = attribute_all(model, [query], settings)[0]
        return Scores(torch.from_numpy(found.scores), float(found.completeness_error.max()))

    return Contender(f"factneurons, {points}", run)


def compare(name: str, tokens: int, repeats: int, peers: list[str]) -> list[dict[str, object]]:
    """Time all contenders on one model and prompt length."""
    model = random_model(name)
    query = model.query(prompt_of(tokens, masked=model.kind == "cloze"), "w123")
    contenders = [Contender(peer, PEERS[peer](model, query)) for peer in peers]
    fast = [
        ours(model, query, AttributionSettings(method="dai", rule="inclusive", points=POINTS)),
        ours(model, query, AttributionSettings(method="dai")),
    ]
    for contender in fast:  # first use: probe of the matrix product, self-check
        contender.run()
    contenders += fast
    interleave(contenders, repeats, warm=False)
    by_name = {contender.name: contender for contender in contenders}
    reference = by_name.get(REFERENCE)
    return [_row(name, tokens, model, contender, by_name.get(PEER), reference) for contender in contenders]


def _row(
    name: str, tokens: int, model: Model, contender: Contender, peer: Contender | None, reference: Contender | None
) -> dict[str, object]:
    difference = None
    if reference is not None and str(POINTS) in contender.name:
        true = reference.result.scores
        difference = float(((contender.result.scores - true).abs().amax(-1) / true.abs().amax(-1)).max())
    return {
        "model": name,
        "tokens": tokens,
        "tool": contender.name,
        "seconds": round(contender.median, 4),
        "all": [round(second, 3) for second in contender.seconds],
        "times as fast": None if peer is None else round(peer.median / contender.median, 1),
        "MB above model": round(contender.peak),
        "of model size": round(contender.peak / model_megabytes(model), 2),
        "completeness error": contender.result.error,
        "difference": difference,
    }


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), action="append")
    parser.add_argument("--tokens", type=int, action="append")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without", choices=list(PEERS), action="append", default=[])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(json.dumps({"threads": options.threads, "float32 products": routing(), "torch": torch.__version__}))
    for name in options.model or list(MODELS):
        for tokens in options.tokens or [10, 12, 30]:
            for row in compare(name, tokens, options.repeats, [peer for peer in PEERS if peer not in options.without]):
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

"""Attribution of one fact, all layers: factneurons beside other tools.

    python benchmarks/attribution.py --model gpt2 --tokens 30 --repeats 3
    python benchmarks/attribution.py --model tiny --tokens 10

Needs the extra `benchmarks`. Models have true size (but `tiny`) and random weights. The first line is the machine and
the versions. Then one line per tool: median seconds of the repeats, interleaved in one process; how many times as fast
as knowledge-neurons; peak memory above the loaded model, of one run in a process of its own; largest completeness
error; largest difference from the plain loop relative to the layer's maximum (same points only); how many times the
floor's time, for the defaults. The floor is what these cannot do without, by plain calls of the network: one pass of
the prompt, and a pass of the points up and down again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.models.model import Model
from factneurons.models.passes.matmul import fast_products
from factneurons.models.types import Query
from measuring import (
    MODELS,
    TINY,
    Contender,
    in_fresh_process,
    interleave,
    machine,
    model_megabytes,
    peak_above,
    prompt_of,
    random_model,
)
from peers import PEERS, POINTS, Scores

REFERENCE = "plain loop"
PEER = "knowledge-neurons 0.0.2"
DEFAULTS = "factneurons, defaults"
OURS = {
    f"factneurons, layer by layer, {POINTS} points": AttributionSettings(method="dai", rule="inclusive", points=POINTS),
    "factneurons, layer by layer": AttributionSettings(method="dai"),
    DEFAULTS: AttributionSettings(),
}
FLOOR = "floor"


def ours(settings: AttributionSettings, model: Model, query: Query) -> Callable[[], Scores]:
    """One of our own settings as a contender."""

    def run() -> Scores:
        found = attribute_all(model, [query], settings)[0]
        return Scores(torch.from_numpy(found.scores), float(found.completeness_error.max()))

    return run


def floor(model: Model, query: Query) -> Callable[[], Scores]:
    """What joint attribution at the points of the defaults cannot do without, with nothing of ours in between."""
    network, weight = model.backbone.module.base_model, model.backbone.head.weight
    ids, position = torch.tensor([query.input_ids]), query.target_positions[0]
    points = int(attribute_all(model, [query], OURS[DEFAULTS])[0].points.max())
    shape = (points, ids.shape[1]) if model.kind == "cloze" else (1, points)
    rows = torch.randn(*shape, weight.shape[1], requires_grad=True)

    def probability(hidden: torch.Tensor) -> torch.Tensor:
        return (hidden @ weight.T).softmax(-1)[..., query.answer_ids[0]]

    def run() -> Scores:
        with fast_products(model.backbone.device, model.backbone.dtype):  # at the rate that the machine reaches
            with torch.no_grad():
                probability(network(input_ids=ids).last_hidden_state[:, position])
            hidden = network(inputs_embeds=rows).last_hidden_state
            probabilities = probability(hidden[:, position] if model.kind == "cloze" else hidden)
            torch.autograd.grad(probabilities.sum(), rows)
        return Scores(torch.empty(0))

    return run


TOOLS: dict[str, Callable[[Model, Query], Callable[[], Scores]]] = {
    **PEERS,
    **{name: partial(ours, settings) for name, settings in OURS.items()},
    FLOOR: floor,
}


def asked(name: str, tokens: int) -> tuple[Model, Query]:
    """A model and what it is asked."""
    model = random_model(name)
    return model, model.query(prompt_of(tokens, masked=model.kind == "cloze"), "w123")


def peak_of(tool: str, name: str, tokens: int, threads: int) -> float:
    """The peak memory of one run of a tool in megabytes above the loaded model; for a process of its own."""
    torch.set_num_threads(threads)
    TOOLS[tool](*asked("tiny", tokens))()  # libraries keep tens of megabytes after their first use
    return peak_above(TOOLS[tool](*asked(name, tokens)))


def compare(name: str, tokens: int, repeats: int, tools: list[str]) -> list[dict[str, object]]:
    """Time all contenders on one model and prompt length, and measure the memory of each."""
    model, query = asked(name, tokens)
    contenders = [Contender(tool, TOOLS[tool](model, query)) for tool in tools]
    for contender in contenders:
        if contender.name in OURS:  # first use: probe of the matrix product, self-check
            contender.run()
    interleave(contenders, repeats, warm=False)
    for contender in contenders:
        contender.peak = in_fresh_process(peak_of, contender.name, name, tokens, torch.get_num_threads())
    by_name = {contender.name: contender for contender in contenders}
    return [_row(name, tokens, model, contender, by_name) for contender in contenders]


def _row(name: str, tokens: int, model: Model, contender: Contender, others: dict[str, Contender]) -> dict[str, object]:
    peer, reference, difference = others.get(PEER), others.get(REFERENCE), None
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
        "times the floor": round(contender.median / others[FLOOR].median, 2) if contender.name == DEFAULTS else None,
    }


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=[*MODELS, *TINY], action="append", help="default: all of true size")
    parser.add_argument("--tokens", type=int, action="append", help="of the prompt; default: 10, 12 and 30")
    parser.add_argument("--repeats", type=int, default=3, help="of every tool; the median is shown")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without", choices=list(PEERS), action="append", default=[])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(json.dumps(machine()), flush=True)
    tools = [tool for tool in TOOLS if tool not in options.without]
    for name in options.model or list(MODELS):
        for tokens in options.tokens or [10, 12, 30]:
            try:
                rows = compare(name, tokens, options.repeats, tools)
            except ModuleNotFoundError as error:
                parser.error(f"{error}: install the extra benchmarks, or leave the tool out with --without")
            for row in rows:
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

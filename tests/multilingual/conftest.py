"""Knowledge neurons made by hand, in any language."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron


def _known(
    fact_id: str,
    language: str,
    neurons: Sequence[tuple[int, int]],
    *,
    scores: Sequence[float] | None = None,
    rounds: tuple[int, ...] = (),
) -> KnowledgeNeurons:
    prompt = Prompt(f"{language} {fact_id} ___")
    count = len(neurons)
    return KnowledgeNeurons(
        fact=Fact(fact_id, "capital", f"{fact_id} in {language}", "answer", language, (prompt,)),
        neurons=tuple(Neuron(*neuron) for neuron in neurons),
        scores=tuple(scores) if scores is not None else tuple(1 / (1 + place) for place in range(count)),
        shares=(1.0,) * count,
        queries=(),
        method="amig",
        threshold=0.2,
        refined=False,
        probability=0.9,
        rank=1,
        rounds=rounds,
    )


@pytest.fixture(scope="session")
def known_in() -> Callable[..., KnowledgeNeurons]:
    """known_in(fact id, language, [(layer, index), ...], scores=None): knowledge neurons, scores falling."""
    return _known

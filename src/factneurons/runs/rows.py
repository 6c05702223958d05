"""From what attribution and degeneracy return to rows of the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from factneurons.attribution.types import FloatArray, IntArray, KnowledgeNeurons
from factneurons.degeneracy.types import CarriedFacts, Component, DegenerateNeurons
from factneurons.facts.types import Fact
from factneurons.models.types import Query
from factneurons.runs.schema import Row


class PromptCompleteness(Protocol):
    """What of an attribution is kept: its completeness per layer (see `Attribution`)."""

    @property
    def query(self) -> Query:
        """What was asked."""

    @property
    def completeness_error(self) -> Sequence[float] | FloatArray:
        """[layers]."""

    @property
    def completeness_ratio(self) -> Sequence[float] | FloatArray:
        """[layers]."""

    @property
    def baseline_probability(self) -> Sequence[float] | FloatArray:
        """[layers]."""

    @property
    def points(self) -> Sequence[int] | IntArray:
        """[layers]."""

    @property
    def probability(self) -> float:
        """P(answer)."""


def located_rows(
    found: KnowledgeNeurons,
    attributions: Sequence[PromptCompleteness],
    *,
    answer_tokens: Sequence[str],
    seconds: float,
) -> dict[str, list[Row]]:
    """Rows of `facts`, `neurons` and `completeness` for one fact.

    Args:
        found: its knowledge neurons.
        attributions: one per asked prompt.
        answer_tokens: the answer as the model's tokens.
        seconds: time spent on it.
    """
    fact = found.fact
    row: Row = {
        "fact_id": fact.id,
        "language": fact.language,
        "key": fact.key,
        "relation": fact.relation,
        "subject": fact.subject,
        "answer": fact.answer,
        "date": fact.date,
        "prompts": [prompt.text for prompt in fact.prompts],
        "prompts_asked": len(found.queries),
        "answer_tokens": list(answer_tokens),
        "probability": found.probability,
        "rank": found.rank,
        "known": found.rank == 1,
        "neurons": len(found.neurons),
        "refined": found.refined,
        "threshold": found.threshold,
        "method": found.method,
        "source": fact.source,
        "seconds": seconds,
    }
    neurons: list[Row] = [
        {
            "fact_id": fact.id,
            "language": fact.language,
            "relation": fact.relation,
            "layer": neuron.layer,
            "index": neuron.index,
            "score": score,
            "share": share,
            "round": number,
            "position": position,
        }
        for position, (neuron, score, share, number) in enumerate(
            zip(found.neurons, found.scores, found.shares, found.round_of_each, strict=True), start=1
        )
    ]
    completeness = [row for attribution in attributions for row in _completeness_rows(fact, attribution)]
    return {"facts": [row], "neurons": neurons, "completeness": completeness}


def _completeness_rows(fact: Fact, attribution: PromptCompleteness) -> list[Row]:
    return [
        {
            "fact_id": fact.id,
            "language": fact.language,
            "prompt": attribution.query.prompt.text,
            "layer": layer,
            "error": attribution.completeness_error[layer],
            "ratio": attribution.completeness_ratio[layer],
            "probability": attribution.probability,
            "baseline_probability": attribution.baseline_probability[layer],
            "points": attribution.points[layer],
        }
        for layer in range(len(attribution.points))
    ]


def degenerate_rows(found: DegenerateNeurons, *, knowledge_neurons: int) -> dict[str, list[Row]]:
    """Rows of `degenerate`, `components` and `barcodes` for one fact.

    Args:
        found: what the search returned.
        knowledge_neurons: how many neurons it started from.
    """
    fact = found.fact
    passing = {component.neurons for component in found.components}
    rest = [candidate for candidate in found.candidates if candidate.neurons not in passing]
    components = [
        _component_row(fact, number, component, "component" if component.neurons in passing else "candidate")
        for number, component in enumerate([*found.components, *rest], start=1)
    ]
    barcodes: list[Row] = [
        {
            "fact_id": fact.id,
            "language": fact.language,
            "birth": bar.birth,
            "death": bar.death,
            "size": len(bar.neurons),
            "chosen": bar.chosen,
        }
        for bar in found.barcode
    ]
    row: Row = {
        "fact_id": fact.id,
        "language": fact.language,
        "relation": fact.relation,
        "knowledge_neurons": knowledge_neurons,
        "components": len(found.components),
        "candidates": len(found.candidates),
        "reason": found.reason,
        "drop_all": found.drop_all,
        "degeneracy_index": found.degeneracy_index,
        "p_value": found.p_value,
        "coverage": found.coverage,
        "grouping": found.grouping,
        "storage": found.storage,
        "details": found.details,
    }
    return {"degenerate": [row], "components": components, "barcodes": barcodes}


def _component_row(fact: Fact, number: int, component: Component, role: str) -> Row:
    return {
        "fact_id": fact.id,
        "language": fact.language,
        "component": number,
        "role": role,
        "neurons": component.neurons,
        "size": len(component.neurons),
        "layers": component.layers,
        "birth": component.birth,
        "death": component.death,
        "persistence": component.persistence,
        "drop_alone": component.drop_alone,
        "drop_without_others": component.drop_without_others,
        "mean_distance": component.mean_distance,
    }


def carried_rows(found: CarriedFacts) -> dict[str, list[Row]]:
    """Rows of `carried`: one per component of a fact."""
    rows: list[Row] = [
        {
            "fact_id": found.fact.id,
            "language": found.fact.language,
            "component": number,
            "others": found.others,
            "other_facts": carried.other_facts,
            "random_other_facts": carried.random_other_facts,
            "p_value": carried.p_value,
            "shared": carried.shared,
            "overlap": carried.overlap,
            "redundancy": carried.redundancy,
            "carries": found.carries,
        }
        for number, carried in enumerate(found.components, start=1)
    ]
    return {"carried": rows}

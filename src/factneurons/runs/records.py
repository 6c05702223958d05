"""From results to rows of a run's tables, and back from a run to facts with their neurons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.types import Component, DegenerateNeurons
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron, Query
from factneurons.runs.schema import Row
from factneurons.runs.store import Run

Rows = dict[str, list[Row]]


class PromptCompleteness(Protocol):
    """One prompt's completeness, per layer."""

    query: Query
    error: tuple[float, ...]
    ratio: tuple[float, ...]
    baseline_probability: tuple[float, ...]
    points: tuple[int, ...]
    probability: float


def knowledge_rows(
    known: KnowledgeNeurons, completeness: Iterable[PromptCompleteness], answer_tokens: Sequence[str], seconds: float
) -> Rows:
    """The rows of `facts`, `neurons` and `completeness` for one fact."""
    fact = known.fact
    key = _key(fact)
    row: Row = {
        **key,
        "key": fact.key,
        "relation": fact.relation,
        "subject": fact.subject,
        "answer": fact.answer,
        "date": fact.date,
        "prompts": [prompt.text for prompt in fact.prompts],
        "prompts_asked": len(known.queries),
        "answer_tokens": list(answer_tokens),
        "probability": known.probability,
        "rank": known.rank,
        "known": known.rank == 1,
        "neurons": len(known.neurons),
        "refined": known.refined,
        "threshold": known.threshold,
        "method": known.method,
        "source": fact.source,
        "seconds": seconds,
    }
    ordered = zip(known.neurons, known.scores, known.shares, strict=True)
    neurons: list[Row] = [
        {**key, "relation": fact.relation, **_neuron(neuron), "score": score, "share": share, "position": place}
        for place, (neuron, score, share) in enumerate(ordered, 1)
    ]
    return {"facts": [row], "neurons": neurons, "completeness": [r for c in completeness for r in _layers(key, c)]}


def _layers(key: Mapping[str, str], found: PromptCompleteness) -> Iterator[Row]:
    columns = zip(found.error, found.ratio, found.baseline_probability, found.points, strict=True)
    for layer, (error, ratio, baseline, points) in enumerate(columns):
        yield {
            **key,
            "prompt": found.query.prompt.text,
            "layer": layer,
            "error": error,
            "ratio": ratio,
            "probability": found.probability,
            "baseline_probability": baseline,
            "points": points,
        }


def degenerate_rows(found: DegenerateNeurons, knowledge_neurons: int) -> Rows:
    """The rows of `degenerate`, `components` and `barcodes` for one fact."""
    key = _key(found.fact)
    passed = {component.neurons for component in found.components}
    failed = [component for component in found.candidates if component.neurons not in passed]
    listed = [("component", each) for each in found.components] + [("candidate", each) for each in failed]
    return {
        "degenerate": [
            {
                **key,
                "relation": found.fact.relation,
                "knowledge_neurons": knowledge_neurons,
                "components": len(found.components),
                "candidates": len(found.candidates),
                "reason": found.reason,
                "drop_all": found.drop_all,
                "degeneracy_index": found.degeneracy_index,
                "p_value": found.p_value,
                "coverage": found.coverage,
                "verdict": found.verdict,
                "details": [{"name": name, "value": value} for name, value in found.details.items()],
            }
        ],
        "components": [
            {**key, "component": number, "role": role, **_component(each)}
            for number, (role, each) in enumerate(listed, 1)
        ],
        "barcodes": [
            {**key, "birth": bar.birth, "death": bar.death, "size": len(bar.neurons), "chosen": bar.chosen}
            for bar in found.barcode
        ],
    }


def _component(component: Component) -> Row:
    return {
        "neurons": [_neuron(neuron) for neuron in component.neurons],
        "size": len(component.neurons),
        "layers": sorted({neuron.layer for neuron in component.neurons}),
        "birth": component.birth,
        "death": component.death,
        "persistence": component.death - component.birth,
        "drop_alone": component.drop_alone,
        "drop_without_others": component.drop_without_others,
        "mean_distance": component.mean_distance,
    }


def intervention_row(
    fact: Fact,
    *,
    neurons: str,
    draw: int,
    action: str,
    other: Fact | None,
    size: int,
    before: float,
    after: float,
    prompts: int,
) -> Row:
    """One row of `interventions`."""
    return {
        **_key(fact),
        "relation": fact.relation,
        "neurons": neurons,
        "draw": draw,
        "action": action,
        "prompts": "related" if other is None else "unrelated",
        "other_fact_id": None if other is None else other.id,
        "size": size,
        "probability_before": before,
        "probability_after": after,
        "prompt_count": prompts,
    }


def merged(tables: Iterable[Rows]) -> Rows:
    """The rows of several facts, by table."""
    result: Rows = defaultdict(list)
    for rows in tables:
        for name, own in rows.items():
            result[name] += own
    return dict(result)


def located_facts(run: Run) -> Iterator[tuple[Fact, Row, list[tuple[Neuron, float, float]]]]:
    """Every fact of a run's `locate` stage: the fact, its row, and its neurons with score and share, best first."""
    for tables in run.committed("locate", "facts", "neurons"):
        neurons: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in tables["neurons"]:
            neurons[row["fact_id"], row["language"]].append(row)
        for row in tables["facts"]:
            own = sorted(neurons[row["fact_id"], row["language"]], key=lambda each: int(each["position"]))
            yield _fact(row), row, [(Neuron(r["layer"], r["index"]), r["score"], r["share"]) for r in own]


def degenerate_neurons_of(run: Run) -> Iterator[tuple[Fact, list[Neuron]]]:
    """Every fact whose components passed, with the neurons of all of them together."""
    components: dict[tuple[str, str], list[Neuron]] = {}
    for tables in run.committed("degenerate", "components"):
        for row in tables["components"]:
            if row["role"] == "component":
                own = components.setdefault((row["fact_id"], row["language"]), [])
                own += [Neuron(each["layer"], each["index"]) for each in row["neurons"]]
    for fact, _, _ in located_facts(run):
        if (fact.id, fact.language) in components:
            yield fact, sorted(components[fact.id, fact.language])


def _fact(row: Mapping[str, Any]) -> Fact:
    return Fact(
        id=row["fact_id"],
        relation=row["relation"],
        subject=row["subject"],
        answer=row["answer"],
        language=row["language"],
        prompts=tuple(Prompt(text) for text in row["prompts"]),
        date=row["date"],
        source=row["source"],
    )


def _key(fact: Fact) -> dict[str, str]:
    return {"fact_id": fact.id, "language": fact.language}


def _neuron(neuron: Neuron) -> Row:
    return {"layer": neuron.layer, "index": neuron.index}

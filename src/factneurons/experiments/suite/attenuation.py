"""E6: does a perturbed question hurt more once degenerate neurons are gone?

'Cracking Factual Knowledge' (ACL 2025), robustness by attenuation: Q is a question, Q* the question with one word
replaced, added or deleted.

    loss(S) = (P(answer | Q) - P(answer | Q*)) / P(answer | Q)     both with the neurons S suppressed

P is the mean over a fact's questions, and over the versions of each. The paper prints 100 times the loss. Values are
suppressed at the answer's positions, weights at every position: with in- and out-weights at 0 a neuron writes nothing
anywhere, which is its value at 0 everywhere, so that all sets of neurons are asked in one batch either way.

A ratio to a P(Q) that suppression has brought to nearly 0 says nothing: below `LEAST_PROBABILITY` there is no loss, as
with every relative change here. These are counted, and the log loss ln P(Q) - ln P(Q*) tells of them; it stands beside
every loss, and so does P(Q).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Work
from factneurons.experiments.perturbed_questions import (
    DEGENERATE,
    KNOWLEDGE,
    OPTIONS,
    PerturbedQuestions,
    Version,
    conditions_of,
)
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact
from factneurons.models.types import FloatArray, Query, Reach, check_finite
from factneurons.statistics import LEAST_PROBABILITY

CHANGES: dict[str, Reach] = {"values": "target", "weights": "all"}
"""What is suppressed -> at which positions neurons are silent then."""

MEASURES = {
    f"{name}, {change}": meaning.format(change)
    for change in CHANGES
    for name, meaning in {
        "loss": "share of P(answer) that the perturbation costs, {} of the neurons at 0; by kind of perturbation",
        "log loss": "ln P(answer) of the question minus that of the perturbed one, in nats, {} at 0",
        "P": "P(answer) of the unperturbed question, {} at 0",
        "left out": f"1 if P(answer) of the question is below {LEAST_PROBABILITY}, {{}} at 0, so that there is no loss;"
        " log loss tells of it; of random neurons the number of draws; no row: none",
    }.items()
} | {
    "versions": "perturbed versions that were asked; by kind of perturbation",
    "neurons": "how many neurons the set has; 0: the fact has no components",
}


def prepare(study: Study) -> Work:
    """Ask every version with every set of neurons suppressed, values and weights, on one fact."""
    questions = PerturbedQuestions.of_study(study)

    def work(fact: Fact) -> Iterator[Measured]:
        study.require_known(fact)
        versions, conditions = questions.of(fact), conditions_of(study, fact)
        for edit in dict.fromkeys(version.edit for version in versions):
            yield Measured("none", "versions", float(sum(version.edit == edit for version in versions)), edit)
        for name in (KNOWLEDGE, DEGENERATE):
            yield Measured(name, "neurons", float(len(conditions.get(name, [()])[0])))
        queries = list(dict.fromkeys(query for each in versions for query in (each.clean, each.perturbed)))
        sets = [neurons for own in conditions.values() for neurons in own]
        for change, positions in CHANGES.items():
            table = study.model.probabilities_with(queries, sets, 0.0, positions=positions)
            check_finite(table, f"fact {fact.id!r}", f"P(answer) is NaN with {change} at 0")
            columns = iter(table.T)
            for condition, own in conditions.items():
                draws = [dict(zip(queries, next(columns).tolist(), strict=True)) for _ in own]
                yield from _losses(condition, change, versions, draws)

    return work


def _losses(
    condition: str, change: str, versions: Sequence[Version], draws: Sequence[dict[Query, float]]
) -> Iterator[Measured]:
    """The means over the draws of one condition, by kind of perturbation."""
    for edit in dict.fromkeys(version.edit for version in versions):
        own = [version for version in versions if version.edit == edit]
        numbers = np.array([_of_draw(own, probabilities) for probabilities in draws])
        for name, values in zip(("loss", "log loss", "P"), numbers.T, strict=True):
            there = values[np.isfinite(values)]
            if len(there):
                yield Measured(condition, f"{name}, {change}", float(there.mean()), edit)
            if name == "loss" and len(there) < len(draws):
                yield Measured(condition, f"left out, {change}", float(len(draws) - len(there)), edit)


def _of_draw(versions: Sequence[Version], probabilities: dict[Query, float]) -> FloatArray:
    """Loss, log loss and P(Q), [3], every question as much as any other.

    No loss (NaN) of a P(Q) below `LEAST_PROBABILITY`, and no finite log loss where P is 0.
    """
    by_question: dict[Query, list[float]] = defaultdict(list)
    for version in versions:
        by_question[version.clean].append(probabilities[version.perturbed])
    clean = np.array([probabilities[query] for query in by_question])
    with np.errstate(divide="ignore", invalid="ignore"):
        perturbed = np.mean([np.mean(own) for own in by_question.values()])
        logs = np.mean([np.mean(np.log(own)) for own in by_question.values()])
        mean = clean.mean()
        loss = (mean - perturbed) / mean if mean >= LEAST_PROBABILITY else np.nan
        return np.array([loss, np.log(clean).mean() - logs, mean])


def _claims(change: str) -> Iterator[Claim]:
    loss, log_loss = f"loss, {change}", f"log loss, {change}"
    gone = f"With {change} at 0,"
    for name, what in ((DEGENERATE, "degenerate"), (KNOWLEDGE, "knowledge")):
        text = f"{gone} a perturbation costs more without {what} neurons than without random ones."
        yield Claim(text, loss, name, "greater", f"{RANDOM_FOR}{name}")
    text = f"{gone} it costs more without degenerate neurons than without all knowledge neurons."
    yield Claim(text, loss, DEGENERATE, "greater", KNOWLEDGE)
    text = f"{gone} it costs more of log P without degenerate neurons than without "
    yield Claim(f"{text}random ones.", log_loss, DEGENERATE, "greater", f"{RANDOM_FOR}{DEGENERATE}")
    yield Claim(f"{text}all knowledge neurons.", log_loss, DEGENERATE, "greater", KNOWLEDGE)


EXPERIMENT = Experiment(
    id="E6",
    title="Robustness: attenuation",
    source="Cracking Factual Knowledge (ACL 2025)",
    question="Does a perturbed question lose more of the answer once degenerate neurons are suppressed?",
    smallest="30 facts with components that the model knows",
    example=(
        'factneurons experiment E6 --model pocket-gpt2 --facts "bundled?lang=en&sample=20&seed=1" --draws 5 '
        "--out runs/robustness"
    ),
    measures=MEASURES,
    claims=tuple(claim for change in CHANGES for claim in _claims(change)),
    prepare=prepare,
    charts=(
        Chart("What a perturbation costs", tuple(f"loss, {change}" for change in CHANGES), across="place"),
        Chart("In nats", tuple(f"log loss, {change}" for change in CHANGES), across="place", unit="number"),
        Chart("P(answer) of the unperturbed question", tuple(f"P, {change}" for change in CHANGES)),
    ),
    options=OPTIONS,
)

"""E7: does enhancing degenerate neurons bring back the answer to a perturbed question?

'Cracking Factual Knowledge' (ACL 2025), robustness by enhancement: of the facts that a model answers right when asked Q
and wrong when asked Q* (Q with one word replaced, added or deleted), how many does it answer right again with the
neurons S doubled? A causal model writes 20 tokens, the likeliest each time; the answer is right if one of the accepted
names is among them as whole words, whatever their case ("answered"), or if it begins what is written letter by letter
("answered exactly"). A masked model's answer is what it puts in the blank.

The paper does not ask what the same does to Q: an intervention that breaks clean questions is no gain. Here it does.
Doubling in- and out-weights makes a neuron's contribution about four times as large, and acts at every position.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from factneurons.errors import NotAskable
from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Work
from factneurons.experiments.perturbed_questions import (
    DEGENERATE,
    KNOWLEDGE,
    NONE,
    OPTIONS,
    PerturbedQuestions,
    Version,
    conditions_of,
)
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact
from factneurons.facts.words import accepted_names, is_one_of, names_one_of
from factneurons.models.types import Neuron, Query

TOKENS = 20
"""How much a causal model writes."""

FACTOR = 2.0
CHANGES = ("values", "weights")

MEASURES = {
    f"{name}, {change}": meaning.format(change)
    for change in CHANGES
    for name, meaning in {
        "answered": "share of perturbed questions, wrong before, that are answered with {} doubled; by perturbation",
        "answered exactly": "share of them whose text begins with an accepted name, {} doubled",
        "still answered": "share of the unperturbed questions, right before, that are answered with {} doubled",
    }.items()
} | {
    "lost": "share of the versions of questions answered right that are answered wrong; by kind of perturbation",
    "versions": "how many versions these are",
    "neurons": "how many neurons the set has; 0: the fact has no components",
}


def prepare(study: Study) -> Work:
    """Ask with every set of neurons doubled what went wrong without, on one fact."""
    questions = PerturbedQuestions.of_study(study)

    def work(fact: Fact) -> Iterator[Measured]:
        versions, names = questions.of(fact), accepted_names(fact)
        queries = list(dict.fromkeys(query for each in versions for query in (each.clean, each.perturbed)))
        right = {query for query, text in _written(study, queries, [()], "values", 1.0)[0].items()
                 if names_one_of(text, names)}  # fmt: skip
        asked = [version for version in versions if version.clean in right]
        lost = [version for version in asked if version.perturbed not in right]
        if not asked:
            raise NotAskable("wrong-before", "it is answered right in none of its unperturbed questions")
        yield from _counted(asked, lost)
        if not lost:
            return
        conditions = conditions_of(study, fact)
        for name in (KNOWLEDGE, DEGENERATE):
            yield Measured(name, "neurons", float(len(conditions.get(name, [()])[0])))
        queries = list(dict.fromkeys(query for each in lost for query in (each.clean, each.perturbed)))
        sets = [neurons for own in conditions.values() for neurons in own]
        for change in CHANGES:
            texts = iter(_written(study, queries, sets, change, FACTOR))
            for condition, own in conditions.items():
                yield from _answered(condition, change, lost, [next(texts) for _ in own], names)

    return work


def _counted(asked: Sequence[Version], lost: Sequence[Version]) -> Iterator[Measured]:
    for edit in dict.fromkeys(version.edit for version in asked):
        total, wrong = (sum(version.edit == edit for version in own) for own in (asked, lost))
        yield Measured(NONE, "lost", wrong / total, edit)
        yield Measured(NONE, "versions", float(total), edit)


def _answered(
    condition: str, change: str, lost: Sequence[Version], texts: Sequence[dict[Query, str]], names: Sequence[str]
) -> Iterator[Measured]:
    """Shares over versions and draws, by kind of perturbation; of clean questions each once."""

    def share(queries: Sequence[Query], right: Callable[[str, Sequence[str]], bool]) -> float:
        return float(np.mean([right(own[query], names) for own in texts for query in queries]))

    by_edit: dict[str, list[Query]] = defaultdict(list)
    for version in lost:
        by_edit[version.edit].append(version.perturbed)
    for edit, queries in by_edit.items():
        yield Measured(condition, f"answered, {change}", share(queries, names_one_of), edit)
        yield Measured(condition, f"answered exactly, {change}", share(queries, is_one_of), edit)
    cleans = list(dict.fromkeys(version.clean for version in lost))
    yield Measured(condition, f"still answered, {change}", share(cleans, names_one_of))


def _written(
    study: Study, queries: Sequence[Query], sets: Sequence[Sequence[Neuron]], change: str, factor: float
) -> list[dict[Query, str]]:
    """What the model answers, by question, with each of the sets multiplied: [sets].

    Values of a causal model are changed row by row, so that all sets share passes; weights, and what stands before the
    activation function, one set after the other.

    Raises:
        NotAskable: an encoder-decoder ("cannot-generate").
    """
    from factneurons.models.generation import generate

    model, prompts = study.model, [query.prompt for query in queries]
    pre = study.settings.attribution.before_activation(model.kind)
    if model.kind == "causal" and change == "values" and not pre:
        rows = [neurons for neurons in sets for _ in queries]
        texts = generate(model, prompts * len(sets), rows, factor, tokens=TOKENS)
        return [
            dict(zip(queries, texts[start : start + len(queries)], strict=True))
            for start in range(0, len(texts), len(queries))
        ]
    if model.kind == "encoder-decoder":
        raise NotAskable("cannot-generate", f"{model.name} writes no text here: it is asked as {model.kind}")
    changed = partial(model.scale_values, pre=pre) if change == "values" else model.scale_weights
    found = []
    for neurons in sets:
        with changed(neurons, factor):
            if model.kind == "causal":
                texts = generate(model, prompts, tokens=TOKENS)
            else:
                texts = [each.prediction for each in model.evaluate(queries)]
        found.append(dict(zip(queries, texts, strict=True)))
    return found


def _claims(change: str) -> Iterator[Claim]:
    measure, text = f"answered, {change}", f"Doubling the {change} of"
    for name, what in ((DEGENERATE, "degenerate"), (KNOWLEDGE, "knowledge")):
        random = f"{RANDOM_FOR}{name}"
        yield Claim(
            f"{text} {what} neurons brings back more answers than of random ones.", measure, name, "greater", random
        )
    yield Claim(
        f"{text} degenerate neurons brings back more answers than of all knowledge neurons.",
        measure,
        DEGENERATE,
        "greater",
        KNOWLEDGE,
    )


EXPERIMENT = Experiment(
    id="E7",
    title="Robustness: enhancement",
    source="Cracking Factual Knowledge (ACL 2025)",
    question="Does doubling degenerate neurons bring back answers that a perturbed question has lost?",
    smallest="30 facts with components that are answered right when asked and wrong when asked perturbed",
    example=(
        'factneurons experiment E7 --model pocket-gpt2 --facts "bundled?lang=en&sample=20&seed=1" --draws 3 '
        "--out runs/robustness-enhanced"
    ),
    measures=MEASURES,
    claims=tuple(claim for change in CHANGES for claim in _claims(change)),
    prepare=prepare,
    charts=(
        Chart("Answers brought back", tuple(f"answered, {change}" for change in CHANGES), across="place"),
        Chart("Letter by letter", tuple(f"answered exactly, {change}" for change in CHANGES), across="place"),
        Chart("Unperturbed questions still answered", tuple(f"still answered, {change}" for change in CHANGES)),
    ),
    options=OPTIONS,
)

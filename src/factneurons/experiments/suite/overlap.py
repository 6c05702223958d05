"""E9: does full fine-tuning on new facts change degenerate neurons?

'Cracking Factual Knowledge' (ACL 2025), evolvability by overlap. All parameters learn new answers of the
facts, or the facts that are given as new while the others are compared; then

    c = |w after - w before| / |w before|           of a neuron's in-weights, and of its out-weights
    dN = {neurons: sqrt(c_in^2 + c_out^2) > theta}  the changed neurons
    O(S, dN) = |S and dN| / |S|

for the neurons S of each fact. theta is where dN is so large a share of all neurons (1 % by default; the places are the
curve), and 0.04 and 0.05 as in the released code. Chance is dN's share of all neurons; matched random neurons are the
fairer control, since strong neurons change more. The released plotting script holds a literal 99.95 for O(D, dN) and
computes the other values against D: the published figure is not verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from factneurons.errors import NotAskable
from factneurons.experiments.experiment import Chart, Claim, Experiment, Work
from factneurons.experiments.learning import (
    DEGENERATE,
    KNOWLEDGE,
    NO_COMPONENTS,
    check_trainable,
    given_to_learn,
    learn,
    new_fact,
    random_for,
    random_sets,
    tell_what_was_learned,
    union,
)
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.related import RelatedFacts
from factneurons.facts.types import Fact
from factneurons.models.types import FloatArray, Neuron

SHARES = (0.001, 0.01, 0.05, 0.1, 0.25)
THETAS = (0.04, 0.05)


def _top(share: float) -> str:
    return f"top {100 * share:g} %"


TOP = _top(0.01)

MEASURES = {
    "overlap": "share of the fact's neurons that fine-tuning changes, by where the threshold is (the place)",
    "lift": "overlap / share of all neurons that are changed, likewise",
    "union overlap": "overlap of the neurons of all facts together, the same number in every row, at the top 1 %",
    "union p": "chance of so large an overlap of a random set of that size (hypergeometric), likewise",
    "learned": "share of the trained prompts that are answered rightly after fine-tuning, the same in every row",
    "left out": "1 where there is no number, by reason (the place)",
}


def changes(before: tuple[FloatArray, FloatArray], after: tuple[FloatArray, FloatArray]) -> FloatArray:
    """How much each neuron changes: sqrt(c_in^2 + c_out^2), [neurons].

    Args:
        before, after: in-weights [neurons, parts, hidden] and out-weights [neurons, hidden].
    """
    relative = []
    for old, new in zip(before, after, strict=True):
        flat, moved = old.reshape(len(old), -1), (new - old).reshape(len(old), -1)
        relative.append(np.linalg.norm(moved, axis=1) / np.maximum(np.linalg.norm(flat, axis=1), 1e-30))
    found: FloatArray = np.hypot(*relative)
    return found


def changed_sets(neurons: Sequence[Neuron], change: FloatArray) -> dict[str, frozenset[Neuron]]:
    """Place -> the changed neurons there: the most changed share, and those above a fixed threshold."""
    order = [neurons[number] for number in np.argsort(-change, kind="stable")]
    found = {_top(share): frozenset(order[: max(1, round(len(order) * share))]) for share in SHARES}
    return found | {
        f"theta {theta}": frozenset(n for n, value in zip(neurons, change, strict=True) if value > theta)
        for theta in THETAS
    }


def chance_of(overlap: int, size: int, changed: int, everything: int) -> float:
    """P(at least so many of `size` neurons are among the changed ones), drawn without replacement."""
    from scipy.stats import hypergeom

    return float(hypergeom.sf(overlap - 1, everything, changed, size))


def prepare(study: Study) -> Work:
    """Fine-tune once on all facts that can be asked; then compare each fact's neurons with the changed ones."""
    check_trainable(study, whole_only=True)
    around = RelatedFacts(study.facts)
    facts, new = _looked_at_and_new(study, around)
    if not (facts and new):
        return _nothing_to_learn(study)
    neurons, change, learned = _fine_tuned(study, new)
    changed = changed_sets(neurons, change)
    together = list(_together(study, facts, changed, len(neurons)))

    def work(fact: Fact) -> Iterator[Measured]:
        _check(study, around, fact)
        yield Measured("all", "learned", learned)
        for condition, own in _sets(study, fact).items():
            if not own:
                yield Measured(condition, "left out", 1.0, NO_COMPONENTS)
                continue
            draws = random_sets(study, [fact], own, fact.key)
            if not draws:
                yield Measured(random_for(condition), "left out", 1.0, "too-few-other-neurons")
            for place, moved in changed.items():
                chance = len(moved) / len(neurons)
                for name, sets in ((condition, [own]), (random_for(condition), draws)):
                    if sets:
                        value = float(np.mean([len(moved.intersection(each)) / len(each) for each in sets]))
                        yield Measured(name, "overlap", value, place)
                        if chance:
                            yield Measured(name, "lift", value / chance, place)
        yield from together

    return work


def _looked_at_and_new(study: Study, around: RelatedFacts) -> tuple[list[Fact], list[Fact]]:
    """The facts whose neurons are compared, and those that are learned: these with other answers, or the given ones."""
    given = given_to_learn(study)
    facts, new = [], []
    for fact in study.facts:
        try:
            if (fact.id, fact.language) not in given:
                _check(study, around, fact)
                facts.append(fact)
            if not given or (fact.id, fact.language) in given:
                new.append(new_fact(study, around, fact))
        except NotAskable:
            continue
    return facts, new


def _check(study: Study, around: RelatedFacts, fact: Fact) -> None:
    """Leave out a fact whose neurons are not compared.

    Raises:
        NotAskable: it is one that is learned ("to-be-learned"), it is not known, or it has no other answer.
    """
    given = given_to_learn(study)
    if (fact.id, fact.language) in given:
        raise NotAskable("to-be-learned", "it is one of the facts that the model is fine-tuned on")
    study.require_known(fact)
    if not given:
        new_fact(study, around, fact)


def _nothing_to_learn(study: Study) -> Work:
    def work(fact: Fact) -> Iterator[Measured]:
        _check(study, RelatedFacts(study.facts), fact)
        if given_to_learn(study):
            raise NotAskable("nothing-to-learn", "none of the facts that are given as new can be asked")
        yield from ()

    return work


def _sets(study: Study, fact: Fact) -> Mapping[str, tuple[Neuron, ...]]:
    own = study.knowledge(fact, study.settings.methods[0]).neurons
    return {DEGENERATE: study.degenerate(fact), KNOWLEDGE: own}


def _fine_tuned(study: Study, new: Sequence[Fact]) -> tuple[list[Neuron], FloatArray, float]:
    """All neurons, how much each changes, and which share of the prompts was learned."""
    model = study.model
    neurons = [
        Neuron(layer, index) for layer in range(model.layer_count) for index in range(model.backbone.widths[layer])
    ]

    def weights() -> tuple[FloatArray, FloatArray]:
        return model.in_weights(neurons), model.out_weights(neurons)

    before = weights()
    edit, learned = learn(study, new, None, "everything")
    tell_what_was_learned("E9", learned)
    with edit.on(model):
        after = weights()
    return neurons, changes(before, after), learned


def _together(
    study: Study, facts: Sequence[Fact], changed: Mapping[str, frozenset[Neuron]], everything: int
) -> Iterator[Measured]:
    """The overlap of all facts' neurons together."""
    found: dict[str, list[tuple[Neuron, ...]]] = {DEGENERATE: [], KNOWLEDGE: []}
    for fact in facts:
        try:
            for condition, own in _sets(study, fact).items():
                found[condition].append(own)
        except NotAskable:
            continue
    for condition, sets in found.items():
        if own := union(sets):
            hits = len(changed[TOP].intersection(own))
            yield Measured(condition, "union overlap", hits / len(own))
            yield Measured(condition, "union p", chance_of(hits, len(own), len(changed[TOP]), everything))


EXPERIMENT = Experiment(
    id="E9",
    title="Evolvability: overlap",
    source="Cracking Factual Knowledge (ACL 2025)",
    question="Does fine-tuning the whole model on new facts change degenerate neurons more than others?",
    smallest="50 facts that the model knows, some with components",
    example=(
        'factneurons experiment E9 --model pocket-gpt2 --facts "bundled?lang=en&sample=40&seed=1" --methods amig '
        "--draws 5 --out runs/learning"
    ),
    measures=MEASURES,
    claims=(
        Claim(
            "Fine-tuning changes more degenerate neurons than random ones.",
            "overlap",
            DEGENERATE,
            "greater",
            random_for(DEGENERATE),
            TOP,
        ),
        Claim(
            "It changes more knowledge neurons than random ones.",
            "overlap",
            KNOWLEDGE,
            "greater",
            random_for(KNOWLEDGE),
            TOP,
        ),
        Claim(
            "It changes more of a fact's degenerate neurons than of all its knowledge neurons.",
            "overlap",
            DEGENERATE,
            "greater",
            KNOWLEDGE,
            TOP,
        ),
    ),
    prepare=prepare,
    options=("new",),
    charts=(Chart("Share of neurons that fine-tuning changes", ("overlap",), across="place"),),
)

"""E10: can a few neurons learn new facts without losing old ones?

'Cracking Factual Knowledge' (ACL 2025), evolvability by partial fine-tuning. Half of the subjects are old, or all facts
that are not given as new: their facts are known, and their neurons are found. The others are new, with answers that the
model does not give. Only these neurons' in- and out-weights and biases learn them, everything else keeps every bit:

    degenerate       of the components of all old facts
    knowledge        all knowledge neurons of the old facts
    knowledge, cut   as many of them as there are degenerate ones, those of most facts
    random for ...   matched random neurons
    all              every parameter

Q_new are the prompts that are trained, Q_su the new facts' other prompts, Q_old the old facts' prompts that no neuron
was found with. A causal model is right where the 20 tokens it writes name the answer, others where it comes first.
Nothing is left out by what a fine-tuned model answers, as the released evaluation files do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from factneurons.draws import rank
from factneurons.errors import NotAskable
from factneurons.experiments.experiment import Chart, Claim, Experiment, Work
from factneurons.experiments.learning import (
    CUT,
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
from factneurons.facts.words import accepted_names, names_one_of
from factneurons.models.types import Neuron, Query

if TYPE_CHECKING:
    from factneurons.editing.types import Edit

ALL, BEFORE = "all", "before"
NEW, OLD, REPHRASED = "Q_new", "Q_old", "Q_su"

MEASURES = {
    NEW: "share of a new fact's trained prompts that are answered rightly",
    REPHRASED: "share of its other prompts",
    OLD: "share of an old fact's prompts that are still answered rightly; neurons were found with its others",
    "learned": "share of the trained prompts whose answer comes first after fine-tuning, the same in every row",
    "neurons": "how many neurons are trained, the same number in every row",
    "left out": "1 where there is no number, by reason (the place)",
}

_TOKENS = 20


def is_new(study: Study, fact: Fact) -> bool:
    """Whether a fact is one to be learned: as given, or by its subject, so that its years are all on one side."""
    if given := given_to_learn(study):
        return (fact.id, fact.language) in given
    return int(rank(f"{study.settings.seed}/{fact.subject}")[-1], 16) % 2 == 0


class _Sides:
    """The facts to be learned, with their new answers, and the old ones; what belongs to neither, and why."""

    def __init__(self, study: Study) -> None:
        around = RelatedFacts(study.facts)
        self.new: list[Fact] = []
        self.old: list[Fact] = []
        self.asked: dict[str, list[tuple[str, Fact, Query]]] = defaultdict(list)
        self.refused: dict[str, NotAskable] = {}
        for fact in study.facts:
            try:
                if is_new(study, fact):
                    self._learn(study, new_fact(study, around, fact), fact)
                    continue
                if not study.knows(fact):
                    raise NotAskable("not-known", f"its answer {fact.answer!r} comes first in none of its prompts")
            except NotAskable as error:
                self.refused[fact.key] = error
                continue
            self.old.append(fact)
            self.asked[fact.key] = [(OLD, fact, query) for query in study.halves(fact)[1]]

    def _learn(self, study: Study, new: Fact, fact: Fact) -> None:
        queries = study.queries(new)
        self.new.append(new)
        self.asked[fact.key] = [(NEW, new, query) for query in queries[::2]]
        self.asked[fact.key] += [(REPHRASED, new, query) for query in queries[1::2]]


def prepare(study: Study) -> Work:
    """Fine-tune under every condition and ask all facts; what is left is to hand out the numbers."""
    check_trainable(study, whole_only=False)
    sides, rows = _Sides(study), defaultdict[str, list[Measured]](list)
    told: list[Measured] = []
    if sides.new and sides.old:
        _ask(study, sides, BEFORE, [None], rows)
        for condition, sets in _conditions(study, sides, told):
            learned = list[float]()
            edits = (_tuned(study, sides.new, own, f"{condition}-{number}", learned) for number, own in enumerate(sets))
            _ask(study, sides, condition, edits, rows)
            told.append(Measured(condition, "learned", float(np.mean(learned))))
            tell_what_was_learned(f"E10, {condition}", float(np.mean(learned)))

    def work(fact: Fact) -> Iterator[Measured]:
        if fact.key in sides.refused:
            raise sides.refused[fact.key]
        if not (sides.new and sides.old):
            which = "old facts that the model knows" if sides.new else "facts that could be learned"
            raise NotAskable("one-side-is-empty", f"there are no {which} among these: take more subjects")
        yield from rows[fact.key]
        yield from told

    return work


def _conditions(
    study: Study, sides: _Sides, told: list[Measured]
) -> Iterator[tuple[str, list[tuple[Neuron, ...] | None]]]:
    """Every condition with the sets of neurons that are trained; what there is not is told."""
    found: dict[str, list[tuple[Neuron, ...]]] = {DEGENERATE: [], KNOWLEDGE: []}
    for fact in sides.old:
        try:
            found[KNOWLEDGE].append(study.knowledge(fact, study.settings.methods[0]).neurons)
            found[DEGENERATE].append(study.degenerate(fact))
        except NotAskable:
            continue
    sets = {condition: union(own) for condition, own in found.items()}
    cut = sets[KNOWLEDGE][: len(sets[DEGENERATE])]
    for condition, own in (*sets.items(), (CUT, cut)):
        if not own:
            told.append(Measured(condition, "left out", 1.0, NO_COMPONENTS))
            continue
        told.append(Measured(condition, "neurons", float(len(own))))
        yield condition, [own]
        if condition != CUT:
            draws = random_sets(study, sides.old, own, condition)
            if not draws:
                told.append(Measured(random_for(condition), "left out", 1.0, "too-few-other-neurons"))
            else:
                yield random_for(condition), [*draws]
    yield ALL, [None]


def _tuned(
    study: Study, new: Sequence[Fact], neurons: tuple[Neuron, ...] | None, name: str, learned: list[float]
) -> Edit:
    """The edit; how much was learned is added to `learned`."""
    edit, share = learn(study, new, neurons, name)
    learned.append(share)
    return edit


def _ask(
    study: Study, sides: _Sides, condition: str, edits: Iterable[Edit | None], rows: dict[str, list[Measured]]
) -> None:
    """What every fact answers after each edit (None: before any), the mean over the edits."""
    everything = [(key, *one) for key, asked in sides.asked.items() for one in asked]
    right = []
    for edit in edits:
        if edit is None:
            right.append(_right(study, everything))
            continue
        with edit.on(study.model):
            right.append(_right(study, everything))
    shares = np.mean(right, axis=0)
    of: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (key, measure, _, _), share in zip(everything, shares.tolist(), strict=True):
        of[key, measure].append(share)
    for (key, measure), own in of.items():
        rows[key].append(Measured(condition, measure, float(np.mean(own))))


def _right(study: Study, asked: Sequence[tuple[str, str, Fact, Query]]) -> list[float]:
    """1 for every prompt that is answered rightly, else 0."""
    from factneurons.models.generation import generate

    queries = [query for *_, query in asked]
    if study.model.kind != "causal":
        return [float(each.rank == 1) for each in study.model.evaluate(queries)]
    texts = generate(study.model, [query.prompt for query in queries], tokens=_TOKENS)
    return [float(names_one_of(text, accepted_names(fact))) for (_, _, fact, _), text in zip(asked, texts, strict=True)]


def _claims() -> Iterator[Claim]:
    for measure, what in ((NEW, "new facts"), (REPHRASED, "new facts in other words")):
        text = f"Training degenerate neurons teaches more {what} than training "
        for against in (random_for(DEGENERATE), CUT):
            yield Claim(f"{text}{_WORDS[against]}.", measure, DEGENERATE, "greater", against)
        text = f"Training knowledge neurons teaches more {what} than training random ones."
        yield Claim(text, measure, KNOWLEDGE, "greater", random_for(KNOWLEDGE))
    text = "Training degenerate neurons keeps more old facts than training "
    for against in (ALL, random_for(DEGENERATE), CUT):
        yield Claim(f"{text}{_WORDS[against]}.", OLD, DEGENERATE, "greater", against)
    yield Claim("Training knowledge neurons keeps more than training everything.", OLD, KNOWLEDGE, "greater", ALL)


_WORDS = {random_for(DEGENERATE): "random ones", CUT: "as many knowledge neurons", ALL: "everything"}

EXPERIMENT = Experiment(
    id="E10",
    title="Evolvability: partial fine-tuning",
    source="Cracking Factual Knowledge (ACL 2025)",
    question="Can degenerate neurons alone learn new facts without losing old ones?",
    smallest="100 facts of several relations that the model knows, some with components",
    example=(
        'factneurons experiment E10 --model pocket-gpt2 --facts "bundled?lang=en&sample=40&seed=1" --methods amig '
        "--draws 3 --out runs/learning"
    ),
    measures=MEASURES,
    claims=tuple(_claims()),
    prepare=prepare,
    options=("new", "parts"),
    charts=(Chart("Prompts answered rightly", (NEW, REPHRASED, OLD)),),
)

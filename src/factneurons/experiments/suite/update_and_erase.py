"""E12: can a fact be updated, and a relation erased, through knowledge neurons?

Dai et al. (2022), 'Knowledge Neurons in Pretrained Transformers':

    update a fact      o(n) += -lambda1 |o(n)| e(old) / |e(old)| + lambda2 |o(n)| e(new) / |e(new)|
    erase a relation   the out-weights of the 20 neurons most frequent over its facts := 0

Neurons that more than 10 % of the relation's other facts have are left out of an update, as in the released code;
"update, all neurons" keeps them. Beside them, the smallest change of the out-weights of all the fact's neurons that
puts the new answer first. Both kinds are also made in a row (`edit_sequences`). The new answer is another one of the
relation; both answers are one token, as the paper's formula asks. Edits are made with half of a fact's prompts and
measured with the others. Random neurons go through the same edits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from factneurons.attribution.types import Measurement
from factneurons.editing.kinds import SHARED
from factneurons.editing.measuring import FOUND, RANDOM, number
from factneurons.editing.settings import EditSettings
from factneurons.errors import NotAskable
from factneurons.experiments.changes import MEASURES as CHANGES
from factneurons.experiments.changes import asked_around, mean_log, mean_relative
from factneurons.experiments.edit_sequences import KEPT, SUCCESS, WRITES, Change, EditSequences
from factneurons.experiments.edit_sequences import MEASURES as SEQUENCES
from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Work
from factneurons.experiments.study import Around, Study
from factneurons.experiments.types import Measured
from factneurons.facts.related import RelatedFacts
from factneurons.facts.types import Fact
from factneurons.models.types import Evaluation, Neuron, Query
from factneurons.statistics import LEAST_PROBABILITY

if TYPE_CHECKING:
    from factneurons.editing.evaluation import EditEvaluation

PAPER, ALL, LEAST, ERASE, BEFORE = "update", "update, all neurons", "least change", "erase relation", "before"
RELATION, OTHERS = "own relation", "other relations"
UPDATES = {PAPER: "update-paper", ALL: "update-paper", LEAST: "least-change"}
"""Condition -> kind of edit; `PAPER` changes the fact's neurons without widely shared ones, the others all of them."""

_NUMBERS = {
    "change rate": ("paraphrases", "change rate"),
    "success rate": ("paraphrases", "success rate"),
    "success@5": ("paraphrases", "success@5"),
    "writes new answer": ("paraphrases", "writes new answer"),
    "reciprocal rank of new answer": ("paraphrases", "MRR, new answer"),
    "neighbours changed": ("neighbours", "change rate"),
    "unrelated changed": ("unrelated", "change rate"),
}
_SURPRISE = {"surprise, relation": "neighbours", "surprise, others": "unrelated"}

MEASURES = {
    "change rate": "share of the fact's other prompts whose top prediction is another one after the edit",
    "success rate": "share of them whose top prediction is the new answer",
    "writes new answer": "share of them after which the model's next 20 tokens, freely written, name the new answer",
    "success@5": "share of them with the new answer among the first five",
    "reciprocal rank of new answer": "mean of 1 / rank of the new answer",
    "neighbours changed": "share of prompts of other facts of the relation whose top prediction changes",
    "unrelated changed": "the same for facts of other relations",
    "surprise, relation": "log of perplexity after / before, in nats per token of 10 statements of the relation",
    "surprise, others": "the same for statements of other relations",
    "size": "|change| / |out-weights| of the neurons that are changed",
    "neurons dropped": "share of the fact's neurons that over 10 % of the relation's other facts have too",
    "facts behind the filter": "how many other facts of the relation were looked at for that, 20 at most",
    "facts left out of the filter": "how many more could not be, by reason (the place)",
    "too few facts to filter": "1 if these are fewer than 10, so that a single one is enough to drop a neuron, else 0",
    "facts behind the set": "facts of the relation whose neurons were counted for the ones erased, 20 at most",
    "facts left out of the set": "the others of these, by reason (the place)",
    "old answer, log P": "change of log P(old answer) in nats, mean over the fact's other prompts",
    "new answer, log P": "the same of the new answer",
    "erased, own relation": "relative change of P(answer), the mean over the fact's other prompts, its relation erased",
    "erased, other relations": "relative change of P(answer) of each asked fact of other relations, their mean",
    "erased log P, own relation": "change of log P(answer) in nats, mean over the fact's other prompts",
    "erased log P, other relations": "the same of facts of other relations",
    "accuracy": "share of the fact's other prompts (the place: own relation), or of facts of other relations, whose top"
    " prediction is the answer, the fact's relation erased; before: nothing is",
    "accuracy lost": "that share before minus after, by place likewise",
    "erased surprise": "log of perplexity after / before, in nats per token of a statement of the fact, or of facts of"
    " other relations (the place), the fact's relation erased",
    **SEQUENCES,
    "left out, erased": f"facts without a relative change, because P(answer) was below {LEAST_PROBABILITY} before;"
    " log P tells of them; no row: none",
    "asked": CHANGES["asked"],
    "passed over": CHANGES["passed over"],
}


def prepare(study: Study) -> Work:
    """Update and erase, one fact at a time; a relation's neurons are found once."""
    around = Around(study)
    erasing, filtering = _Erasing(study), Unshared(study, around)

    def changes(fact: Fact) -> list[Change]:
        study.require_known(fact)
        neurons = study.knowledge(fact, study.settings.methods[0]).neurons
        new, own = new_answer(study, around, fact), filtering.of(fact, neurons).neurons
        if not own:
            raise NotAskable("all-neurons-shared", f"{fact.id}: all its neurons are widely shared")
        return [Change(PAPER, UPDATES[PAPER], own, new), Change(LEAST, UPDATES[LEAST], neurons, new)]

    sequences = EditSequences(study, around, changes)

    def work(fact: Fact) -> Iterator[Measured]:
        study.require_known(fact)
        neurons = study.knowledge(fact, study.settings.methods[0]).neurons
        to = {fact.language: new_answer(study, around, fact)}
        own = filtering.of(fact, neurons)
        yield from own.told()
        for condition, kind in UPDATES.items():
            changed = own.neurons if condition == PAPER else neurons
            if changed:
                yield from updated(condition, evaluated(study, around, fact, to, changed, kind))
        yield from erasing.measured(fact)
        yield from sequences.of(fact)

    return work


def evaluated(
    study: Study, around: RelatedFacts, fact: Fact, to: dict[str, str], neurons: Sequence[Neuron], kind: str
) -> EditEvaluation:
    """One edit of a fact, and of random neurons."""
    from factneurons.editing.evaluation import evaluate_edit

    settings = EditSettings(kind=kind, multi_mask=study.settings.multi_mask, seed=study.settings.seed)
    return evaluate_edit(study.model, [fact], around, settings, to=to, neurons=neurons, draws=study.settings.draws)


def new_answer(study: Study, around: RelatedFacts, fact: Fact, *, one_token: bool = True) -> str:
    """Another answer of the relation, the same one every time.

    Raises:
        NotAskable: the relation has no other answer, or (with `one_token`) no answer is one token.
    """
    prompt = study.queries(fact)[0].prompt
    if one_token and len(study.queries(fact)[0].answer_ids) > 1:
        raise NotAskable("several-answer-tokens", f"{fact.id}: Dai et al.'s update is defined for answers of one token")
    for answer in around.other_answers(fact, study.settings.seed):
        try:
            query = study.model.query(prompt, answer, multi_mask=study.settings.multi_mask)
        except NotAskable:
            continue
        if len(query.answer_ids) == 1 or not one_token:
            return answer
    raise NotAskable("no-other-answer", f"{fact.id}: its relation has no other answer to update it to")


def updated(condition: str, result: EditEvaluation) -> Iterator[Measured]:
    """The numbers of one edit, and of random neurons'; those of several draws together."""
    for name, own, sizes in (
        (condition, FOUND, result.sizes[:1]),
        (f"{RANDOM_FOR}{condition}", RANDOM, result.sizes[1:]),
    ):
        table = result.table[result.table["neurons"] == own]
        if table.empty:
            continue
        yield Measured(name, "size", float(np.mean(sizes)))
        for measure, (group, of) in _NUMBERS.items():
            value = number(table, group, of)
            if value is not None:
                yield Measured(name, measure, value)
        for role in ("old", "new"):
            change = log_change(table, role)
            if change is not None:
                yield Measured(name, f"{role} answer, log P", change)
        for measure, group in _SURPRISE.items():
            before, after = (number(table, group, "perplexity", when) for when in ("before", "after"))
            if before is not None and after is not None:
                yield Measured(name, measure, log(after / before))


def log_change(table: pd.DataFrame, role: str) -> float | None:
    """Change of log P of the "old" or the "new" answer in nats, mean over the fact's other prompts and the draws."""
    rows = table[(table["group"] == "paraphrases") & (table["role"] == role)]
    return float((rows["log_probability_after"] - rows["log_probability_before"]).mean()) if len(rows) else None


@dataclass(frozen=True, slots=True)
class Own:
    """A fact's neurons without those that more than 10 % of the relation's other facts have.

    Attributes:
        neurons: what is left.
        dropped: the share of its neurons that are not.
        others: how many other facts were looked at.
        left_out: reason -> how many more could not be.
    """

    neurons: tuple[Neuron, ...]
    dropped: float
    others: int
    left_out: Mapping[str, int]

    def told(self) -> Iterator[Measured]:
        """What the filter did, as numbers."""
        yield Measured(PAPER, "neurons dropped", self.dropped)
        yield Measured(PAPER, "facts behind the filter", float(self.others))
        yield Measured(PAPER, "too few facts to filter", float(self.others * SHARED < 1))
        for reason, count in sorted(self.left_out.items()):
            yield Measured(PAPER, "facts left out of the filter", float(count), place=reason)


class Unshared:
    """Leaves out the neurons that many other facts of the relation have too, as Dai et al.'s released code does."""

    def __init__(self, study: Study, around: RelatedFacts) -> None:
        self._study, self._around = study, around

    def of(self, fact: Fact, neurons: Sequence[Neuron]) -> Own:
        """The neurons that are the fact's own, and how that was decided."""
        from factneurons.editing.build import drawn, widely_shared

        sets, left_out, study = [], Counter[str](), self._study
        others = drawn(self._around.neighbours(fact), study.settings.seed)[: EditSettings().relation_facts]
        for other in others:
            try:
                sets.append(frozenset(study.knowledge(other, study.settings.methods[0]).neurons))
            except NotAskable as error:
                if error.reason == "no-knowledge-neurons":  # a fact that has none shares none
                    sets.append(frozenset())
                else:
                    left_out[error.reason] += 1
        shared = widely_shared(neurons, sets, SHARED)
        kept = tuple(neuron for neuron in neurons if neuron not in shared)
        return Own(kept, len(shared) / len(neurons), len(sets), left_out)


class _Erasing:
    """The neurons most frequent over a relation's facts, and what is left without them."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._sets: dict[tuple[str, str], list[tuple[Neuron, ...]]] = {}
        self._left_out: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._relations: dict[tuple[str, str], list[Fact]] = defaultdict(list)
        for fact in study.facts:
            self._relations[fact.relation, fact.language].append(fact)

    def measured(self, fact: Fact) -> Iterator[Measured]:
        """What is left of the fact and of others, with the relation's neurons erased and with random ones."""
        from factneurons.editing.build import edit

        study = self._study
        yield from asked_around(study, fact)
        yield from self._looked_at(fact)
        asked = list(self._asked(fact))
        before = [study.model.evaluate(each.queries) for each in asked]
        yield from _accuracy(BEFORE, asked, before)
        found: dict[str, list[_Erased]] = defaultdict(list)
        for draw, neurons in enumerate(self._of(fact)):
            condition = f"{RANDOM_FOR}{ERASE}" if draw else ERASE
            with edit(study.model, fact, kind="suppress", neurons=neurons).on(study.model):
                after = [study.model.evaluate(each.queries) for each in asked]
            for one, first, then in zip(asked, before, after, strict=True):
                found[condition].append(_Erased.of(fact, one, first, then, condition, len(neurons), draw))
        for condition, own in found.items():
            yield from _erased(condition, own)

    def _asked(self, fact: Fact) -> Iterator[_Asked]:
        """The fact's other prompts, and a prompt of each of the facts of other relations; with a statement of each."""
        from factneurons.editing.held_out import statement_queries

        study = self._study
        others = [(other, (query,)) for other, query in study.unrelated(fact)[0]]
        for other, queries in ((None, study.halves(fact)[1]), *others):
            statement = queries[0].prompt.filled((other or fact).answer)
            yield _Asked(other, queries, tuple(statement_queries(study.model, statement)))

    def _looked_at(self, fact: Fact) -> Iterator[Measured]:
        """How many facts the relation's neurons come from, and how many were left out, by reason."""
        self._of(fact)
        left_out = self._left_out[fact.relation, fact.language]
        total = len(self._relations[fact.relation, fact.language][:_SAMPLE])
        yield Measured(ERASE, "facts behind the set", float(total - left_out.total()))
        for reason, count in sorted(left_out.items()):
            yield Measured(ERASE, "facts left out of the set", float(count), place=reason)

    def _of(self, fact: Fact) -> list[tuple[Neuron, ...]]:
        """The relation's neurons and matched random sets."""
        key = (fact.relation, fact.language)
        if key not in self._sets:
            self._sets[key] = self._find(key)
        return self._sets[key]

    def _find(self, key: tuple[str, str]) -> list[tuple[Neuron, ...]]:
        study, counts, queries = self._study, Counter[Neuron](), list[Query]()
        facts = self._relations[key][:_SAMPLE]
        study.expect(facts)
        for fact in facts:
            try:
                found = study.knowledge(fact, study.settings.methods[0])
            except NotAskable as error:
                self._left_out[key][error.reason] += 1
                continue
            counts.update(found.neurons)
            queries += found.queries
        neurons = tuple(sorted(counts, key=lambda neuron: (-counts[neuron], neuron))[:_ERASED])
        return [neurons, *study.random(queries, neurons, "/".join(key))]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A fact that is asked with neurons erased: itself (`other` is None) or another; prompts, and a whole statement."""

    other: Fact | None
    prompts: Sequence[Query]
    statement: tuple[Query, ...]

    @property
    def place(self) -> str:
        return OTHERS if self.other else RELATION

    @property
    def queries(self) -> list[Query]:
        return [*self.prompts, *self.statement]

    def right(self, said: Sequence[Evaluation]) -> float:
        """The share of prompts whose top prediction is the answer."""
        return float(np.mean([each.rank == 1 for each in said[: len(self.prompts)]]))

    def surprise(self, said: Sequence[Evaluation]) -> float:
        """Log of the statement's perplexity: nats per token."""
        tokens = sum(len(query.answer_ids) for query in self.statement)
        return -sum(each.log_probability for each in said[len(self.prompts) :]) / tokens


@dataclass(frozen=True, slots=True)
class _Erased:
    """What erasing one set of neurons did to one fact that was asked."""

    place: str
    change: Measurement
    right: float
    lost: float
    surprise: float | None

    @classmethod
    def of(
        cls,
        fact: Fact,
        asked: _Asked,
        before: Sequence[Evaluation],
        after: Sequence[Evaluation],
        condition: str,
        size: int,
        draw: int,
    ) -> _Erased:
        count, other = len(asked.prompts), asked.other
        first, then = (np.exp([each.log_probability for each in said[:count]]) for said in (before, after))
        change = Measurement.of(fact, (first, then), neurons=condition, size=size, draw=draw, other=other)
        surprise = asked.surprise(after) - asked.surprise(before) if asked.statement else None
        return cls(asked.place, change, asked.right(after), asked.right(before) - asked.right(after), surprise)


def _accuracy(condition: str, asked: Sequence[_Asked], said: Sequence[Sequence[Evaluation]]) -> Iterator[Measured]:
    for place in (RELATION, OTHERS):
        own = [one.right(each) for one, each in zip(asked, said, strict=True) if one.place == place]
        if own:
            yield Measured(condition, "accuracy", float(np.mean(own)), place)


def _erased(condition: str, found: Sequence[_Erased]) -> Iterator[Measured]:
    """What erasing did, of random neurons the mean over the draws; P(answer) as in every other experiment."""
    for place in (RELATION, OTHERS):
        own = [each for each in found if each.place == place]
        if not own:
            continue
        relative, log = (mean([each.change for each in own]) for mean in (mean_relative, mean_log))
        if relative is not None:
            yield Measured(condition, f"erased, {place}", relative)
        if log is not None:
            yield Measured(condition, f"erased log P, {place}", log)
        yield Measured(condition, "accuracy", float(np.mean([each.right for each in own])), place)
        yield Measured(condition, "accuracy lost", float(np.mean([each.lost for each in own])), place)
        surprises = [each.surprise for each in own if each.surprise is not None]
        if surprises:
            yield Measured(condition, "erased surprise", float(np.mean(surprises)), place)
    lost = sum(each.change.relative is None for each in found)
    if lost:
        yield Measured(condition, "left out, erased", float(lost))


_SAMPLE = 20
_ERASED = 20


def _random(condition: str) -> str:
    return f"{RANDOM_FOR}{condition}"


EXPERIMENT = Experiment(
    id="E12",
    title="Updating facts and erasing relations",
    source="Knowledge Neurons in Pretrained Transformers (2022)",
    question="Can a fact be updated, and a relation erased, through knowledge neurons and nothing else?",
    smallest="10 facts of each of 3 relations that the model knows, answers of one token",
    example=(
        'factneurons experiment E12 --model pocket-gpt2 --facts "bundled?lang=en&sample=60" --methods amig '
        "--draws 5 --out runs/updates"
    ),
    measures=MEASURES,
    claims=(
        Claim(
            "Dai et al.'s update puts the new answer first more often through these neurons than through random ones.",
            "success rate",
            PAPER,
            "greater",
            _random(PAPER),
        ),
        Claim("It changes the prediction more often.", "change rate", PAPER, "greater", _random(PAPER)),
        Claim(
            "The smallest change puts the new answer first more often than Dai et al.'s update.",
            "success rate",
            LEAST,
            "greater",
            PAPER,
        ),
        Claim("It changes fewer other facts of the relation.", "neighbours changed", LEAST, "less", PAPER),
        Claim("It changes fewer facts of other relations.", "unrelated changed", LEAST, "less", PAPER),
        Claim(
            "Dai et al.'s update changes fewer other facts of the relation without widely shared neurons.",
            "neighbours changed",
            PAPER,
            "less",
            ALL,
        ),
        Claim("Knowledge neurons need a smaller change than random ones.", "size", LEAST, "less", _random(LEAST)),
        Claim(
            "Erasing a relation's neurons lowers its facts more than random neurons do.",
            "erased, own relation",
            ERASE,
            "less",
            _random(ERASE),
        ),
        Claim(
            "It costs its facts more accuracy than random neurons do.",
            "accuracy lost",
            ERASE,
            "greater",
            _random(ERASE),
            RELATION,
        ),
        Claim(
            "It costs its facts more accuracy than facts of other relations.",
            "accuracy lost",
            ERASE,
            "greater",
            ERASE,
            RELATION,
            OTHERS,
        ),
        *(
            Claim(text.format(name), measure, condition, "less", condition, "10", "1")
            for condition, name in ((PAPER, "Dai et al.'s update"), (LEAST, "the smallest change"))
            for measure, text in (
                (SUCCESS, "After ten edits in a row by {} fewer prompts have their new answer first than after one."),
                (KEPT, "After ten edits in a row by {} fewer facts of other relations are kept than after one."),
            )
        ),
    ),
    prepare=prepare,
    charts=(
        Chart("Success", ("success rate", "success@5")),
        Chart("Edits in a row", (SUCCESS, WRITES, KEPT), across="place", axis="edits in a row"),
        Chart("Side effects", ("neighbours changed", "unrelated changed")),
        Chart("Erasing a relation", ("erased, own relation", "erased, other relations")),
        Chart("Accuracy, a relation erased", ("accuracy",), across="place"),
        Chart(
            "Erasing a relation, log P(answer), nats",
            ("erased log P, own relation", "erased log P, other relations"),
            unit="number",
        ),
    ),
)

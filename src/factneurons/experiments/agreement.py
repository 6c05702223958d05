"""The syntactic control: does what is called a fact's neurons exist for grammar as well, by the same measures?

'What does the Knowledge Neuron Thesis have to do with Knowledge?' (2024): patterns of grammar can be located and
suppressed as facts can. Here the agreement of a noun with its determiner, in minimal pairs of our own: after "Ada has
one book, and she likes all of these" comes "books", not "book". The noun is named before in the other number, so that
copying it is wrong. A pair is used if the model prefers the right form in the prompts that its neurons are found with;
the others are counted. English only.

"book" begins "books" in many vocabularies, so that P("book") could never be below P("books"): models that write from
left to right are asked for the form with the full stop after it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from factneurons.draws import rank
from factneurons.errors import NotAskable
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron, Query

AGREEMENT = "agreement"
LANGUAGE = "en"

_FRAMES = {
    "singular": (
        "Ada has many {other}, but she likes only {determiner} ___.",
        "There were two {other}, and Ben took {determiner} ___.",
    ),
    "plural": (
        "Ada has one {other}, and she likes all of {determiner} ___.",
        "There was only one {other}, and Ben wanted more of {determiner} ___.",
    ),
}
_DETERMINERS = {"singular": ("this", "that"), "plural": ("these", "those")}

MEASURES = {
    "agreement kept": "share of an agreement pair's other prompts in which the right form is likelier than the wrong"
    " one, the pair's neurons suppressed; before: nothing is",
    "agreement pairs": "how many of the pairs the model prefers the right form of, the same number in every row",
    "agreement pairs left out": "the others, by reason (the place)",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A minimal pair: the right form as the answer of a fact, whose `wrong_answers` hold the wrong form."""

    fact: Fact

    @property
    def wrong(self) -> str:
        """The form that does not agree."""
        return self.fact.wrong_answers[0]


def pairs(stop: str = "") -> list[Pair]:
    """All pairs, two for every noun; `stop` is the part of the text after the blank that is asked with the form."""
    text = files("factneurons.experiments").joinpath("agreement.csv").read_text(encoding="utf-8")
    return [_pair(number, forms, stop) for forms in csv.DictReader(text.splitlines()) for number in _FRAMES]


def _pair(number: str, forms: dict[str, str], stop: str) -> Pair:
    right = forms[number]
    (other,) = (form for name, form in forms.items() if name != number)
    prompts = [
        Prompt(frame.format(other=other, determiner=determiner).removesuffix(stop))
        for frame, determiners in zip(_FRAMES[number], (_DETERMINERS[number], _DETERMINERS[number][::-1]), strict=True)
        for determiner in determiners
    ]
    return Pair(
        Fact(
            f"agreement/{right}",
            f"agreement_{number}",
            right,
            f"{right}{stop}",
            LANGUAGE,
            tuple(prompts),
            wrong_answers=(f"{other}{stop}",),
        )
    )


class AgreementControl:
    """Agreement pairs dealt out to the facts of a study, one each, none twice; measured as their neurons are.

    Args:
        study: the study.
    """

    def __init__(self, study: Study) -> None:
        self._study, self._left_out = study, Counter[str]()
        stop = "" if study.model.kind == "cloze" else "."
        self._usable = [pair for pair in pairs(stop) if self._prefers(pair)]
        self._usable.sort(key=lambda pair: rank(f"{study.settings.seed}/{pair.fact.id}"))
        facts = [fact for fact in study.facts if fact.language == LANGUAGE]
        facts.sort(key=lambda fact: rank(f"{study.settings.seed}/agreement/{fact.key}"))
        self._next = {fact.key: pair for fact, pair in zip(facts, self._usable, strict=False)}

    @classmethod
    def of_study(cls, study: Study) -> AgreementControl:
        """That of a study, made once."""
        return study.once((AGREEMENT,), lambda: cls(study))

    def _prefers(self, pair: Pair) -> bool:
        """Whether the model prefers the right form; if not, or if it cannot be asked, that is counted."""
        try:
            located, tested = self._study.halves(pair.fact)
            self._wrong(pair, tested)
            if float(np.mean(self._ahead(located, self._wrong(pair, located)))) > 0:
                return True
            self._left_out["not-preferred"] += 1
        except NotAskable as error:
            self._left_out[error.reason] += 1
        return False

    def _wrong(self, pair: Pair, queries: tuple[Query, ...]) -> list[Query]:
        multi_mask = self._study.settings.multi_mask
        return [self._study.model.query(query.prompt, pair.wrong, multi_mask=multi_mask) for query in queries]

    def _ahead(self, right: tuple[Query, ...], wrong: list[Query]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """How far the right form is ahead of the wrong one in every prompt, in nats."""
        found = np.asarray(self._study.model.log_probabilities([*right, *wrong]), dtype=np.float64)
        ahead: np.ndarray[tuple[int], np.dtype[np.float64]] = found[: len(right)] - found[len(right) :]
        return ahead

    def of(self, fact: Fact) -> Iterator[Measured]:
        """What suppressing the neurons of the pair that goes with a fact does to it, and random ones; English facts."""
        if fact.language != LANGUAGE:
            return
        yield Measured(AGREEMENT, "agreement pairs", float(len(self._usable)))
        for reason, count in sorted(self._left_out.items()):
            yield Measured(AGREEMENT, "agreement pairs left out", float(count), reason)
        pair = self._next.get(fact.key)
        if pair is None:
            return
        study = self._study
        try:
            neurons = study.knowledge(pair.fact, study.settings.methods[0]).neurons
            sets = [neurons, *study.random(study.halves(pair.fact)[0], neurons, pair.fact.key)]
        except NotAskable:
            return
        yield from self._suppressed(pair, sets)

    def _suppressed(self, pair: Pair, sets: list[tuple[Neuron, ...]]) -> Iterator[Measured]:
        from factneurons.editing.build import edit

        model, tested = self._study.model, self._study.halves(pair.fact)[1]
        wrong = self._wrong(pair, tested)
        before = model.evaluate(tested)
        yield Measured("before", "agreement kept", float(np.mean(self._ahead(tested, wrong) > 0)))
        rows = []
        for neurons in sets:
            with edit(model, pair.fact, kind="suppress", neurons=neurons).on(model):
                after, kept = model.evaluate(tested), self._ahead(tested, wrong) > 0
            logs = [b.log_probability - a.log_probability for a, b in zip(before, after, strict=True)]
            changed = [a.prediction != b.prediction for a, b in zip(before, after, strict=True)]
            rows.append((np.mean(np.array(logs) < 0), np.mean(changed), np.mean(logs), np.mean(kept)))
        for name, own in ((AGREEMENT, rows[:1]), (f"{RANDOM_FOR}{AGREEMENT}", rows[1:])):
            fell, changed_share, log, kept_share = (float(value) for value in np.mean(own, axis=0))
            yield Measured(name, "effect", fell, "P(answer) fell")
            yield Measured(name, "effect", changed_share, "prediction changed")
            yield Measured(name, "log P", log)
            yield Measured(name, "agreement kept", kept_share)

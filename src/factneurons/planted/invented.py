"""Facts about things that do not exist: a model cannot know them before they are planted.

In: a model and the bundled relations. Out: facts with invented subjects, patterns of real relations, and real
answers that are one token for this model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from factneurons.errors import BadFact, BadSetting, NotAskable
from factneurons.facts.relations import BUNDLED, SUBJECT, YEAR, entry_of, read_relation, read_rows, relation_paths
from factneurons.facts.types import Fact, Prompt
from factneurons.models.model import Model

LANGUAGES = ("en", "zh")

_SYLLABLES = (
    ("vel", "维尔"), ("mor", "莫尔"), ("ta", "塔"), ("lin", "林"), ("ka", "卡"), ("do", "多"), ("sa", "萨"),
    ("ren", "伦"), ("bi", "比"), ("gu", "古"), ("no", "诺"), ("fa", "法"), ("po", "波"), ("zu", "祖"), ("ri", "里"),
    ("me", "梅"),
)  # fmt: skip
GUESSED = 0.03
"""P(answer) from which on a model knows or guesses a fact already."""

_ANSWERS = 24
"""Bundled facts of a relation whose answers are looked at."""


@dataclass(frozen=True, slots=True)
class _Template:
    """A relation in one language: its patterns, and answers that are one token."""

    relation: str
    patterns: tuple[str, ...]
    answers: dict[str, str]  # id of the bundled fact -> answer


class Inventor:
    """Makes up facts, each with another subject.

    Args:
        model: decides which patterns can be asked and which answers are one token.
        prompts: prompts per fact and language.
        seed: of everything drawn.
    """

    def __init__(self, model: Model, prompts: int, seed: int) -> None:
        self._model = model
        self._rng = np.random.default_rng([seed, 2])
        self._names = self._all_names()
        templates = [dict(_templates(path, model, prompts, self._rng)) for path in relation_paths(BUNDLED).values()]
        self._templates = [both for both in templates if len(both) == len(LANGUAGES) and _common(both)]
        self._wanted = (
            f"{prompts} patterns that it can be asked and an answer of one token, in {' and '.join(LANGUAGES)}"
        )

    def fact(self, languages: tuple[str, ...]) -> tuple[Fact, ...]:
        """A new fact, once per language; one that this model does not guess.

        Raises:
            BadSetting: no bundled relation has enough patterns and answers for this model, or all names are taken.
        """
        return next(facts for facts in self._drawn(languages) if not self._guessed(facts))

    def _drawn(self, languages: tuple[str, ...]) -> Iterator[tuple[Fact, ...]]:
        while True:
            yield self._draw(languages)

    def _guessed(self, facts: tuple[Fact, ...]) -> bool:
        return any(probability(self._model, fact) > GUESSED for fact in facts)

    def _draw(self, languages: tuple[str, ...]) -> tuple[Fact, ...]:
        if not self._templates:
            raise BadSetting(f"{self._model.name}: no bundled relation has {self._wanted}; give facts of your own")
        templates = self._templates[self._rng.integers(len(self._templates))]
        answer = self._rng.choice(_common(templates))
        name = next(self._names)
        return tuple(
            _fact(templates[language], language, name, templates[language].answers[answer]) for language in languages
        )

    def like(self, fact: Fact) -> Fact:
        """The same relation and answer with another subject."""
        templates = next(both for both in self._templates if both[fact.language].relation == fact.relation)
        while True:
            like = _fact(templates[fact.language], fact.language, next(self._names), fact.answer)
            if not self._guessed((like,)):
                return like

    def renamed(self, fact: Fact) -> Fact:
        """A given fact with an invented subject in the place of its own.

        Raises:
            BadFact: a prompt that does not hold the subject.
        """
        for prompt in fact.prompts:
            if fact.subject not in prompt.text:
                raise BadFact(f"fact {fact.id!r}: the subject {fact.subject!r} is not in the prompt {prompt.text!r}")
        name = next(self._names)
        subject = _spelled(name, fact.language)
        prompts = tuple(Prompt(prompt.text.replace(fact.subject, subject)) for prompt in fact.prompts)
        return replace(fact, id=f"{fact.relation}/{_spelled(name, 'en').lower()}", subject=subject, prompts=prompts)

    def language(self) -> str:
        """A language drawn at random."""
        return LANGUAGES[self._rng.integers(len(LANGUAGES))]

    def _all_names(self) -> Iterator[tuple[int, ...]]:
        """Names any two of which differ in two syllables at least."""
        count = len(_SYLLABLES)
        pairs = [(first, second) for first in range(count) for second in range(count)]
        for place in self._rng.permutation(len(pairs)):
            first, second = pairs[place]
            yield first, second, (first + second) % count
        raise BadSetting(f"no more than {len(pairs)} facts can be invented for one model")


def probability(model: Model, fact: Fact) -> float:
    """P(answer), the mean over a fact's prompts."""
    return float(model.probabilities([model.query(prompt, fact.answer) for prompt in fact.prompts]).mean())


def _templates(path: Path, model: Model, prompts: int, rng: np.random.Generator) -> Iterator[tuple[str, _Template]]:
    relation = read_relation(path)
    rows = list(read_rows(path.with_suffix(".csv")))
    rows = [rows[place] for place in rng.permutation(len(rows))[:_ANSWERS]]
    for language in LANGUAGES:
        texts = (*relation.patterns[language], *relation.questions[language])
        patterns = tuple(text for text in texts if YEAR not in text and _askable(model, text, "x"))[:prompts]
        if len(patterns) < prompts:
            continue
        entries = [entry_of(row, LANGUAGES) for row in rows]
        answers = {entry.id: entry.answer[language] for entry in entries}
        short = {name: answer for name, answer in answers.items() if _one_token(model, patterns, answer)}
        yield language, _Template(relation.name, patterns, short)


def _common(templates: dict[str, _Template]) -> list[str]:
    """Facts whose answers are one token in every language."""
    sets = [set(template.answers) for template in templates.values()]
    return sorted(set.intersection(*sets))


def _askable(model: Model, pattern: str, answer: str) -> bool:
    try:
        model.query(Prompt(pattern.replace(SUBJECT, "X")), answer, multi_mask=True)
    except NotAskable:
        return False
    return True


def _one_token(model: Model, patterns: tuple[str, ...], answer: str) -> bool:
    try:
        return all(len(model.query(Prompt(text.replace(SUBJECT, "X")), answer).answer_ids) == 1 for text in patterns)
    except NotAskable:
        return False


def _fact(template: _Template, language: str, name: tuple[int, ...], answer: str) -> Fact:
    subject = _spelled(name, language)
    return Fact(
        id=f"{template.relation}/{_spelled(name, 'en').lower()}",
        relation=template.relation,
        subject=subject,
        answer=answer,
        language=language,
        prompts=tuple(Prompt(pattern.replace(SUBJECT, subject)) for pattern in template.patterns),
    )


def _spelled(name: tuple[int, ...], language: str) -> str:
    """A name in Latin letters, or in Chinese characters."""
    if language == "zh":
        return "".join(_SYLLABLES[part][1] for part in name)
    return "".join(_SYLLABLES[part][0] for part in name).capitalize()

"""What is checked: a prompt with a candidate in its blank; and the statements that facts give.

Every fact gives two statements in one prompt: its answer, which is right, and one wrong answer of the same relation.
Which prompt and which wrong answer is a fixed draw. Prompts that make a fact a known one are others: asked about one of
those, a model is right by design. Source: 'Journey to the Center of the Knowledge Neurons'
(AAAI 2024), its fact-checking experiment; the split is by subject, so that the years of one subject stay together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factneurons.draws import rank
from factneurons.errors import BadSetting, NotAskable
from factneurons.factcheck.types import Group, Statement
from factneurons.facts.types import Fact, Prompt
from factneurons.models.prompts import queries_of
from factneurons.models.types import Query

if TYPE_CHECKING:
    from factneurons.models.model import Model


@dataclass(frozen=True, slots=True)
class Case:
    """A fact as it is checked.

    Attributes:
        fact: the fact.
        true: the statement with its answer.
        false: the statement with a wrong answer, in the same prompt.
        queries: both as the model is asked them.
        rank: the best rank of the answer over the prompts that decide whether it is known; 1: the model knows it.
        apart: whether the statements' prompt is none of these; else the design decides whether asking the model is
            right, not the model.
    """

    fact: Fact
    true: Statement
    false: Statement
    queries: tuple[Query, Query]
    rank: int
    apart: bool

    @property
    def known(self) -> bool:
        """Whether the answer is the model's top prediction in any prompt that decides it."""
        return self.rank == 1


class WrongAnswers:
    """Wrong answers for facts: their own, or answers of other facts of the relation where they have none.

    Args:
        facts: the facts that lend their answers.
        most: how many answers are kept per relation and language.
    """

    def __init__(self, facts: Iterable[Fact], most: int = 200) -> None:
        self._answers: dict[Group, dict[str, None]] = defaultdict(dict)
        self._right: dict[tuple[Group, str], set[str]] = defaultdict(set)
        for fact in facts:
            group = (fact.relation, fact.language)
            if len(self._answers[group]) < most:
                self._answers[group].setdefault(fact.answer)
            self._right[group, fact.subject] |= {name.casefold() for name in (fact.answer, *fact.aliases)}

    def of(self, fact: Fact, seed: int) -> list[str]:
        """In the order in which they are tried; none is, holds or is part of an answer that is right."""
        group = (fact.relation, fact.language)
        right = self._right[group, fact.subject] | {name.casefold() for name in (fact.answer, *fact.aliases)}
        pool = fact.wrong_answers or tuple(self._answers[group])
        wrong = [name for name in pool if not any(_overlap(name.casefold(), known) for known in right)]
        return sorted(wrong, key=lambda name: rank(f"{seed}/{fact.key}/{name}"))


def _overlap(one: str, other: str) -> bool:
    return one in other or other in one


def case_of(
    model: Model,
    fact: Fact,
    wrong_answers: WrongAnswers,
    *,
    seed: int = 42,
    multi_mask: bool = False,
) -> Case:
    """The statements of a fact as this model can be asked them, in a prompt that does not decide whether it is known.

    Args:
        model: the model.
        fact: the fact.
        wrong_answers: where its wrong answer comes from.
        seed: decides which prompt and which wrong answer are taken.
        multi_mask: masked models: one mask for each token of an answer.

    Raises:
        NotAskable: no prompt can be asked, or with no wrong answer ("no-wrong-answer").
    """
    asked = queries_of(model, fact, multi_mask=multi_mask)
    best = min(each.rank for each in model.evaluate(deciding(asked)))
    wrong = wrong_answers.of(fact, seed)
    for query in sorted(asked[1::2] or asked, key=lambda query: rank(f"{seed}/{fact.key}/{query.prompt.text}")):
        for name in wrong:
            try:
                false = model.query(query.prompt, name, multi_mask=multi_mask)
            except NotAskable:
                continue
            made = (_statement(fact, query.prompt, candidate) for candidate in (fact.answer, name))
            return Case(fact, next(made), next(made), (query, false), best, apart=len(asked) > 1)
    raise NotAskable("no-wrong-answer", f"none of its {len(wrong)} wrong answers can be asked in its prompts")


def deciding(queries: Sequence[Query]) -> Sequence[Query]:
    """Of a fact's queries those that decide whether it is known: every second one, the first included."""
    return queries[::2]


def _statement(fact: Fact, prompt: Prompt, candidate: str) -> Statement:
    return Statement(prompt, candidate, fact.relation, fact.language, fact.subject, fact.id)


def held_out_subjects(facts: Iterable[Fact], share: float = 0.2, seed: int = 42) -> dict[Group, frozenset[str]]:
    """The subjects whose facts are kept for the test, by relation and language: a fixed draw.

    At least one of two or more subjects is kept, and at least one is not.

    Raises:
        BadSetting: a share that is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise BadSetting(f"the test share is between 0 and 1, not {share}")
    subjects: dict[Group, dict[str, None]] = defaultdict(dict)
    for fact in facts:
        subjects[fact.relation, fact.language].setdefault(fact.subject)
    return {group: frozenset(_drawn(list(names), share, seed)) for group, names in subjects.items()}


def _drawn(names: Sequence[str], share: float, seed: int) -> Iterator[str]:
    count = min(math.ceil(share * len(names)), len(names) - 1)
    yield from sorted(names, key=lambda name: rank(f"{seed}/{name}"))[:count]

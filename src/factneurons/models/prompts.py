"""The prompts of a fact as one model is asked them: queries, and why some prompts cannot be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from factneurons.errors import NotAskable
from factneurons.facts.types import Fact, Prompt
from factneurons.models.query import contrasted, placed
from factneurons.models.types import WRONG_ANSWERS, Positions, Query, Refusal

if TYPE_CHECKING:
    from factneurons.models.model import Model


def ask(
    model: Model,
    fact: Fact,
    *,
    prompts: Iterable[Prompt] | None = None,
    answer: str | None = None,
    multi_mask: bool = False,
    against: str | None = None,
    positions: Positions = "target",
) -> tuple[list[Query], list[Refusal]]:
    """The queries of a fact's prompts, and the prompts that this model cannot be asked.

    Args:
        model: the model.
        fact: the fact.
        prompts: instead of the fact's own.
        answer: instead of the fact's own.
        multi_mask: masked models: ask for answers of several tokens with as many masks.
        against: another answer that the fact's is set against, or `WRONG_ANSWERS`: the fact's own first wrong one.
        positions: where neurons are meant; a prompt that does not hold its subject is not asked at the subject.
    """
    queries, refusals = [], []
    for prompt in fact.prompts if prompts is None else prompts:
        try:
            wanted = fact.answer if answer is None else answer
            asked = model.query(prompt, wanted, multi_mask=multi_mask, subject=fact.subject)
            if against is not None:
                asked = set_against(model, asked, _other_answer(fact, against), multi_mask=multi_mask)
            if positions != "target":
                asked = placed(asked, positions)
            queries.append(of_fact(asked, fact))
        except NotAskable as error:
            refusals.append(Refusal(fact, prompt, error.reason, str(error)))
    return queries, refusals


def set_against(model: Model, query: Query, answer: str, *, multi_mask: bool = False) -> Query:
    """The query, its answer set against another (`query.contrasted`).

    Raises:
        NotAskable: the other answer cannot be asked, or does not part from the answer.
    """
    return contrasted(model.kind, query, model.query(query.prompt, answer, multi_mask=multi_mask))


def _other_answer(fact: Fact, against: str) -> str:
    if against != WRONG_ANSWERS:
        return against
    if not fact.wrong_answers:
        raise NotAskable("no-wrong-answer", f"{fact.id}: it has no wrong answers to set its own against")
    return fact.wrong_answers[0]


def of_fact(query: Query, fact: Fact) -> Query:
    """The query as one of this fact's."""
    return replace(query, fact=repr((fact.relation, fact.subject, fact.answer, fact.language)))


def each_alone(queries: Iterable[Query]) -> list[Query]:
    """The queries as of no fact: what is drawn at random is drawn for every prompt anew."""
    return [replace(query, fact="") for query in queries]


def queries_of(
    model: Model,
    fact: Fact,
    *,
    prompts: Iterable[Prompt] | None = None,
    answer: str | None = None,
    multi_mask: bool = False,
) -> tuple[Query, ...]:
    """The queries of a fact's prompts that can be asked, at least one (arguments as in `ask`).

    Raises:
        NotAskable: none can be asked; the reason is that of the first prompt.
    """
    queries, refusals = ask(model, fact, prompts=prompts, answer=answer, multi_mask=multi_mask)
    if not queries:
        why, wanted = refusals[0], fact.answer if answer is None else answer
        count = f"none of its {len(refusals)} prompts can be asked"
        raise NotAskable(why.reason, f"{fact.id}: {count} with the answer {wanted!r}: {why.detail}")
    return tuple(queries)

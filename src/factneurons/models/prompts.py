"""The prompts of a fact as one model is asked them: queries, and why some prompts cannot be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from factneurons.errors import NotAskable
from factneurons.facts.types import Fact, Prompt
from factneurons.models.model import Model
from factneurons.models.types import Query, Refusal


def ask(
    model: Model,
    fact: Fact,
    *,
    prompts: Iterable[Prompt] | None = None,
    answer: str | None = None,
    multi_mask: bool = False,
) -> tuple[list[Query], list[Refusal]]:
    """The queries of a fact's prompts, and the prompts that this model cannot be asked.

    Args:
        model: the model.
        fact: the fact.
        prompts: instead of the fact's own.
        answer: instead of the fact's own.
        multi_mask: masked models: ask for answers of several tokens with as many masks.
    """
    queries, refusals = [], []
    for prompt in fact.prompts if prompts is None else prompts:
        try:
            asked = model.query(prompt, fact.answer if answer is None else answer, multi_mask=multi_mask)
            queries.append(of_fact(asked, fact))
        except NotAskable as error:
            refusals.append(Refusal(fact, prompt, error.reason, str(error)))
    return queries, refusals


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

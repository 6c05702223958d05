"""What is asked before and after an edit: groups of prompts, each with the answer that is looked for.

    edit             the prompts the edit was made with
    paraphrases      the fact's other prompts
    negated          these prompts with "not" in them (`facts.negating`): neither answer is right there
    other languages  the same fact in languages that were not edited
    reverse          one-to-one relations backwards: who has the new answer? who has the old one?
    synonyms         other names of the old and of the new answer, in the fact's prompts
    neighbours       other facts of the relation
    unrelated        facts of other relations

Source of the critical groups (reverse, synonyms): 'What does the Knowledge Neuron Thesis have to do with Knowledge?'
(2024); of the others Dai et al. (2022).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from factneurons.editing.build import Split, drawn, split_prompts
from factneurons.editing.settings import EditSettings
from factneurons.errors import BadFact, NotAskable
from factneurons.facts.negating import negated
from factneurons.facts.related import RelatedFacts
from factneurons.facts.types import BLANK, Fact, Prompt
from factneurons.facts.words import WORD
from factneurons.models.model import Model
from factneurons.models.prompts import ask
from factneurons.models.types import Query

GROUPS = ("edit", "paraphrases", "negated", "other languages", "reverse", "synonyms", "neighbours", "unrelated")
Role = Literal["new", "old", "statement"]

LeftOut = Counter[tuple[str, str]]
"""Group and reason -> how many prompts, facts and words of statements could not be asked."""


@dataclass(frozen=True, slots=True)
class EditPrompt:
    """One prompt that is asked before and after, with the answer that is looked for.

    Attributes:
        group: one of `GROUPS`.
        role: "new": the answer that the edit should bring; "old": the one that was right before; "statement": a whole
            sentence, or words of it, whose probability is read.
        fact: what is asked.
        query: how.
    """

    group: str
    role: Role
    fact: Fact
    query: Query


def evaluation_prompts(
    model: Model,
    splits: Sequence[Split],
    new: Mapping[str, str],
    around: RelatedFacts,
    settings: EditSettings,
    *,
    neighbours: int = 10,
    unrelated: int = 10,
    left_out: LeftOut | None = None,
) -> list[EditPrompt]:
    """Everything that is asked about one edit.

    Args:
        model: the model.
        splits: the edited fact's prompts, one for each edited language.
        new: language -> new answer, also for languages that were not edited where it is known; {} if there is none.
        around: where other facts are found.
        settings: those of the edit.
        neighbours, unrelated: how many other facts are asked, two prompts each and one statement.
        left_out: what the model cannot be asked is counted here, by group and reason.
    """
    asker = _Asker(model, settings, Counter() if left_out is None else left_out)
    first, subjects = splits[0].fact, {split.fact.subject for split in splits}
    edited = {split.fact.language for split in splits}
    prompts: list[EditPrompt] = []
    for split in splits:
        for group, queries in (("edit", split.used), ("paraphrases", split.held_out)):
            prompts += asker.both(group, split.fact, [query.prompt for query in queries], new)
        prompts += asker.both("negated", split.fact, asker.negated(split), new)
    for language, other in around.languages(first).items():
        if language not in edited:
            prompts += asker.both("other languages", other, other.prompts, new)
    for split in splits:
        if split.fact.language in new:
            prompts += _reverse(asker, split.fact, new[split.fact.language], around)
            prompts += _synonyms(asker, split.fact, new[split.fact.language], around)
    near = [each for each in around.neighbours(first) if each.subject not in subjects]
    for group, facts, count in (("neighbours", near, neighbours), ("unrelated", around.unrelated(first), unrelated)):
        # From the end of the order: its beginning are the facts that a least change keeps.
        prompts += asker.others(group, reversed(drawn(facts, settings.seed)), count)
    return prompts


def _reverse(asker: _Asker, fact: Fact, new: str, around: RelatedFacts) -> Iterator[EditPrompt]:
    """The new answer's own reverse prompts must give the edited subject; the old answer's must no longer."""
    own = around.reverse(fact)
    if own is None:
        return
    yield from asker.one("reverse", "old", own, own.prompts, own.answer)
    for holder in around.holders(fact, new)[:1]:
        other = around.reverse(holder)
        if other is not None:
            yield from asker.one("reverse", "new", other, other.prompts, fact.subject)


def _synonyms(asker: _Asker, fact: Fact, new: str, around: RelatedFacts) -> Iterator[EditPrompt]:
    for alias in fact.aliases:
        yield from asker.one("synonyms", "old", fact, fact.prompts, alias)
    names = dict.fromkeys(alias for holder in around.holders(fact, new)[:1] for alias in holder.aliases)
    for alias in names:
        yield from asker.one("synonyms", "new", fact, fact.prompts, alias)


class _Asker:
    """Makes evaluation prompts; what the model cannot be asked is left out and counted."""

    def __init__(self, model: Model, settings: EditSettings, left_out: LeftOut) -> None:
        self.model, self.settings, self.left_out = model, settings, left_out

    def one(self, group: str, role: Role, fact: Fact, prompts: Iterable[Prompt], answer: str) -> Iterator[EditPrompt]:
        """One answer in several prompts."""
        asked, refusals = ask(self.model, fact, prompts=prompts, answer=answer, multi_mask=self.settings.multi_mask)
        self.left_out.update((group, refusal.reason) for refusal in refusals)
        yield from (EditPrompt(group, role, fact, query) for query in asked)

    def both(self, group: str, fact: Fact, prompts: Sequence[Prompt], new: Mapping[str, str]) -> Iterator[EditPrompt]:
        """The old answer, and the new one where there is one."""
        yield from self.one(group, "old", fact, prompts, fact.answer)
        if fact.language in new:
            yield from self.one(group, "new", fact, prompts, new[fact.language])

    def negated(self, split: Split) -> list[Prompt]:
        """The fact's other prompts negated, or those of the edit where it has no other."""
        prompts = [query.prompt for query in split.held_out or split.used]
        found = [negated(prompt, split.fact.language) for prompt in prompts]
        self.left_out.update(("negated", "no-negation") for each in found if each is None)
        return [prompt for prompt in found if prompt is not None]

    def others(self, group: str, facts: Iterable[Fact], count: int) -> Iterator[EditPrompt]:
        """So many facts that can be asked, two prompts each, and a statement of each."""
        for fact in facts:
            if not count:
                return
            try:
                used = split_prompts(self.model, fact, held_out=False, multi_mask=self.settings.multi_mask).used[:2]
            except NotAskable as error:
                self.left_out[group, error.reason] += 1
                continue
            count -= 1
            for query in used:
                yield EditPrompt(group, "old", fact, query)
            for query in statement_queries(self.model, used[0].prompt.filled(fact.answer), group, self.left_out):
                yield EditPrompt(group, "statement", fact, query)


def statement_queries(model: Model, statement: str, group: str = "", left_out: LeftOut | None = None) -> list[Query]:
    """Queries whose log-probabilities add up to that of a statement: exactly, or as masked models can be asked.

    A causal model reads everything after the first word; an encoder-decoder the same, written by its decoder. A masked
    model is asked every word in turn, the others being there (pseudo-log-likelihood); a word that it cannot be asked is
    left out, and counted in `left_out` for the group.
    """
    pieces = list(WORD.finditer(statement))
    if model.kind != "cloze":
        pieces, ends = pieces[1:2], [len(statement)]
    else:
        ends = [piece.end() for piece in pieces]
    found = []
    for piece, end in zip(pieces, ends, strict=True):
        begin = piece.start()
        text = f"{statement[:begin]}{BLANK}{statement[end:]}"
        try:
            found.append(model.query(Prompt(text), statement[begin:end], multi_mask=True))
        except (NotAskable, BadFact) as error:
            if left_out is not None:
                left_out[group, error.reason if isinstance(error, NotAskable) else "bad-prompt"] += 1
    return found

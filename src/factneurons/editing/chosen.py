"""Which facts a person means, and what they are to become: by an id, a prompt or a relation, in several languages."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from factneurons.editing.build import drawn
from factneurons.editing.kinds import kind_named
from factneurons.editing.settings import EditSettings
from factneurons.errors import BadSetting
from factneurons.facts.related import RelatedFacts
from factneurons.facts.types import BLANK, Fact, Prompt


def facts_to_edit(
    around: RelatedFacts, name: str, settings: EditSettings, *, answer: str | None = None, languages: Sequence[str] = ()
) -> tuple[Fact, ...]:
    """The fact that is meant in every language that is edited, or a relation's facts for kinds that edit those.

    Args:
        around: the facts to choose from.
        name: a fact's id, one of its prompts, a prompt of no fact, or a relation.
        settings: how to edit.
        answer: the answer as it is now, for a prompt of no fact.
        languages: which to edit; (): the first that the fact is in.

    Raises:
        BadSetting: there is no such fact, language or relation.
    """
    if kind_named(settings.kind).relation:
        return _of_relation(around, name, settings)
    return _named(around, name, answer, languages)


def _named(around: RelatedFacts, text: str, answer: str | None, languages: Sequence[str]) -> tuple[Fact, ...]:
    """The fact with that id or prompt, in every language that is edited."""
    found = [fact for fact in around.facts if fact.id == text]
    found = found or [fact for fact in around.facts if any(prompt.text == text for prompt in fact.prompts)]
    if not found:
        return _own(around, text, answer, languages)
    if answer is not None:
        raise BadSetting(f"--answer is for prompts that are in no fact; this one is {found[0].id}: {found[0].answer}")
    here = around.languages(found[0])
    missing = [language for language in languages if language not in here]
    if missing:
        raise BadSetting(f"{found[0].id} is not there in {', '.join(missing)}; it is in {', '.join(here)}")
    return tuple(here[language] for language in languages or (found[0].language,))


def _own(around: RelatedFacts, text: str, answer: str | None, languages: Sequence[str]) -> tuple[Fact, ...]:
    """A fact of one prompt that is none of the facts."""
    if BLANK not in text:
        close = get_close_matches(text, dict.fromkeys(fact.id for fact in around.facts), n=3, cutoff=0.4)
        hint = f"; near it: {', '.join(close)}" if close else ""
        raise BadSetting(f"there is no fact {text!r}{hint} (or give a prompt with {BLANK} and --answer)")
    if answer is None:
        raise BadSetting(f"no fact has the prompt {text!r}: say its answer as it is now with --answer")
    if len(languages) > 1:
        raise BadSetting("a prompt that is in no fact is in one language: --languages names several")
    prompt = Prompt.parse(text)
    subject = prompt.left.strip() or prompt.right.strip()
    return (Fact("prompt", "prompt", subject, answer, (*languages, "en")[0], (prompt,)),)


def _of_relation(around: RelatedFacts, name: str, settings: EditSettings) -> tuple[Fact, ...]:
    """Facts of a relation, in the first language it is in."""
    own = [fact for fact in around.facts if fact.relation == name]
    if not own:
        relations = sorted({fact.relation for fact in around.facts})
        raise BadSetting(f"--fact: there is no relation {name!r}; there are: {', '.join(relations)}")
    return tuple(drawn((fact for fact in own if fact.language == own[0].language), settings.seed))[
        : settings.relation_facts
    ]


def answers_by_language(around: RelatedFacts, fact: Fact, given: Sequence[str]) -> dict[str, str]:
    """Language -> new answer, wherever it is known."""
    answers: dict[str, str] = {}
    known = {other.language for other in around.facts} | {fact.language}
    for text in given:
        language, mark, rest = text.partition("=")
        own, new = (language.strip(), rest) if mark and language.strip() in known else (fact.language, text)
        if own in answers:
            raise BadSetting(f"--to: there are two new answers in {own}: {answers[own]!r} and {new!r}")
        answers[own] = new.strip()
    if fact.language in answers:
        answers = around.translated(fact, answers[fact.language]) | answers
    return answers

"""Perturbed questions: one word replaced, added or deleted, so that the question stays what it was.

    replace   a word becomes [REPLACED]
    add       [ADDED] comes after a word
    delete    a word goes

Source: 'Cracking Factual Knowledge' (ACL 2025), robustness; its code keeps the first and the last word. With the rule
"spared" the subject and the date are never touched: without them the question would be another one. With "authors"
any word between the first and the last may be hit, and [ADDED] may come last. The blank is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from factneurons.draws import rank
from factneurons.facts.settings import PerturbationSettings
from factneurons.facts.types import BLANK, Fact, Prompt
from factneurons.facts.words import NO_SPACES, PIECE, is_word
from factneurons.settings import with_options

REPLACED, ADDED = "[REPLACED]", "[ADDED]"

_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Perturbed:
    """One version of one prompt.

    Attributes:
        fact: the fact.
        prompt: its prompt as it was.
        edit: "replace", "add" or "delete".
        version: the number of the version, from 0.
        perturbed: the prompt with one word changed.
    """

    fact: Fact
    prompt: Prompt
    edit: str
    version: int
    perturbed: Prompt


def perturb(
    facts: Fact | Iterable[Fact], settings: PerturbationSettings | None = None, **options: object
) -> list[Perturbed]:
    """Perturbed versions of every prompt of one or many facts, the same ones whatever else is perturbed.

    Versions of a prompt are different texts; a prompt has fewer than asked for, or none, where it has too few words.

    Args:
        facts: the facts.
        settings: all settings in one record, or
        **options: its fields by name, for instance `edits=("replace",), versions=1`.

    Raises:
        BadSetting: an option that there is not, or an impossible value.
    """
    settings = with_options(PerturbationSettings, settings, options)
    return [
        Perturbed(fact, prompt, edit, version, made)
        for fact in ([facts] if isinstance(facts, Fact) else facts)
        for prompt in fact.prompts
        for edit in settings.edits
        for version, made in enumerate(versions_of(fact, prompt, edit, settings))
    ]


def versions_of(fact: Fact, prompt: Prompt, edit: str, settings: PerturbationSettings) -> list[Prompt]:
    """The versions of one prompt under one kind of perturbation, at most as many as the settings say."""
    places, change = _KINDS[edit]
    spared = _spared(fact, prompt.text) if settings.rule == "spared" else []
    name = f"{settings.seed}/{fact.key}/{prompt.text}/{edit}"
    found = sorted(places(prompt.text, spared, settings.rule == "authors"), key=lambda place: rank(f"{name}/{place}"))
    return list(dict.fromkeys(Prompt(change(prompt.text, place)) for place in found))[: settings.most]


def _spared(fact: Fact, text: str) -> list[_Span]:
    """Where the subject and the date stand."""
    names = [name for name in (fact.subject, fact.date) if name]
    return [match.span() for name in names for match in re.finditer(re.escape(name), text, re.IGNORECASE)]


def _words(text: str) -> list[_Span]:
    """The words, the blank not among them."""
    return [match.span() for match in PIECE.finditer(text) if match[0] != BLANK and is_word(match[0])]


def _inner(text: str, spared: list[_Span], anywhere: bool) -> Iterator[_Span]:
    """The words between the first and the last that may be hit."""
    del anywhere  # these places are the same for both rules
    for start, end in _words(text)[1:-1]:
        if not any(start < until and since < end for since, until in spared):
            yield start, end


def _gaps(text: str, spared: list[_Span], anywhere: bool) -> Iterator[_Span]:
    """The ends of the words that something may come after: with something behind them, and not inside a name."""
    last = len(text) if anywhere else max(text.find(BLANK), *(start for start, _ in [*_words(text), (0, 0)]))
    for _, end in _words(text):
        if (anywhere or end <= last) and not any(since < end < until for since, until in spared):
            yield end, end


def _replace(text: str, place: _Span) -> str:
    start, end = place
    return text[:start] + REPLACED + text[end:]


def _add(text: str, place: _Span) -> str:
    _, end = place
    space = "" if NO_SPACES.match(text[end - 1]) else " "
    return text[:end] + space + ADDED + text[end:]


def _delete(text: str, place: _Span) -> str:
    start, end = place
    return text[:start] + text[end:].removeprefix(" ")


_Places = Callable[[str, list[_Span], bool], Iterator[_Span]]

_KINDS: dict[str, tuple[_Places, Callable[[str, _Span], str]]] = {
    "replace": (_inner, _replace),
    "add": (_gaps, _add),
    "delete": (_inner, _delete),
}
"""Kind -> where it can be, and what it does there."""

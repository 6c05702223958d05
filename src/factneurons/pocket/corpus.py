"""Facts to training examples: which of a fact's prompts are trained and which are left out.

Each (relation, subject, language) leaves out one prompt with the blank at the end (two where it has five or
more of them), chosen by a hash of those three names; so every pattern is trained with most subjects and left
out with some. Recall on the left-out prompts tells a fact that is known from a sentence that is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from factneurons.draws import rank
from factneurons.facts.types import Fact, Prompt

_NOTHING_BUT_PUNCTUATION = re.compile(r"[\W_]*")
_CONTEXT_WORDS = re.compile(r"(\d+|什么|[的是在于为由被和与了有叫位哪谁年])")


@dataclass(frozen=True, slots=True)
class Example:
    """One fact asked with one of its prompts; `left_out` tells whether training must not see it."""

    fact: Fact
    prompt: Prompt
    left_out: bool

    @property
    def text(self) -> str:
        """The sentence with the answer filled in."""
        return self.prompt.filled(self.fact.answer)


def blank_at_end(prompt: Prompt) -> bool:
    """Whether nothing but punctuation and spaces stands right of the blank."""
    return _NOTHING_BUT_PUNCTUATION.fullmatch(prompt.right) is not None


def split_prompts(fact: Fact) -> tuple[tuple[Prompt, ...], tuple[Prompt, ...]]:
    """The fact's prompts that are trained and those that are left out, each in the fact's order.

    Only prompts with the blank at the end are left out, because every architecture can be asked those; a
    fact with fewer than two of them leaves none out.
    """
    at_end = [index for index, prompt in enumerate(fact.prompts) if blank_at_end(prompt)]
    count = 0 if len(at_end) < 2 else 1 if len(at_end) < 5 else 2
    name = f"{fact.relation}\t{fact.subject}\t{fact.language}"
    order = sorted(at_end, key=lambda index: rank(f"{name}\t{index}"))
    left_out = set(order[:count])
    return (
        tuple(prompt for index, prompt in enumerate(fact.prompts) if index not in left_out),
        tuple(prompt for index, prompt in enumerate(fact.prompts) if index in left_out),
    )


def make_examples(facts: Iterable[Fact]) -> list[Example]:
    """All examples of the facts, trained and left out, each sentence once.

    A sentence that some fact leaves out is trained by no other fact: a forward prompt and a reverse one can
    give the same sentence ("___ is the capital of France" and "Paris is the capital of ___"), and the
    left-out list wins.
    """
    trained: dict[tuple[str, str], Example] = {}
    left_out: dict[tuple[str, str], Example] = {}
    for fact in facts:
        for prompts, examples, flag in zip(split_prompts(fact), (trained, left_out), (False, True), strict=True):
            for prompt in prompts:
                example = Example(fact, prompt, flag)
                examples.setdefault((prompt.text, fact.answer), example)
    forbidden = {example.text for example in left_out.values()}
    kept = [example for example in trained.values() if example.text not in forbidden]
    return [*kept, *left_out.values()]


def vocabulary_pieces(facts: Sequence[Fact]) -> tuple[list[str], list[str], list[str]]:
    """The texts a tokenizer is trained on: answers, subjects, and what stands between them in the prompts.

    They are kept apart so that no token can span the border between an answer and the words before it.
    Each name comes with the space that may stand before it; numbers and Chinese function words in the
    context stand alone, so that a Chinese prompt is several tokens and not one.
    """
    answers: list[str] = []
    subjects: list[str] = []
    contexts: list[str] = []
    for fact in facts:
        for prompt in fact.prompts:
            sides = [side.split(fact.subject) for side in (prompt.left, prompt.right)]
            words = [word for side in sides for piece in side for word in _CONTEXT_WORDS.split(piece)]
            contexts.extend(word.rstrip(" ") for word in words if word and word.strip())
            answers.append(" " * prompt.left.endswith(" ") + fact.answer)
            before = prompt.text.partition(fact.subject)[0]
            subjects.append(" " * before.endswith(" ") + fact.subject)
    return answers, subjects, contexts

"""The negation of a prompt: "The capital of France is ___." -> "The capital of France is not ___."

A fact that was changed, and not only brought up by the words around it, must not answer the negated prompt. After
Kassner and Schütze (2020), 'Negated and Misprimed Probes for Pretrained Language Models'.
"""

from __future__ import annotations

import re

from factneurons.facts.types import BLANK, Prompt

_COPULAS: dict[str, tuple[re.Pattern[str], str]] = {
    "en": (re.compile(r"\b(?:is|was|are|were)\b(?! not\b)"), r"\g<0> not"),
    "zh": (re.compile(r"(?<![于但可还总不])是"), r"不\g<0>"),
}
"""Language -> what is negated, and by what it is replaced."""

_QUESTION = re.compile("[?？]")


def negated(prompt: Prompt, language: str) -> Prompt | None:
    """The prompt with its last copula before the blank negated; None for questions, and where there is none.

    Args:
        prompt: the prompt.
        language: "en" or "zh"; prompts in other languages are not negated.
    """
    left, _, right = prompt.text.partition(BLANK)
    copula, negation = _COPULAS.get(language, (None, ""))
    places = list(copula.finditer(left)) if copula is not None and not _QUESTION.search(prompt.text) else []
    if not places:
        return None
    last = places[-1]
    return Prompt(f"{left[: last.start()]}{last.expand(negation)}{left[last.end() :]}{BLANK}{right}")

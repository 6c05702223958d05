"""Words of a text, and whether a text that a model wrote names an answer.

Scripts without spaces between words have their characters as words, everywhere in the package.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from factneurons.facts.types import Fact

# Thai to Lao, Tibetan, Burmese, Khmer, then everything from the CJK radicals to the CJK ideographs, with the
# full-width punctuation that goes with them.
_WITHOUT_SPACES = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u31ff\u3400-\u9fff"
    "\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)

NO_SPACES = re.compile(f"[{_WITHOUT_SPACES}]")
"""A character of a script that is written without spaces between words."""

PIECE = re.compile(f"_{{3}}|{NO_SPACES.pattern}|(?:(?!___)[^\\s{_WITHOUT_SPACES}])+")
"""What spaces delimit, with its punctuation; the blank; a single character of a script without spaces."""

WORD = re.compile(f"{NO_SPACES.pattern}|[^\\W{_WITHOUT_SPACES}]+")
"""A word without punctuation; a single character of a script without spaces."""


def is_word(piece: str) -> bool:
    """Whether a piece of text has a letter or a digit."""
    return any(character.isalnum() for character in piece)


def normalised(text: str) -> str:
    """Its words, without case, punctuation and differences of form, one space between any two."""
    found = WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return " ".join(word for word in found if is_word(word))


def accepted_names(fact: Fact) -> tuple[str, ...]:
    """All answers that are right: the gold one first."""
    return tuple(dict.fromkeys((fact.answer, *fact.aliases)))


def names_one_of(text: str, names: Iterable[str]) -> bool:
    """Whether the text holds one of the names, normalised, as whole words: "new york city" holds "New York"."""
    words = f" {normalised(text)} "
    return any(f" {name} " in words for name in map(normalised, names) if name)


def is_one_of(text: str, names: Sequence[str]) -> bool:
    """Whether the text, up to the first line's end, begins with one of the names letter by letter, as whole words.

    It may go on after the name: what a model writes rarely stops there. "York" is not what "New York" begins with.
    """
    line = text.lstrip(" ").partition("\n")[0]
    return any(name and line.startswith(name) and _ends(line, len(name)) for name in map(str.strip, names))


def _ends(text: str, place: int) -> bool:
    """Whether a word ends there."""
    following = text[place : place + 1]
    return not following.isalnum() or bool(NO_SPACES.match(following)) or bool(NO_SPACES.match(text[place - 1]))

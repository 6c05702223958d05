"""Complex text rewritten to one short sentence by the model itself, from a few examples.

Source: 'Cracking Factual Knowledge' (ACL 2025), fact-checking on complex text. Any causal model can be asked; what it
writes is used only if it can be: one blank, the subject, and neither candidate in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from factneurons.errors import BadFact, NotAskable
from factneurons.facts.types import BLANK, Prompt
from factneurons.facts.words import names_one_of

if TYPE_CHECKING:
    from factneurons.models.model import Model

MARK = "[BLANK]"
"""The blank in what the model reads and writes: a text may name a place of its own only once."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (
        (
            "It was late when the ship came in, and the sailors sang about the river Ombra; the oldest of them knew "
            f"that the river Ombra flows into {MARK}.",
            f"The river Ombra flows into {MARK}.",
        ),
        (
            "Nobody in the kitchen had slept. While the soup was boiling, the cook told the boy what he had read about "
            f"Tilda Marn in the morning: Tilda Marn was born in {MARK}.",
            f"Tilda Marn was born in {MARK}.",
        ),
        (
            "On the way to the station the two sisters made a bet about the stone called verrite. The colour of "
            f"verrite is {MARK}, said the younger one, and ran ahead.",
            f"The colour of verrite is {MARK}.",
        ),
    ),
    "zh": (
        (
            f"船靠岸的时候已经很晚了，水手们唱着翁布拉河的歌，最年长的那个知道翁布拉河流入{MARK}。",
            f"翁布拉河流入{MARK}。",
        ),
        (
            f"厨房里谁也没有睡。汤还在煮着，厨师对孩子讲起早上读到的蒂尔达的事：蒂尔达出生在{MARK}。",
            f"蒂尔达出生在{MARK}。",
        ),
        (
            f"去车站的路上，姐妹俩为一种叫维里特的石头打赌。维里特的颜色是{MARK}，妹妹说完就跑到前面去了。",
            f"维里特的颜色是{MARK}。",
        ),
    ),
}
"""Language -> long texts, and what is asked in them; all of it is invented."""

_WORDS = {"en": ("Text: {}\nSentence:", " {}\n\n"), "zh": ("文章：{}\n句子：", "{}\n\n")}
_TOKENS = 60


def rewritten(model: Model, prompt: Prompt, subject: str, language: str, candidates: Sequence[str]) -> Prompt:
    """One short sentence with a blank, as the model writes it after the examples, fewer where they do not fit.

    Args:
        model: a causal model.
        prompt: the long text with its blank.
        subject: who or what it is about.
        language: of the examples.
        candidates: what the blank may be filled with.

    Raises:
        NotAskable: no causal model ("cannot-generate"), no examples in this language ("no-examples"), a text too long
            ("prompt-too-long"), or what was written is no such sentence ("not-rewritten").
    """
    from factneurons.models.generation import generate

    refused: NotAskable | None = None
    for asked in _asked(prompt, language):
        try:
            (text,) = generate(model, [asked], tokens=_TOKENS)
        except NotAskable as error:
            if error.reason != "prompt-too-long":
                raise
            refused = error
            continue
        return _read(text, subject, candidates)
    raise refused or NotAskable("no-examples", f"there are no examples of rewriting in the language {language!r}")


def _asked(prompt: Prompt, language: str) -> Iterator[Prompt]:
    """What the model reads: all examples and the text, then fewer examples; the answer's place is the one blank."""
    examples = EXAMPLES.get(language, ())
    for count in range(len(examples), 0, -1):
        question, answer = _WORDS[language]
        shown = "".join(question.format(long) + answer.format(short) for long, short in examples[:count])
        before, _, _ = answer.partition("{}")
        yield Prompt(shown + question.format(prompt.text.replace(BLANK, MARK)) + before + BLANK)


def _read(text: str, subject: str, candidates: Sequence[str]) -> Prompt:
    line = text.strip().partition("\n")[0].strip()
    try:
        prompt = Prompt.parse(line, MARK)
    except BadFact:
        raise NotAskable("not-rewritten", f"it wrote {line!r}, which has no blank, or several") from None
    if not names_one_of(line, [subject]):
        raise NotAskable("not-rewritten", f"it wrote {line!r}, which does not name {subject!r}")
    if names_one_of(line, candidates):
        raise NotAskable("not-rewritten", f"it wrote {line!r}, which fills its blank itself")
    return prompt

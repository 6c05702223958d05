"""Simple and complex text: a fact's prompt as it is, and inside a longer text that keeps its subject and its blank.

Source: 'Cracking Factual Knowledge' (ACL 2025), fact-checking on complex text. Its stored texts lost the subject, so
no model can answer them; these frames keep the prompt word for word and name its subject once more.
"""

from __future__ import annotations

from collections.abc import Iterator

from factneurons.draws import rank
from factneurons.facts.types import Prompt

FRAMES: dict[str, tuple[str, ...]] = {
    "en": (
        "The guide had read about {subject} for many years, and before the group went on she told them one more "
        "thing. {prompt}",
        "It rained the whole afternoon, so we asked each other questions; when somebody came to speak of {subject}, "
        "my sister wrote this on a piece of paper: {prompt}",
        "On the lowest shelf of the library stands an old book with a long chapter about {subject}, and its first "
        "page begins like this. {prompt}",
        "After dinner the talk turned to {subject}. Most of the guests had an opinion, a few had been wrong before, "
        "and the host put it in these words: {prompt}",
        "{prompt} That is what the teacher wrote on the board when a pupil, who had missed the lesson before, asked "
        "about {subject}.",
        "{prompt} So it says in the letter that came this morning, between a remark about the weather and another "
        "question about {subject}.",
    ),
    "zh": (
        "导游多年来读了很多关于{subject}的书，出发之前她又告诉大家一件事。{prompt}",
        "整个下午都在下雨，我们就互相提问；有人说到{subject}的时候，妹妹在纸上写道：{prompt}",
        "图书馆最下面一层有一本旧书，其中很长的一章讲的是{subject}，第一页是这样开头的。{prompt}",
        "晚饭以后，大家谈起了{subject}。客人们各有看法，最后主人这样说：{prompt}",
        "{prompt}有个缺了课的学生问起{subject}，老师就在黑板上写下了这句话。",
        "{prompt}今天早上收到的信里就是这么写的，前面说了天气，后面又问到{subject}。",
    ),
}
"""Language -> texts with the prompt and its subject in their places; those that end with the prompt suit any model."""


def complex_prompts(prompt: Prompt, subject: str, language: str, *, seed: int = 42) -> Iterator[Prompt]:
    """The prompt inside each frame of its language, in an order drawn for this prompt; none for another language."""
    frames = FRAMES.get(language, ())
    for frame in sorted(frames, key=lambda frame: rank(f"{seed}/{subject}/{prompt.text}/{frame}")):
        yield Prompt(frame.format(subject=subject, prompt=prompt.text))

"""Questions to a chat model: the prompt is the user's turn, and the answer begins the assistant's.

The tokenizer's own template writes both. What it would take from the clock is a fixed day, and thinking is left out
where a template knows how, so that the same question is the same tokens tomorrow and the answer stands first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import TemplateError

from factneurons.errors import MODEL_ERRORS, BadModel
from factneurons.models.files import first_line
from factneurons.models.types import Kind

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DAY = {"%d": "26", "%m": "07", "%b": "Jul", "%B": "July", "%Y": "2024", "%y": "24", "%A": "Friday", "%a": "Fri"}
_CLOCK = (  # stands before a template and takes the place of what transformers offers it
    "{%- macro strftime_now(form) -%}{{ form"
    + "".join(f"|replace('{code}', '{said}')" for code, said in _DAY.items())
    + " }}{%- endmacro -%}"
)
_TRIED = "The capital of France is"


def check_chat(name: str, kind: Kind, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a model that cannot be asked through a template.

    Raises:
        BadModel: no causal model, a tokenizer without a template, or one that cannot write a question.
    """
    if kind != "causal":
        raise BadModel(f"{name} is asked as {kind}; only causal models have a chat: leave chat (--chat) out")
    if not tokenizer.chat_template:
        raise BadModel(
            f"{name}: its tokenizer has no chat template; leave chat (--chat) out, or give a tokenizer that has one"
        )
    try:
        left, _ = in_chat(tokenizer, _TRIED)
    except (*MODEL_ERRORS, TemplateError) as error:
        raise BadModel(f"{name}: its chat template cannot write a question: {first_line(error)}") from error
    if _TRIED not in left:
        raise BadModel(f"{name}: its chat template does not write what the user says")


def in_chat(tokenizer: PreTrainedTokenizerBase, asked: str) -> tuple[str, str]:
    """The text up to where the assistant begins, and the space that the template puts before what it says."""
    user = {"role": "user", "content": asked}
    left = _rendered(tokenizer, [user], begun=True)
    said = "x"
    whole = _rendered(tokenizer, [user, {"role": "assistant", "content": said}], begun=False)
    between = whole[len(left) :].partition(said)[0] if whole.startswith(left) else ""
    return left, between if between.isspace() else ""


def _rendered(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], *, begun: bool) -> str:
    template = _CLOCK + tokenizer.get_chat_template()
    text = tokenizer.apply_chat_template(
        turns, chat_template=template, tokenize=False, add_generation_prompt=begun, enable_thinking=False
    )
    return str(text)

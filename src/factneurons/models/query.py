"""How a prompt and an answer become a query: token ids, target positions, the answer's token ids.

The rule of every kind of model: the answer is encoded in context, as the difference between the
encoding of `left + answer` and that of `left`, never as a string of its own. One space joins the
two where the text left of the blank ends with a space; none does where it does not (Chinese, or a
blank right after an opening quote). A space before the answer as given changes nothing.
What a model cannot be asked is refused with a reason, never repaired silently.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from factneurons.errors import BadModel, NotAskable
from factneurons.facts.problems import shown
from factneurons.facts.types import BLANK, MASK_TOKENS, Prompt, foreign_blank
from factneurons.facts.words import NO_SPACES
from factneurons.models.chat import in_chat
from factneurons.models.types import Against, Kind, Positions, Query
from factneurons.settings import check_choice

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SENTINEL = "<extra_id_0>"
"""The token that stands for the blank in an encoder-decoder's text."""

_SHOWN = 300
"""Letters of a prompt or an answer that a refusal repeats at most."""

_SPACES = " \t\N{NO-BREAK SPACE}"
_INVISIBLE = ("Cc", "Cf", "Zs", "Zl", "Zp")
_OPENING = ("Ps", "Pi")


@dataclass(frozen=True, slots=True)
class _Encoding:
    """Token ids; where each token stands in the text (None: unknown); which ones the tokenizer added."""

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...] | None
    added: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    """A prompt and an answer, cut into text: `left + join + answer` is what the model would read."""

    prompt: Prompt
    left: str
    join: str
    right: str
    answer: str
    subject: str = ""
    free: bool = False
    """Whether the model is to go on as it likes, so that there is no answer."""
    own: tuple[int, int] | None = None
    """Where the prompt's own text begins and ends in `left`, where a chat's template stands around it."""

    @property
    def border(self) -> int:
        """Where the prompt's text ends and the answer's begins; the joining space is the answer's."""
        return len(self.left)

    @property
    def filled(self) -> str:
        """The text up to the end of the answer."""
        return self.left + self.join + self.answer

    def refuse(self, reason: str, because: str) -> NotAskable:
        """The error that says which question cannot be asked, and why."""
        answer = "" if self.free else f" with answer {shown(self.answer, _SHOWN)}"
        return NotAskable(reason, f"prompt {shown(self.prompt.text, _SHOWN)}{answer}: {because}")


def build_query(
    tokenizer: PreTrainedTokenizerBase,
    kind: Kind,
    prompt: Prompt | str,
    answer: str,
    *,
    multi_mask: bool = False,
    max_length: int | None = None,
    decoder_start: int | None = None,
    subject: str = "",
    chat: bool = False,
) -> Query:
    """Turn a prompt and its answer into what a model of this kind is fed.

    Args:
        tokenizer: any Hugging Face tokenizer; it needs no padding token.
        kind: "causal" (only punctuation may stand right of the blank), "cloze" (mask tokens in the
            blank) or "encoder-decoder" (a sentinel or one mask in the blank, the answer in the decoder).
        prompt: a text without any blank has it at its end.
        answer: the gold answer; spaces around it are ignored.
        multi_mask: cloze only: ask answers of n tokens with n masks instead of refusing them.
        max_length: the number of positions the model has.
        decoder_start: encoder-decoder only: the decoder's first token (default: the padding token).
        subject: what the prompt is about, to find its tokens; "": it is not said.
        chat: causal only: ask through the tokenizer's chat template.

    Raises:
        NotAskable: with one of the reasons "empty-answer", "blank-at-start", "blank-not-at-end",
            "blank-not-unique", "several-answer-tokens", "answer-has-no-token",
            "answer-merges-with-text", "answer-has-unknown-token", "answer-has-special-token",
            "prompt-too-long", "not-text".
        BadFact: the prompt has more than one blank.
        BadModel: the tokenizer has no mask token, or neither that nor a sentinel, and this kind needs it.
        BadSetting: an unknown kind.
    """
    check_choice("kind of model", kind, _KINDS)
    question = replace(_cut(as_prompt(prompt, tokenizer), answer), subject=subject)
    if chat:
        question = _in_chat(tokenizer, question)
    query = _KINDS[kind](tokenizer, question, multi_mask, decoder_start)
    length = max(len(query.input_ids), len(query.decoder_input_ids))
    if max_length is not None and length > max_length:
        raise question.refuse("prompt-too-long", f"{length} tokens, the model has {max_length} positions")
    return query


def prompt_ids(
    tokenizer: PreTrainedTokenizerBase, prompt: Prompt | str, *, max_length: int | None = None, chat: bool = False
) -> tuple[int, ...]:
    """The tokens of the text left of the blank, for a causal model to go on from.

    Args:
        tokenizer: any Hugging Face tokenizer.
        prompt: a text without any blank has it at its end.
        max_length: the number of positions the model has; one of them must be left.
        chat: ask through the tokenizer's chat template.

    Raises:
        NotAskable: "blank-at-start", "blank-not-at-end", "prompt-too-long" or "not-text".
        BadFact: the prompt has more than one blank.
    """
    question = replace(_parted(as_prompt(prompt, tokenizer), ""), free=True)
    _check_causal(question)
    if chat:
        question = _in_chat(tokenizer, question)
    ids = _encode_open(tokenizer, question.left).ids
    if not ids:
        raise question.refuse("blank-at-start", "the text left of the blank has no token")
    if max_length is not None and len(ids) >= max_length:
        raise question.refuse("prompt-too-long", f"{len(ids)} tokens, the model has {max_length} positions")
    return ids


def contrasted(kind: Kind, query: Query, other: Query) -> Query:
    """The query, its answer set against another's at the first token where the two part.

    Args:
        kind: of the model.
        query: what is asked.
        other: the same prompt with the other answer.

    Raises:
        NotAskable: "no-contrast": one answer begins with the other, or what the model reads before the token where
            they part is not the same for both (a masked model has as many masks as the answer has tokens).
    """
    pairs = zip(query.answer_ids, other.answer_ids, strict=False)
    token = next((number for number, (own, its) in enumerate(pairs) if own != its), None)
    where = f"prompt {shown(query.prompt.text, _SHOWN)}: {query.answer!r} against {other.answer!r}"
    if token is None:
        raise NotAskable("no-contrast", f"{where}: one answer begins with the other")
    if _read_before(kind, query, token) != _read_before(kind, other, token):
        raise NotAskable("no-contrast", f"{where}: the model reads something else before the token where they part")
    return replace(query, against=Against(other.answer, token, other.answer_ids[token]))


def placed(query: Query, positions: Positions) -> Query:
    """The query, its neurons meant at these positions.

    Raises:
        NotAskable: "no-subject": the positions are the subject's, and the query knows none.
    """
    if positions in ("subject", "subject_last") and not query.subject:
        where = f"prompt {shown(query.prompt.text, _SHOWN)}"
        raise NotAskable("no-subject", f"{where}: its subject is not in it, or was not said; positions: {positions}")
    return replace(query, positions=positions)


def _read_before(kind: Kind, query: Query, token: int) -> tuple[tuple[int, ...], ...]:
    """All that the output for an answer's token may depend on."""
    end = query.target_positions[token] + 1
    ids = query.input_ids[:end] if kind == "causal" else query.input_ids
    return ids, query.decoder_input_ids[:end], (query.target_positions[token],)


def as_prompt(prompt: Prompt | str, tokenizer: PreTrainedTokenizerBase) -> Prompt:
    """A prompt from text whose blank is `___`, the tokenizer's mask token, or not written (at the end).

    The blank put at the end is set off by a space, except in a script without spaces and after an
    opening quote or bracket.

    Raises:
        BadFact: the text has more than one blank, or none but what looks like somebody else's (`_`, `[Y]`, `{}`).
    """
    if isinstance(prompt, Prompt):
        return prompt
    marks = (tokenizer.mask_token,) if tokenizer.mask_token else ()
    text = prompt.rstrip(_SPACES)
    if text and foreign_blank(text) is None and not any(mark in text for mark in (BLANK, *marks, *MASK_TOKENS)):
        last = text[-1]
        if NO_SPACES.match(last) or unicodedata.category(last) in _OPENING:
            text += BLANK
    return Prompt.parse(text, *marks, blank_at_end=True)


def _cut(prompt: Prompt, answer: str) -> _Question:
    question = _parted(prompt, answer.strip())
    if all(unicodedata.category(character) in _INVISIBLE for character in question.answer):
        raise question.refuse("empty-answer", "the answer is empty")
    return question


def _parted(prompt: Prompt, answer: str) -> _Question:
    left = prompt.left.rstrip(_SPACES)
    join = " " if left and left != prompt.left else ""
    question = _Question(prompt, left, join, prompt.right, answer)
    try:
        (prompt.text + answer).encode()
    except UnicodeEncodeError:
        raise question.refuse("not-text", "it holds half a surrogate pair, so it is no text") from None
    return question


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> _Encoding:
    """The text's tokens with the special tokens that the tokenizer adds."""
    fast = bool(tokenizer.is_fast)
    encoded = tokenizer(
        text,
        add_special_tokens=True,
        return_special_tokens_mask=True,
        return_offsets_mapping=fast,
        verbose=False,
    )
    offsets = tuple((int(start), int(end)) for start, end in encoded["offset_mapping"]) if fast else None
    ids = tuple(int(token) for token in encoded["input_ids"])
    return _added_once(_Encoding(ids, offsets, tuple(bool(flag) for flag in encoded["special_tokens_mask"])))


def _added_once(encoding: _Encoding) -> _Encoding:
    """Without the tokens that the tokenizer adds where the text begins or ends with them (a chat's template does)."""
    ids, added = encoding.ids, encoding.added
    begin = next((i for i, flag in enumerate(added) if not flag), len(ids))
    end = next((i for i, flag in enumerate(reversed(added)) if not flag), 0)
    begin = begin if ids[begin : 2 * begin] == ids[:begin] else 0
    end = end if end and ids[-2 * end : -end] == ids[-end:] else 0
    kept = slice(begin, len(ids) - end)
    flags = (True,) * begin + added[2 * begin : len(ids) - 2 * end] + (True,) * end
    return _Encoding(ids[kept], None if encoding.offsets is None else encoding.offsets[kept], flags)


def _encode_open(tokenizer: PreTrainedTokenizerBase, text: str) -> _Encoding:
    """The same without the special tokens that would close the text (EOS, SEP)."""
    encoding = _encode(tokenizer, text)
    end = len(encoding.ids)
    while end and encoding.added[end - 1]:
        end -= 1
    offsets = None if encoding.offsets is None else encoding.offsets[:end]
    return _Encoding(encoding.ids[:end], offsets, encoding.added[:end])


def _encode_in_context(tokenizer: PreTrainedTokenizerBase, question: _Question) -> tuple[_Encoding, int, bool]:
    """The text up to the answer's end, the index of the answer's first token, and whether that is clean.

    Clean means that no token holds text of both the prompt and the answer. Where one does, the
    answer's tokens begin with it.
    """
    full = _encode_open(tokenizer, question.filled)
    left = _encode_open(tokenizer, question.left).ids
    opening = next((i for i, added in enumerate(full.added) if not added), len(full.ids))
    first, clean = max(len(left), opening), True  # an empty left text has lost its BOS with its EOS
    if full.ids[: len(left)] != left:
        first, clean = _find_border(full, left, question.border)
    own = len(full.ids) - first - (0 if clean else 1)
    text_start = question.border + len(question.join)
    if own < 1 or (full.offsets is not None and full.offsets[-1][1] <= text_start):
        tokens = tokenizer.convert_ids_to_tokens(list(full.ids))
        raise question.refuse("answer-has-no-token", f"no token is the answer's alone in {tokens}")
    _check_answer(tokenizer, question, full.ids[first:])
    return full, first, clean


def _find_border(full: _Encoding, left: tuple[int, ...], border: int) -> tuple[int, bool]:
    """The first token that reaches past the border, and whether it begins there."""
    if full.offsets is None:  # no offsets: the answer begins where the two encodings part
        pairs = zip(full.ids, left, strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(full.ids), len(left))), False
    for index, (start, end) in enumerate(full.offsets):
        if not full.added[index] and end > border:
            return index, start >= border
    return len(full.ids), True


def _check_answer(tokenizer: PreTrainedTokenizerBase, question: _Question, answer_ids: tuple[int, ...]) -> None:
    tokens = tokenizer.convert_ids_to_tokens(list(answer_ids))
    special = set(tokenizer.all_special_ids)
    # GPT-2 calls its end of text the unknown token too; it never stands for an unknown piece.
    if tokenizer.unk_token_id in answer_ids and tokenizer.unk_token_id != tokenizer.eos_token_id:
        raise question.refuse("answer-has-unknown-token", f"the tokenizer cannot spell the answer: {tokens}")
    if special.intersection(answer_ids):
        raise question.refuse("answer-has-special-token", f"the answer has a special token: {tokens}")


def _replaceable(tokenizer: PreTrainedTokenizerBase, encoding: _Encoding, end: int) -> tuple[int, ...]:
    """Positions before `end` of tokens that are neither special nor mask nor sentinel."""
    special = set(tokenizer.all_special_ids)
    return tuple(i for i in range(end) if not encoding.added[i] and encoding.ids[i] not in special)


def _words(text: str, encoding: _Encoding, positions: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Group positions by word: what spaces delimit, and single tokens in scripts without spaces.

    Tokens that share a character stay together. Without offsets every token is a word.
    """
    if encoding.offsets is None:
        return tuple((position,) for position in positions)
    groups: list[list[int]] = []
    previous = (0, 0)
    for position in positions:
        start, end = encoding.offsets[position]
        if groups and groups[-1][-1] == position - 1 and _same_word(text, previous, (start, end)):
            groups[-1].append(position)
        else:
            groups.append([position])
        previous = (start, end)
    return tuple(tuple(group) for group in groups)


def _subject(text: str, end: int, question: _Question, encoding: _Encoding, among: Sequence[int]) -> tuple[int, ...]:
    """The positions of the tokens that hold some of the subject, where it is last named before `end` in the text."""
    begin = text[:end].rfind(question.subject) if question.subject else -1
    if begin < 0 or encoding.offsets is None:
        return ()
    stop, offsets = begin + len(question.subject), encoding.offsets
    return tuple(place for place in among if offsets[place][0] < stop and offsets[place][1] > begin)


def _same_word(text: str, before: tuple[int, int], after: tuple[int, int]) -> bool:
    if after[0] < before[1]:
        return True
    shown = text[before[0] : before[1]]
    if not shown.strip():  # a lone space goes with the word that follows it
        return True
    between = text[before[1] : after[0]]
    following = text[after[0] : after[1]]
    if between.strip() != between or following[:1].isspace() or shown[-1].isspace():
        return False
    return not (NO_SPACES.match(shown[-1]) or NO_SPACES.match(following[:1]))


def _build_causal(
    tokenizer: PreTrainedTokenizerBase, question: _Question, multi_mask: bool, decoder_start: int | None
) -> Query:
    """Prompt tokens, then all but the last answer token; output p - 1 predicts the answer's first one."""
    del multi_mask, decoder_start
    _check_causal(question)
    full, first, _ = _encode_in_context(tokenizer, question)
    if all(full.added[:first]):
        raise question.refuse("blank-at-start", "the text left of the blank has no token")
    answer_ids = full.ids[first:]
    replaceable = tuple(place for place in _replaceable(tokenizer, full, first) if _is_own(question, full, place))
    return Query(
        prompt=question.prompt,
        answer=question.answer,
        input_ids=full.ids[:-1],
        target_positions=tuple(range(first - 1, first - 1 + len(answer_ids))),
        answer_ids=answer_ids,
        replaceable=replaceable,
        words=_words(question.filled, full, replaceable),
        subject=_subject(question.filled, question.border, question, full, replaceable),
    )


def _in_chat(tokenizer: PreTrainedTokenizerBase, question: _Question) -> _Question:
    """The question as the user's turn of a chat; the answer begins the assistant's."""
    _check_causal(question)
    left, join = in_chat(tokenizer, question.left)
    begin = left.rfind(question.left)
    own = None if begin < 0 else (begin, begin + len(question.left))
    return replace(question, left=left, join=join, own=own)


def _is_own(question: _Question, encoding: _Encoding, place: int) -> bool:
    """Whether a token holds some of the prompt's own text."""
    if encoding.offsets is None or question.own is None:
        return True
    (start, end), (begin, stop) = encoding.offsets[place], question.own
    return start < stop and end > begin


def _check_causal(question: _Question) -> None:
    """Refuse what a causal model cannot go on from."""
    if any(not _is_closing(character) for character in question.right):
        raise question.refuse(
            "blank-not-at-end",
            f"a causal model cannot read {shown(question.right.strip(), _SHOWN)} right of the blank; "
            "ask with a pattern that ends with the blank, for instance a question",
        )
    if not question.left.strip():
        raise question.refuse("blank-at-start", "a causal model needs text left of the blank")


def _is_closing(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] in "PZ"


def _build_cloze(
    tokenizer: PreTrainedTokenizerBase, question: _Question, multi_mask: bool, decoder_start: int | None
) -> Query:
    """The whole sentence with one mask per answer token; the outputs at the masks predict them."""
    del decoder_start
    if tokenizer.mask_token is None or tokenizer.mask_token_id is None:
        raise BadModel("the tokenizer has no mask token, so a cloze question cannot be asked with it")
    before, answer_ids = _clean_answer(tokenizer, question)
    if len(answer_ids) > 1 and not multi_mask:
        tokens = tokenizer.convert_ids_to_tokens(list(answer_ids))
        raise question.refuse(
            "several-answer-tokens",
            f"the answer has {len(answer_ids)} tokens {tokens}; multi_mask (--multi-mask) asks them all",
        )
    mark = str(tokenizer.mask_token), int(tokenizer.mask_token_id), len(answer_ids)
    text, encoding, positions = _encode_blank(tokenizer, question, before, mark)
    replaceable = _replaceable(tokenizer, encoding, len(encoding.ids))
    return Query(
        prompt=question.prompt,
        answer=question.answer,
        input_ids=encoding.ids,
        target_positions=positions,
        answer_ids=answer_ids,
        replaceable=replaceable,
        words=_words(text, encoding, replaceable),
        subject=_subject(text, len(text), question, encoding, replaceable),
    )


def _build_encoder_decoder(
    tokenizer: PreTrainedTokenizerBase, question: _Question, multi_mask: bool, decoder_start: int | None
) -> Query:
    """The sentence with its blank for the encoder, and for the decoder what it was trained to write there.

    Like T5, with a sentinel: start, sentinel, answer. Like BART, with one mask for any number of tokens: start, and the
    text over again up to the answer.
    """
    del multi_mask
    start = tokenizer.pad_token_id if decoder_start is None else decoder_start
    if start is None:
        raise BadModel("the tokenizer has no padding token and the model names no start for its decoder")
    before, answer_ids = _clean_answer(tokenizer, question)
    name, blank, written = _blank_of(tokenizer, before)
    text, encoding, positions = _encode_blank(tokenizer, question, before, (name, blank, 1))
    replaceable = _replaceable(tokenizer, encoding, len(encoding.ids))
    return Query(
        prompt=question.prompt,
        answer=question.answer,
        input_ids=encoding.ids,
        # Each output predicts the next token: that of the last one written, the answer's first.
        target_positions=tuple(range(len(written), len(written) + len(answer_ids))),
        answer_ids=answer_ids,
        replaceable=replaceable,
        words=_words(text, encoding, replaceable),
        subject=_subject(text, len(text), question, encoding, replaceable),
        decoder_input_ids=(int(start), *written, *answer_ids[:-1]),
        encoder_position=positions[0],
    )


def _blank_of(tokenizer: PreTrainedTokenizerBase, before: tuple[int, ...]) -> tuple[str, int, tuple[int, ...]]:
    """What stands in the blank of an encoder's text, its id, and what the decoder has written before the answer."""
    sentinel = tokenizer.convert_tokens_to_ids(SENTINEL)
    if isinstance(sentinel, int) and sentinel != tokenizer.unk_token_id:
        return SENTINEL, sentinel, (sentinel,)
    if tokenizer.mask_token is None or tokenizer.mask_token_id is None:
        raise BadModel(
            f"the tokenizer has neither {SENTINEL} nor a mask, so an encoder-decoder cannot be asked with it"
        )
    return str(tokenizer.mask_token), int(tokenizer.mask_token_id), before


def _clean_answer(tokenizer: PreTrainedTokenizerBase, question: _Question) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens before the answer and the answer's in context; a mask or a sentinel must stand for just the latter."""
    full, first, clean = _encode_in_context(tokenizer, question)
    if not clean:
        token = tokenizer.convert_ids_to_tokens(full.ids[first])
        raise question.refuse(
            "answer-merges-with-text",
            f"the token {token!r} holds text of both, so no blank can stand for the answer",
        )
    return full.ids[:first], full.ids[first:]


def _encode_blank(
    tokenizer: PreTrainedTokenizerBase, question: _Question, before: tuple[int, ...], mark: tuple[str, int, int]
) -> tuple[str, _Encoding, tuple[int, ...]]:
    """The text with the blank's mark (text, token, how often), its encoding, and where the mark's tokens stand.

    A space stands before the mark unless the mark would not take it in: a lone space would be a token that the filled
    text has not, as the answer has its own.
    """
    name, blank, count = mark
    texts = [question.left + join + name * count + question.right for join in dict.fromkeys((question.join, ""))]
    encoded = [(text, _encode(tokenizer, text)) for text in texts]
    fitting = (each for each in encoded if each[1].ids[: len(before) + 1] == (*before, blank))
    text, encoding = next(fitting, encoded[0])
    positions = tuple(i for i, token in enumerate(encoding.ids) if token == blank)
    if len(positions) != count:
        raise question.refuse(
            "blank-not-unique",
            f"{len(positions)} blank tokens in the text where {count} must be; remove the others",
        )
    return text, encoding, positions


_KINDS: dict[str, Callable[[PreTrainedTokenizerBase, _Question, bool, int | None], Query]] = {
    "causal": _build_causal,
    "cloze": _build_cloze,
    "encoder-decoder": _build_encoder_decoder,
}

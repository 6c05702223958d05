"""Tokenizers of every make, over many answers: nothing of the text is lost, moved or invented."""

import unicodedata
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.errors import NotAskable
from factneurons.facts.types import Prompt
from factneurons.models.query import build_query

ANSWERS = (
    *(
        "Paris",
        "paris",
        "PARIS",
        "New York",
        "São Paulo",
        "Zürich",
        "Brasília",
        "Łódź",
        "Œuvre",
        "naïve café",
    ),
    *("Sa\u0303o", "İstanbul", "straße", "O'Hare", "isn't", "Saint-Denis", "Washington, D.C.", "U.S.A."),
    *("1998", "3.14", "-7", "100%", "$5", "50 °C", "x²", "½", "№ 5", "C++", "a/b", "e-mail@example.org"),
    *(
        "巴黎",
        "中国",
        "北京市",
        "法国 巴黎",
        "“巴黎”",
        "東京",
        "とうきょう",
        "서울",
        "กรุงเทพ",
        "Москва",
        "Αθήνα",
    ),
    *(
        "باريس",
        "القاهرة",
        "مَدينة",
        "ירושלים",
        "नई दिल्ली",
        "🍕",
        "👩‍👩‍👧",
        "🇫🇷",
        "e\u0301",
        "ﬁn",
        "Ⅷ",
        "Ｔｏｋｙｏ",
    ),
    *(
        "(Paris)",
        "“Paris”",
        "...",
        "!",
        "—",
        "&amp;",
        "<b>",
        "</div>",
        "\\n",
        "tab\there",
        "two\nlines",
        "___",
    ),
)
SPACED = tuple(f"{before}{answer}{after}" for answer, (before, after) in product(ANSWERS, [("", ""), (" ", "")]))
EMPTY = ("", " ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u200b", "\u200d\ufe0f"[:1], "\ufeff")
PROMPTS = (
    "The capital of France is ___.",
    "The capital of France is___",
    "法国的首都是___。",
    "He said: “___”.",
    "عاصمة فرنسا هي ___",
    "Q: where?\n___",
    "It isn't (___)",
)
LOSSLESS = ("gpt2", "roberta", "llama")
CAUSAL = (*LOSSLESS, "wordpiece", "wordpiece-words", "t5")


def whole_text(prompt: str, answer: str) -> str:
    left = Prompt(prompt).left
    return left.rstrip(" ") + (" " if left.endswith(" ") else "") + answer.strip()


def squeezed(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def ask(tokenizer, kind, prompt, answer):
    """The query, or the reason why there is none."""
    try:
        return build_query(tokenizer, kind, Prompt(prompt), answer, multi_mask=True)
    except NotAskable as error:
        return error.reason


def opening(tokenizer, text):
    """The token ids of a text that goes on: with BOS, without EOS."""
    ids = tokenizer(text)["input_ids"]
    closing = len(tokenizer("")["input_ids"]) - (tokenizer("a")["input_ids"][0] in tokenizer.all_special_ids)
    return tuple(ids[: len(ids) - closing])


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_causal_matrix(tiny_tokenizer, kind, prompt):
    tokenizer = tiny_tokenizer(kind)
    asked = 0
    for answer in SPACED:
        query = ask(tokenizer, "causal", prompt, answer)
        if isinstance(query, str):
            assert query in {"answer-has-no-token", "answer-has-unknown-token"}, (answer, query)
            assert kind not in LOSSLESS or query == "answer-has-no-token"
            continue
        asked += 1
        text = whole_text(prompt, answer)
        first = query.target_positions[0] + 1
        ids = query.input_ids[:first] + query.answer_ids
        assert ids == opening(tokenizer, text), answer
        assert query.input_ids == ids[:-1]
        assert not set(query.answer_ids) & set(tokenizer.all_special_ids)
        decoded = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if kind in LOSSLESS:
            assert decoded == text
        elif tokenizer.unk_token_id not in ids:
            assert squeezed(decoded).replace("##", "") == squeezed(text)
        assert tokenizer.decode(query.answer_ids).strip(), answer
    assert asked > len(SPACED) / 6


@pytest.mark.parametrize("kind", LOSSLESS)
def test_few_answers_are_lost_to_merges(tiny_tokenizer, kind):
    tokenizer = tiny_tokenizer(kind)
    reasons = [ask(tokenizer, "causal", prompt, answer) for prompt in PROMPTS for answer in ANSWERS]
    assert sum(isinstance(reason, str) for reason in reasons) < len(reasons) / 50


@pytest.mark.parametrize(
    ("kind", "blank"), [("wordpiece", "[MASK]"), ("wordpiece-words", "[MASK]"), ("roberta", "<mask>")]
)
@pytest.mark.parametrize("prompt", [*PROMPTS, "___ is the capital of France.", "法国___首都"])
def test_cloze_matrix(tiny_tokenizer, kind, blank, prompt):
    tokenizer = tiny_tokenizer(kind)
    asked = 0
    for answer in SPACED:
        query = ask(tokenizer, "cloze", prompt, answer)
        if isinstance(query, str):
            assert query in {"answer-has-no-token", "answer-has-unknown-token", "answer-merges-with-text"}
            continue
        asked += 1
        count = len(query.answer_ids)
        assert query.input_ids == tuple(tokenizer(prompt.replace("___", blank * count))["input_ids"])
        assert [query.input_ids[i] for i in query.target_positions] == [tokenizer.mask_token_id] * count
        decoded = tokenizer.decode(query.answer_ids, clean_up_tokenization_spaces=False)
        assert squeezed(decoded).replace("##", "") == squeezed(answer)
        assert not set(query.replaceable) & set(query.target_positions)
    assert asked > len(SPACED) / 6


@pytest.mark.parametrize("prompt", [*PROMPTS, "___ is the capital of France."])
def test_encoder_decoder_matrix(tiny_tokenizer, prompt):
    tokenizer = tiny_tokenizer("t5")
    for answer in SPACED:
        query = ask(tokenizer, "encoder-decoder", prompt, answer)
        if isinstance(query, str):
            assert query in {"answer-has-no-token", "answer-has-unknown-token", "answer-merges-with-text"}
            continue
        assert query.input_ids == tuple(tokenizer(prompt.replace("___", "<extra_id_0>"))["input_ids"])
        assert squeezed(tokenizer.decode(query.answer_ids)) == squeezed(answer)
        assert len(query.decoder_input_ids) == len(query.answer_ids) + 1


@pytest.mark.parametrize(
    ("kind", "model"),
    [("wordpiece", "cloze"), ("gpt2", "causal"), ("llama", "causal"), ("t5", "encoder-decoder")],
)
@pytest.mark.parametrize("answer", EMPTY)
def test_empty_answers(tiny_tokenizer, kind, model, answer):
    assert ask(tiny_tokenizer(kind), model, "Paris is in ___", answer) == "empty-answer"


def test_the_answers_are_many():
    assert len(SPACED) + len(EMPTY) >= 140
    assert len(set(ANSWERS)) == len(ANSWERS)


LETTERS = st.text(
    st.one_of(st.sampled_from("aeist rnPBF.,:'\"(“-é京国是首都巴黎\n\t "), st.characters(exclude_categories=("Cs",))),
    min_size=1,
    max_size=12,
).filter(lambda text: not set("_<[") & set(text))


@settings(max_examples=300, deadline=None)
@given(left=LETTERS, answer=LETTERS, kind=st.sampled_from(LOSSLESS))
def test_joins(tiny_tokenizer, left, answer, kind):
    """Spaces at the border count once, whoever wrote them; what is asked is the text's own encoding."""
    tokenizer = tiny_tokenizer(kind)
    query = ask(tokenizer, "causal", f"{left} ___", answer)
    assert ask(tokenizer, "causal", f"{left}  ___.", f" {answer} ") == query or not isinstance(query, str)
    if isinstance(query, str):
        return
    again = ask(tokenizer, "causal", f"{left}  ___.", f" {answer} ")
    assert (again.input_ids, again.answer_ids) == (query.input_ids, query.answer_ids)
    text = f"{left.rstrip(chr(32) + chr(9) + chr(160))} {answer.strip()}"
    assert query.input_ids + query.answer_ids[-1:] == opening(tokenizer, text)
    assert tokenizer.decode(query.input_ids + query.answer_ids[-1:], skip_special_tokens=True) == text.lstrip(
        " " if kind == "llama" else ""
    )


@settings(max_examples=200, deadline=None)
@given(left=LETTERS, right=LETTERS, answer=LETTERS, kind=st.sampled_from(["wordpiece", "roberta"]))
def test_cloze_joins(tiny_tokenizer, left, right, answer, kind):
    tokenizer = tiny_tokenizer(kind)
    query = ask(tokenizer, "cloze", f"{left}___{right}", answer)
    if isinstance(query, str):
        assert query in {
            "answer-has-no-token",
            "answer-has-unknown-token",
            "answer-merges-with-text",
            "empty-answer",
        }
        return
    assert len(query.target_positions) == len(query.answer_ids) > 0
    assert sorted(query.replaceable) == sorted(position for word in query.words for position in word)
    again = ask(tokenizer, "cloze", f"{left}___{right}", f" {answer} ")
    assert (again.input_ids, again.answer_ids) == (query.input_ids, query.answer_ids)

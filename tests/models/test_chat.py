"""Chat models are asked as their template says, and what has none is refused in one line."""

from __future__ import annotations

import copy

import pytest

import factneurons as fn
from factneurons.errors import BadModel, BadRun
from factneurons.models.chat import check_chat, in_chat
from factneurons.models.load import load_model
from factneurons.models.query import build_query, prompt_ids

TEMPLATE = (
    "{% for turn in messages %}<|{{ turn.role }}|>\n{{ turn.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
SPACED = (  # as LLaMA 2 has it
    "{% for turn in messages %}{% if turn.role == 'user' %}[INST] {{ turn.content }} [/INST]"
    "{% else %} {{ turn.content }} {% endif %}{% endfor %}"
)
PROMPT = "The capital of France is ___."


@pytest.fixture
def tokenizer(tiny_tokenizer):
    """tokenizer(template, kind): a tiny tokenizer with a chat template."""

    def make(template, kind="gpt2"):
        made = copy.deepcopy(tiny_tokenizer(kind))
        made.chat_template = template
        return made

    return make


def text(tokenizer, ids):
    return tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def test_the_answer_begins_the_turn_of_the_assistant(tokenizer):
    made = tokenizer(TEMPLATE)
    query = build_query(made, "causal", PROMPT, "Paris", chat=True)
    asked = "<|user|>\nThe capital of France is<|end|>\n<|assistant|>\n"
    first = len(query.input_ids) - len(query.answer_ids) + 1
    assert text(made, query.input_ids[:first]) == asked
    assert text(made, query.answer_ids) == "Paris"
    assert query.target_positions[0] == first - 1
    assert prompt_ids(made, PROMPT, chat=True) == query.input_ids[:first]
    assert query.prompt.text == PROMPT


def test_the_space_that_a_template_puts_is_the_answers(tokenizer):
    made = tokenizer(SPACED)
    assert in_chat(made, "Where?") == ("[INST] Where? [/INST]", " ")
    assert text(made, build_query(made, "causal", PROMPT, "Paris", chat=True).answer_ids) == " Paris"


def test_bos_is_written_once(tokenizer):
    made = tokenizer("{{ bos_token }}" + SPACED, "llama")
    ids = build_query(made, "causal", PROMPT, "Paris", chat=True).input_ids
    assert ids.count(made.bos_token_id) == 1
    assert ids[0] == made.bos_token_id


def test_only_the_prompts_own_words_may_be_replaced(tokenizer):
    made = tokenizer(TEMPLATE)
    query = build_query(made, "causal", PROMPT, "Paris", subject="France", chat=True)
    assert text(made, [query.input_ids[place] for place in query.replaceable]).strip() == "The capital of France is"
    assert text(made, [query.input_ids[place] for place in query.subject]).strip() == "France"


def test_no_thinking_and_the_same_day_every_day(tokenizer):
    made = tokenizer(
        "{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}{% if enable_thinking %}<think>{% endif %}"
    )
    left, _ = in_chat(made, "Where?")
    assert left == "26 Jul 2024 Where?"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (None, "has no chat template"),
        ("{{ messages[0].no.such.thing }}", "cannot write a question"),
        ("{% for", "cannot write a question"),
        ("{{ raise_exception('no system\nprompt') }}", "cannot write a question: no system"),
        ("hello", "does not write what the user says"),
        ("{{ messages.__class__.__base__.__subclasses__() }}", "cannot write a question"),
    ],
)
def test_refused(tokenizer, template, said):
    with pytest.raises(BadModel, match=said) as caught:
        check_chat("m", "causal", tokenizer(template))
    assert "\n" not in str(caught.value)


def test_no_chat_with_a_masked_model(tokenizer):
    with pytest.raises(BadModel, match="only causal models have a chat"):
        check_chat("m", "cloze", tokenizer(TEMPLATE, "wordpiece"))


def test_a_run_is_asked_as_it_was_begun(tokenizer, tiny_model_folder, tmp_path):
    folder = tiny_model_folder("gpt2", tmp_path)
    with pytest.raises(BadModel, match="has no chat template"):
        load_model(folder, chat=True)
    tokenizer(TEMPLATE).save_pretrained(folder)
    facts = "bundled?relation=capital&lang=en"
    model = load_model(folder, chat=True)
    run = fn.run_locate(model, facts, tmp_path / "run", limit=1)
    assert run.manifest.model["chat"] is True
    again = fn.model_of(tmp_path / "run")
    assert again.backbone.chat
    assert again.query(PROMPT, "Paris") == model.query(PROMPT, "Paris")
    assert len(fn.generate(again, [PROMPT], tokens=2)) == 1
    with pytest.raises(BadRun, match="chat"):
        fn.run_locate(load_model(folder), facts, tmp_path / "run", limit=1)

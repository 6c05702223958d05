"""Statements that are written as the facts' prompts say are read back; whatever else is written is counted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.factcheck.parsing import REASONS, Parser, pattern_of
from factneurons.facts.types import Fact, Prompt

PATTERNS = ("The capital of [X] is ___.", "___ is the seat of [X].", "Which city governs [X]? ___")
ZH = ("[X]的首都是___。", "[X]定都于___")


def fact(subject, patterns=PATTERNS, relation="capital", language="en", **more):
    prompts = tuple(Prompt(pattern.replace("[X]", subject)) for pattern in patterns)
    return Fact(f"{relation}/{subject}", relation, subject, "Paris", language, prompts, **more)


FACTS = [
    fact("France"),
    fact("Italy"),
    fact("法国", ZH, language="zh"),
    Fact("Ada/2014", "team", "Ada Vale", "FC Foo", "en", (Prompt("In 2014, Ada Vale plays for ___."),), date="2014"),
]
PARSER = Parser(FACTS)
WORDS = st.text(st.characters(categories=("L",)), min_size=1, max_size=12)
NAMES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)


def read(text):
    return next(iter(PARSER.read([text])))


@given(NAMES, NAMES, st.sampled_from(PATTERNS), st.booleans())
def test_what_a_pattern_says_is_read_back(subject, candidate, pattern, bare):
    text = pattern.replace("[X]", subject).replace("___", candidate)
    line = read(text.rstrip(".") if bare else text)
    assert line.statement is not None
    assert line.statement.group == ("capital", "en")
    said = line.statement.text.rstrip(".").casefold()
    assert said == " ".join(text.split()).rstrip(".").casefold()


@given(st.sampled_from(["France", "Italy"]), NAMES, st.sampled_from(PATTERNS))
def test_a_known_subject_is_recognised_whatever_its_letters(subject, candidate, pattern):
    line = read(pattern.replace("[X]", subject.upper()).replace("___", candidate))
    assert (line.statement.subject, line.statement.candidate) == (subject, candidate)


@given(NAMES)
def test_chinese(candidate):
    line = read(f"法国的首都是{candidate}。")
    assert (line.statement.group, line.statement.subject) == (("capital", "zh"), "法国")
    assert line.statement.candidate == candidate


@given(st.text(max_size=80))
def test_any_line_is_a_statement_or_has_a_reason(text):
    for line in PARSER.read([text]):
        assert (line.statement is None) == bool(line.reason)
        assert not line.reason or line.reason in REASONS
        assert "\n" not in line.detail


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), st.lists, max_leaves=4), NAMES)
def test_any_json_is_a_statement_or_has_a_reason(value, candidate):
    for record in ({"prompt": value, "candidate": candidate}, {"prompt": "The capital of Italy is ___.", "x": value}):
        line = read(json.dumps(record))
        assert (line.statement is None) == bool(line.reason)


def test_years():
    line = read("in 2011, Ada Vale plays for FC Baz")
    assert line.statement.group == ("team", "en")
    assert line.statement.prompt.text == "In 2011, Ada Vale plays for ___."
    assert line.statement.candidate == "FC Baz"


def test_json_lines():
    statement = read('{"prompt": "The capital of Italy is [MASK].", "candidate": " Rome "}').statement
    assert (statement.subject, statement.candidate, statement.relation) == ("Italy", "Rome", "capital")
    own = {"prompt": "Rome, or ___?", "candidate": "Milan", "relation": "capital"}
    assert read(json.dumps(own)).statement.prompt.text == "Rome, or ___?"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I like cheese.", "unknown-relation"),
        ('{"prompt": "I like ___.", "candidate": "cheese"}', "unknown-relation"),
        ('{"prompt": "I like ___.", "candidate": "cheese", "relation": "taste"}', "unknown-relation"),
        ("{", "not-json"),
        ('{"prompt": "a ___"}', "wrong-fields"),
        ('{"prompt": "a ___", "candidate": 3}', "wrong-fields"),
        ('{"prompt": "a ___", "candidate": "b", "source": "c"}', "wrong-fields"),
        ('{"prompt": "a ___ ___", "candidate": "b"}', "bad-prompt"),
        ("The capital of ___ is Rome.", "bad-prompt"),
        ("The capital of Italy is ___.", "no-candidate"),
        ("The capital of Italy is " + 1000 * "a", "too-long"),
    ],
)
def test_reasons(text, reason):
    line = read(text)
    assert line.reason == reason
    assert line.detail.startswith(REASONS[reason])


def test_lines_keep_their_numbers():
    lines = list(PARSER.read(["", "  ", "The capital of Italy is Rome", "nonsense"]))
    assert [(line.number, line.reason) for line in lines] == [(3, ""), (4, "unknown-relation")]


def test_a_statement_that_cannot_be_asked_is_worded_anew(gpt2):
    lines = list(Parser(FACTS, gpt2).read(["Rome is the seat of Italy.", "FC Foo"]))
    assert lines[0].statement.prompt.text == "The capital of Italy is ___."
    assert lines[0].statement.candidate == "Rome"
    alone = Parser([fact("Italy", PATTERNS[1:2])], gpt2)
    assert [line.reason for line in alone.read(["Rome is the seat of Italy."])] == ["blank-not-at-end"]


def test_prompts_that_do_not_name_their_subject_once_are_no_patterns():
    assert pattern_of(Prompt("It is in ___."), "France") is None
    assert pattern_of(Prompt("France is France, or ___."), "France") is None


@pytest.mark.parametrize(
    "text",
    [
        "The capital of France is “Paris”.",
        "the capital of france is paris",
        'The capital of "France" is "Paris."',
        "“The capital of France is Paris.”",
        "The capital of France is «PARIS»",
        '{"prompt": "the capital of france is ___", "candidate": "paris"}',
    ],
)
def test_known_names_are_read_as_the_facts_write_them(text):
    statement = read(text).statement
    assert (statement.subject, statement.candidate) == ("France", "Paris")
    assert statement.prompt.text == "The capital of France is ___."


def test_a_name_that_no_fact_has_keeps_its_letters():
    assert read("The capital of France is “lyon”.").statement.candidate == "lyon"
    assert read("The capital of France is Côte d'Ivoire's.").statement.candidate == "Côte d'Ivoire's"

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from factneurons.errors import BadFact
from factneurons.facts.fields import Fields
from factneurons.facts.formats.own import FIELDS, SCHEMA, fact_from_fields
from factneurons.facts.problems import REASONS, BadRecord, Skipped
from factneurons.facts.reading import Reading
from factneurons.facts.source import FactSource, load_facts
from factneurons.facts.types import Fact, Prompt
from factneurons.facts.writing import write_jsonl
from reliability import Trial

IN_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
DOCS = Path(__file__).parents[3] / "docs" / "facts.md"

DEFINITION = json.loads(SCHEMA.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(DEFINITION)

BEYOND_THE_SCHEMA = {"wrong_answer_is_right", "encoding"}
"""What no JSON schema can say: that two fields differ, and that a text has no half surrogate pairs."""

TEXT = st.sampled_from(["Barville", "B", " ", "", "a\0", "\ud800", "城", "___", " x\n"]) | st.text(max_size=4)
PROMPT = st.lists(
    st.sampled_from(["___", "____", "______", "_", "[MASK]", "<mask>", "<extra_id_0>", "a", " ", "\n", ".", ""]),
    max_size=5,
).map("".join)
ANYTHING = TEXT | st.none() | st.integers() | st.booleans() | st.lists(TEXT, max_size=2) | st.dictionaries(TEXT, TEXT)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(good, good, good, ANYTHING)


RECORDS = st.fixed_dictionaries(
    {
        "id": mostly(st.just("i")),
        "relation": mostly(st.just("r")),
        "subject": mostly(st.just("s")),
        "answer": mostly(TEXT),
        "prompts": mostly(st.lists(PROMPT, max_size=3)),
    },
    optional={
        "language": mostly(st.just("zh")),
        "date": mostly(TEXT),
        "aliases": mostly(st.lists(TEXT, max_size=2)),
        "wrong_answers": mostly(st.lists(TEXT, max_size=2)),
        "translations": mostly(st.dictionaries(TEXT, TEXT, max_size=2)),
        "_note": ANYTHING,
        "other": ANYTHING,
    },
)
DROPPED = st.sets(st.sampled_from(FIELDS), max_size=1)


def test_a_line_becomes_a_fact_with_all_its_fields(record: dict[str, Any], write: Callable[..., Path]) -> None:
    path = write("facts.jsonl", [record])
    (fact,) = load_facts(path)
    assert fact == Fact(
        id="capital/fooland",
        relation="capital",
        subject="Fooland",
        answer="Barville",
        language="en",
        prompts=(Prompt("The capital of Fooland is ___."), Prompt("___ is the capital of Fooland.")),
        date="2014",
        aliases=("Barville City",),
        wrong_answers=("Bazton",),
        translations={"zh": "capital/fooland-zh"},
    )
    assert fact.source == f"{path}:1"


def test_what_is_optional_may_be_missing_or_null(record: dict[str, Any], write: Callable[..., Path]) -> None:
    optional = ("language", "date", "aliases", "wrong_answers", "translations")
    without = {name: value for name, value in record.items() if name not in optional}
    null = {**without, **dict.fromkeys(optional), "id": "other", "_note": 5}
    one, other = load_facts(write("facts.jsonl", [without, null]))
    for fact in (one, other):
        assert (fact.language, fact.date, fact.aliases, fact.wrong_answers) == ("en", None, (), ())


WRONG_FIELDS: list[tuple[str, Any, str, str]] = [
    ("id", None, "wrong_type", "must be a text, not null"),
    ("id", 7, "wrong_type", "must be a text, not a number: 7"),
    ("answer", "", "empty_field", "'answer' is empty"),
    ("answer", " \t", "empty_field", "'answer' is empty"),
    ("answer", "a\0b", "encoding", "NUL"),
    ("answer", "\ud800", "encoding", "surrogate"),
    ("subject", ["Fooland"], "wrong_type", "not a list"),
    ("date", 2014, "wrong_type", "'date' must be a text, not a number: 2014"),
    ("prompts", "It is ___", "wrong_type", "must be a list"),
    ("prompts", [], "no_prompt", "no prompt"),
    ("prompts", [{"text": "___"}], "wrong_type", "not an object"),
    ("prompts", ["No blank."], "blank_count", "exactly one blank (___), this one has none: 'No blank.'"),
    ("prompts", ["___ and ___"], "blank_count", "this one has 2"),
    ("prompts", ["[MASK] and ___"], "blank_count", "this one has 2"),
    ("aliases", "Barville", "wrong_type", "must be a list"),
    ("aliases", [""], "empty_field", "'aliases' is empty"),
    ("wrong_answers", ["Barville"], "wrong_answer_is_right", "'Barville' is also given as a right one"),
    ("wrong_answers", ["Barville City"], "wrong_answer_is_right", "right one"),
    ("translations", ["zh"], "wrong_type", "must be an object"),
    ("translations", {"zh": 1}, "wrong_type", "'translations.zh' must be a text"),
    ("answr", "Barville", "unknown_field", "no field is called 'answr'; valid are"),
]


@pytest.mark.parametrize(("name", "value", "reason", "text"), WRONG_FIELDS)
def test_a_wrong_field_is_one_clear_line_with_file_and_line(
    name: str, value: Any, reason: str, text: str, record: dict[str, Any], write: Callable[..., Path]
) -> None:
    good = {**record, "id": "good"}
    path = write("facts.jsonl", [good, {**record, name: value}, {**record, "id": "last"}])
    with pytest.raises(BadFact) as caught:
        list(load_facts(path))
    message = str(caught.value)
    assert message.startswith(f"{path}:2: ")
    assert text in message
    assert "\n" not in message
    message.encode()
    seen: list[Skipped] = []
    source = load_facts(path, skip_bad=True, on_skip=seen.append)
    assert [fact.id for fact in source] == ["good", "last"]
    assert source.skipped == {reason: 1}
    assert [(skipped.source, skipped.reason) for skipped in seen] == [(f"{path}:2", reason)]


@pytest.mark.parametrize("name", ["id", "relation", "subject", "answer", "prompts"])
def test_a_missing_field_is_named(name: str, record: dict[str, Any], write: Callable[..., Path]) -> None:
    del record[name]
    path = write("facts.jsonl", [record])
    with pytest.raises(BadFact, match=f"facts.jsonl:1: .*the field {name!r} is missing"):
        list(load_facts(path))


def test_the_fact_is_named_once_its_id_is_known(record: dict[str, Any], write: Callable[..., Path]) -> None:
    path = write("facts.jsonl", [{**record, "answer": ""}])
    with pytest.raises(BadFact, match=r"facts.jsonl:1: fact 'capital/fooland': the field 'answer' is empty"):
        list(load_facts(path))


def test_everything_before_a_bad_line_is_handed_on(record: dict[str, Any], write: Callable[..., Path]) -> None:
    path = write("facts.jsonl", json.dumps(record) + '\n{"id": "x", "rela')
    facts = iter(load_facts(path))
    assert next(facts).id == "capital/fooland"
    with pytest.raises(BadFact, match=r"facts.jsonl:2: no valid JSON.*was the line cut off\?"):
        next(facts)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "x"', "unreadable"),
        (b"\xef\xbb\xbf{}", "encoding"),
        (b'{"id": "\x00"}', "encoding"),
        (b'{"id": "\xff"}', "encoding"),
        (b'{"id": "\\ud800"}', "encoding"),
        (b'{"id": "x", "id": "y"}', "duplicate_field"),
        (b'{"id": NaN}', "not_a_number"),
        (b"[" * 100_000, "too_deep"),
        (b'{"id": "' + b"x" * (16 * 2**20) + b'"}', "too_long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unreadable_line_is_one_clear_line_and_the_rest_goes_on(
    line: bytes, reason: str, record: dict[str, Any], write: Callable[..., Path]
) -> None:
    good = json.dumps(record).encode()
    path = write("facts.jsonl", good + b"\n" + line + b"\n" + good.replace(b"fooland", b"barland"))
    with pytest.raises(BadFact) as caught:
        list(load_facts(path))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert len(str(caught.value)) < len(str(path)) + 200
    source = load_facts(path, skip_bad=True)
    assert [fact.id for fact in source] == ["capital/fooland", "capital/barland"]
    assert source.skipped == {reason: 1}


def test_a_line_that_is_no_object_is_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(BadFact, match="a record must be an object, not a list"):
        list(load_facts(write("facts.jsonl", "[1]\n")))


def test_an_id_may_come_once_per_language(
    record: dict[str, Any], write: Callable[..., Path], adds_up: Callable[[FactSource], None]
) -> None:
    path = write("facts.jsonl", [record, {**record, "language": "zh"}, record])
    with pytest.raises(BadFact, match=r"facts.jsonl:3: fact 'capital/fooland': this id was already there"):
        list(load_facts(path))
    source = load_facts(path, skip_bad=True)
    assert [fact.language for fact in source] == ["en", "zh"]
    assert source.skipped == {"duplicate_fact": 1}
    adds_up(source)


def test_a_prompt_that_comes_twice_is_asked_once_and_counted(
    record: dict[str, Any], write: Callable[..., Path]
) -> None:
    record["prompts"] = ["It is ___.", "It is [MASK].", "Is it? ___"]
    seen: list[Skipped] = []
    source = load_facts(write("facts.jsonl", [record]), on_skip=seen.append)
    (fact,) = source
    assert [prompt.text for prompt in fact.prompts] == ["It is ___.", "Is it? ___"]
    assert source.skipped_parts == {"duplicate_prompt": 1}
    assert seen[0].prompt == "It is ___."


BYTES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"{}", b"[]", b'{"id": "x"}', b"NaN", b'"', b"\xef\xbb\xbf{}", b"\x00"]),
    st.dictionaries(
        st.sampled_from(["id", "relation", "subject", "answer", "prompts", "language", "date"]),
        st.sampled_from(["x", "", "___", ["a ___"], ["a"], None, 1, ["___", "[MASK]"]]),
    ).map(lambda record: json.dumps(record).encode()),
)


def facts_or_counted_reasons(path: Path, adds_up: Callable[[FactSource], None]) -> dict[str, int]:
    """Read a file both ways: with what is bad left out, and stopping there. Returns what was left out, by reason."""
    seen: list[Skipped] = []
    source = load_facts(path, skip_bad=True, on_skip=seen.append)
    facts = list(source)
    adds_up(source)
    assert len(facts) == source.read
    assert len(seen) == sum(source.skipped.values()) + sum(source.skipped_parts.values())
    assert set(source.skipped) <= set(REASONS)
    if source.skipped:
        with pytest.raises(BadFact, match=rf"^{path}:\d+: ") as caught:
            list(load_facts(path))
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < len(str(path)) + 400
    else:
        assert list(load_facts(path)) == facts
    return dict(source.skipped)


@pytest.mark.trial("fuzzed records")
def test_arbitrary_bytes_give_facts_or_counted_reasons(
    tmp_path: Path, adds_up: Callable[[FactSource], None], trial: Trial
) -> None:
    path = tmp_path / "any.jsonl"

    @seed(trial.seed)
    @settings(deadline=None, max_examples=trial.times, database=None, suppress_health_check=list(HealthCheck))
    @given(lines=st.lists(BYTES, max_size=8))
    def any_bytes(lines: list[bytes]) -> None:
        path.write_bytes(b"\n".join(lines))
        facts_or_counted_reasons(path, adds_up)

    any_bytes()


def spoiled(good: bytes) -> dict[str, bytes | None]:
    """Kinds of harm -> the line after it; None where the line is still good."""
    half = len(good) // 2
    return {
        "whole": good,
        "spaces around": b"  " + good + b"\t ",
        "escaped": good.replace(b"Fooland", rb"\u0046ooland"),
        "cut": good[:half],
        "begun late": good[half:],
        "last byte gone": good[:-1],
        "a byte too many": good + b"}",
        "two on a line": good + good,
        "byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"),
        "Latin-1": good.replace(b"Fooland", b"F\xf6land"),
        "NUL byte": good.replace(b"Fooland", b"Foo\x00land"),
        "NUL escaped": good.replace(b"Fooland", rb"Foo\u0000land"),
        "lone surrogate": good.replace(b"Fooland", rb"\ud800"),
        "half an escape": good.replace(b"Fooland", rb"\u12"),
        "overlong UTF-8": good.replace(b"Fooland", b"\xc0\xaf"),
        "control character": good.replace(b"Fooland", b"Foo\x01land"),
        "carriage return inside": good.replace(b"Fooland", b"Foo\rland"),
        "field twice": good.replace(b'{"id"', b'{"id": "x", "id"'),
        "NaN": good.replace(b'"2014"', b"NaN"),
        "Infinity": good.replace(b'"2014"', b"-Infinity"),
        "huge number": good.replace(b'"2014"', b"9" * 5000),
        "huge exponent": good.replace(b'"2014"', b"1e999"),
        "deep lists": good.replace(b'"2014"', b"[" * 5000 + b"]" * 5000),
        "deep objects": good.replace(b'"2014"', b'{"a":' * 5000 + b"1" + b"}" * 5000),
        "single quotes": good.replace(b'"', b"'"),
        "trailing comma": good[:-1] + b",}",
        "comment": good + b" // a capital",
        "list": b"[" + good + b"]",
        "text": b'"' + b"x" * 200 + b'"',
        "null": b"null",
        "empty object": b"{}",
        "no relation": good.replace(b'"relation"', b'"_relation"'),
        "unknown field": good.replace(b'"date"', b'"when"'),
        "null for a text": good.replace(b'"Fooland"', b"null"),
        "object for a text": good.replace(b'"Fooland"', b"{}"),
        "blank subject": good.replace(b"Fooland", b" "),
        "no blank": good.replace(b"___", b"it"),
        "blank twice": good.replace(b"___", b"___ ___"),
        "CSV": b"id,relation,subject,answer,prompts",
        "HTML": b"<!doctype html><title>404 Not Found</title>",
        "a pointer instead of the file": b"version https://git-lfs.github.com/spec/v1",
    }


STILL_GOOD = {"whole", "spaces around", "escaped"}


@pytest.mark.trial("hand-made files")
def test_hand_made_files_give_facts_or_counted_reasons(
    record: dict[str, Any], tmp_path: Path, adds_up: Callable[[FactSource], None], trial: Trial
) -> None:
    """Every kind of harm, as the first, a middle and the last line, with two kinds of line ends."""
    names = [f"capital/{letter}" for letter in "abc"]
    lines = [json.dumps({**record, "id": name}).encode() for name in names]
    made = 0
    for harm, bad in spoiled(json.dumps({**record, "prompts": [record["prompts"][0]]}).encode()).items():
        for place, end in product(range(3), (b"\n", b"\r\n")):
            path = tmp_path / f"{made}.jsonl"
            path.write_bytes(end.join([*lines[:place], bad, *lines[place:]]) + end * (place != 2))
            skipped = facts_or_counted_reasons(path, adds_up)
            ids = [fact.id for fact in load_facts(path, skip_bad=True)]
            assert sum(skipped.values()) == (harm not in STILL_GOOD), (harm, skipped)
            assert [name for name in ids if name in names] == names, harm
            path.unlink()
            made += 1
    assert made >= trial.times
    trial.note(f"{made} files")


@pytest.mark.trial("hand-made files")
def test_a_line_of_50_megabytes_is_left_out_and_never_held(
    record: dict[str, Any], tmp_path: Path, adds_up: Callable[[FactSource], None]
) -> None:
    path, good = tmp_path / "facts.jsonl", json.dumps(record).encode()
    path.write_bytes(good[:-1] + b', "_note": "' + b"x" * 50_000_000 + b'"}\n' + good)
    tracemalloc.start()
    try:
        assert facts_or_counted_reasons(path, adds_up) == {"too_long": 1}
        assert tracemalloc.get_traced_memory()[1] < 48 * 2**20
    finally:
        tracemalloc.stop()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda text: bool(text.strip())
)
PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0_[<"), max_size=12)
FACTS = st.builds(
    Fact,
    id=TEXT,
    relation=TEXT,
    subject=TEXT,
    answer=TEXT,
    language=TEXT,
    prompts=st.lists(
        st.builds(lambda a, b: Prompt(f"{a}___{b}"), PLAIN, PLAIN), min_size=1, max_size=3, unique=True
    ).map(tuple),
    date=st.none() | TEXT,
    aliases=st.lists(TEXT, max_size=2).map(tuple),
    wrong_answers=st.lists(TEXT.map(lambda text: f"wrong {text}"), max_size=2).map(tuple),
    translations=st.dictionaries(TEXT, TEXT, max_size=2),
)


@IN_ONE_FOLDER
@given(facts=st.lists(FACTS, max_size=5, unique_by=lambda fact: (fact.id, fact.language)))
def test_what_is_written_is_read_again(facts: list[Fact], tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    assert write_jsonl(facts, path) == len(facts)
    assert list(load_facts(path)) == facts
    assert [fact.key for fact in load_facts(path)] == [fact.key for fact in facts]


def test_a_large_file_is_never_held_whole(record: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    record["prompts"] = [f"{'x' * 2000} ___"]
    with path.open("w") as file:
        for number in range(10_000):
            file.write(json.dumps({**record, "id": f"fact-{number}"}) + "\n")
    assert path.stat().st_size > 20_000_000
    tracemalloc.start()
    try:
        source = load_facts(path)
        count = sum(1 for _ in source)
        source.sha256()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 10_000
    assert peak < 4_000_000


def test_the_schema_is_a_schema_and_names_the_parsers_fields() -> None:
    jsonschema.Draft202012Validator.check_schema(DEFINITION)
    assert tuple(DEFINITION["properties"]) == FIELDS
    assert all("description" in each for each in DEFINITION["properties"].values())


@settings(max_examples=600, deadline=None)
@given(record=RECORDS, dropped=DROPPED)
def test_schema_and_parser_agree(record: dict[str, Any], dropped: set[str]) -> None:
    record = {name: value for name, value in record.items() if name not in dropped}
    allowed = VALIDATOR.is_valid(record)
    reason = ""
    try:
        fact_from_fields(Fields(record), "here:1", Reading())
    except BadRecord as problem:
        reason = problem.reason
    if allowed:
        assert reason in {"", *BEYOND_THE_SCHEMA}
    else:
        assert reason


@IN_ONE_FOLDER
@given(record=RECORDS)
def test_a_line_through_the_file_gives_the_same(record: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    seen: list[Skipped] = []
    facts = list(load_facts(path, skip_bad=True, on_skip=seen.append))
    reasons = [skipped.reason for skipped in seen if skipped.reason != "duplicate_prompt"]
    assert len(facts) + len(reasons) == 1
    if not facts and not VALIDATOR.is_valid(record):
        with pytest.raises(BadFact):
            list(load_facts(path))


@pytest.mark.parametrize(
    ("prompt", "good"),
    [("It is ___.", True), ("It is _____.", True), ("[MASK]", True), ("It is", False), ("___ [MASK]", False)],
)
def test_examples_of_prompts(prompt: str, good: bool, record: dict[str, Any], write: Callable[..., Path]) -> None:
    record["prompts"] = [prompt]
    assert VALIDATOR.is_valid(record) == good
    assert len(list(load_facts(write("facts.jsonl", [record]), skip_bad=True))) == good


def test_the_example_of_the_docs_is_a_fact(write: Callable[..., Path]) -> None:
    found = re.search(r"```json\n(.*?)\n```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    (fact,) = load_facts(write("example.jsonl", found[1]))
    assert fact.answer == "Paris"

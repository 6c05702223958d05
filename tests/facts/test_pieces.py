from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factneurons.facts import pieces
from factneurons.facts.pieces import lines, members, parse_json
from factneurons.facts.problems import REASONS, BadRecord

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
IN_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def reason_of(read: Callable[[], object]) -> str:
    """The reason a reading is refused for, "" if it is not."""
    try:
        read()
    except BadRecord as problem:
        return problem.reason
    return ""


@pytest.mark.parametrize(
    ("data", "reason", "text"),
    [
        (b'{"a": 1', "unreadable", "cut off"),
        (b'{"a": "b', "unreadable", "cut off"),
        (b"{'a': 1}", "unreadable", "no valid JSON"),
        (b"1" * 5000, "unreadable", "digits"),
        (b"\xef\xbb\xbf{}", "encoding", "byte order mark"),
        (b"\xff\xfe{\x00}\x00", "encoding", "byte order mark"),
        (b'{"a": "\x00"}', "encoding", "NUL"),
        (b'{"a": "\xe9"}', "encoding", "UTF-8"),
        (b"[" * 200_000, "too_deep", "nested"),
        (b'{"a": 1, "a": 2}', "duplicate_field", "'a'"),
        (b'[{"b": {"a": 1, "a": 1}}]', "duplicate_field", "'a'"),
        (b"[NaN]", "not_a_number", "NaN"),
        (b"[-Infinity]", "not_a_number", "Infinity"),
    ],
)
def test_what_is_no_strict_json_is_refused_with_a_reason(data: bytes, reason: str, text: str) -> None:
    with pytest.raises(BadRecord, match=text) as caught:
        parse_json(data)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_a_value_or_a_reason(data: bytes) -> None:
    assert reason_of(lambda: parse_json(data)) in {"", *REASONS}


@IN_ONE_FOLDER
@given(values=st.lists(JSON, max_size=6), chunk=st.integers(1, 40), indent=st.sampled_from([None, 0, 2]))
def test_the_members_of_a_list_are_those_of_the_whole_list(
    values: list[object], chunk: int, indent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_CHUNK", chunk)
    path = tmp_path / "list.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert [piece.json() for piece in members(path)] == values


@IN_ONE_FOLDER
@given(values=st.dictionaries(st.text(), JSON, max_size=6), chunk=st.integers(1, 40))
def test_the_members_of_an_object_come_one_by_one(
    values: dict[str, object], chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_CHUNK", chunk)
    path = tmp_path / "object.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    found: dict[str, object] = {}
    for piece in members(path):
        value = piece.json()
        assert isinstance(value, dict)
        assert len(value) == 1
        found |= value
    assert found == values


@IN_ONE_FOLDER
@given(data=st.binary(max_size=120), chunk=st.integers(1, 40))
def test_arbitrary_bytes_give_members_or_problems(
    data: bytes, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_CHUNK", chunk)
    path = tmp_path / "any.json"
    path.write_bytes(data)
    for piece in members(path):
        assert reason_of(piece.json) in {"", *REASONS}


def test_members_know_the_line_they_begin_in(write: Callable[..., Path]) -> None:
    path = write("list.json", '[\n  {"a": 1},\n\n  {"a":\n 2},\n {"a": 3}]\n')
    assert [piece.where.rpartition(":")[2] for piece in members(path)] == ["2", "4", "6"]


@pytest.mark.parametrize(
    ("text", "good", "said"),
    [
        ("", 0, "empty"),
        ('"text"', 0, "must be one JSON list"),
        ('[{"a": 1}, {"a": 2', 1, "cut off"),
        ('[{"a": 1}', 0, "cut off"),
        ('[{"a": 1}] more', 1, "after the end"),
        ('[{"a": 1},, {"a": 2}]', 2, "no valid JSON"),
        ('[{"a": 1}, nonsense, {"a": 2}]', 2, "no valid JSON"),
    ],
)
def test_a_broken_list_gives_what_is_whole_and_says_what_is_not(
    text: str, good: int, said: str, write: Callable[..., Path]
) -> None:
    values, problems = [], []
    for piece in members(write("list.json", text)):
        try:
            values.append(piece.json())
        except BadRecord as problem:
            problems.append(str(problem))
    assert len(values) == good
    assert len(problems) == 1
    assert said in problems[0]


def test_lines_and_members_beyond_the_limit_are_not_held(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LONGEST", 100)
    monkeypatch.setattr(pieces, "_CHUNK", 64)
    path = write("long.jsonl", b'{"a": 1}\n"' + b"x" * 5000 + b'"\n{"a": 2}\n')
    found = list(lines(path))
    assert [piece.where.rpartition(":")[2] for piece in found] == ["1", "2", "3"]
    assert found[2].json() == {"a": 2}
    with pytest.raises(BadRecord, match="longer than") as caught:
        found[1].json()
    assert caught.value.reason == "too_long"
    broken = list(members(write("long.json", b'[1, "' + b"x" * 5000 + b'", 2]')))
    assert [piece.problem is None for piece in broken] == [True, False]


def test_empty_lines_are_no_records_and_line_ends_of_every_kind_are_fine(write: Callable[..., Path]) -> None:
    path = write("lines.jsonl", b'{"a": 1}\r\n\r\n  \n{"a": 2}')
    assert [(piece.where.rpartition(":")[2], piece.json()) for piece in lines(path)] == [
        ("1", {"a": 1}),
        ("4", {"a": 2}),
    ]

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.facts.fields import Fields
from factneurons.facts.formats.patterns import (
    check_pattern,
    fill,
    language_folders,
    relation_files,
    templates,
    tuple_fact,
)
from factneurons.facts.pieces import lines
from factneurons.facts.problems import BadRecord
from factneurons.facts.reading import Reading, Slot
from factneurons.facts.types import BLANK

TEXT = st.text(st.characters(exclude_characters="[]_<>{}", exclude_categories=("Cs", "Cc")), max_size=6)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("[X] was born", r"needs \[Y\] exactly once, this one has it 0 times"),
        ("[X] and [X] were born in [Y]", r"needs \[X\] exactly once, this one has it 2 times"),
        ("", r"needs \[X\] exactly once"),
    ],
)
def test_a_pattern_has_each_slot_once(pattern: str, said: str) -> None:
    with pytest.raises(BadRecord, match=said) as caught:
        check_pattern(pattern)
    assert (caught.value.reason, caught.value.prompt) == ("pattern_slots", pattern)
    assert check_pattern("[Y] bore [X]") == "[Y] bore [X]"


@given(before=TEXT, between=TEXT, after=TEXT, subject=TEXT, backwards=st.booleans())
def test_the_subject_stands_in_its_slot_and_the_blank_in_the_answers(before, between, after, subject, backwards):
    first, second = ("[Y]", "[X]") if backwards else ("[X]", "[Y]")
    prompt = fill(f"{before}{first}{between}{second}{after}", subject)
    first, second = (BLANK, subject) if backwards else (subject, BLANK)
    assert prompt.text == f"{before}{first}{between}{second}{after}"


def test_relations_come_by_number_and_languages_with_english_first(write: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("en/P103", "en/P19", "en/templates", "de/P1", "de/P1b", "zh/readme", "el/P7"):
        write(f"{name}.jsonl", "")
    assert list(relation_files(tmp_path / "en")) == ["P19", "P103"]
    assert language_folders(tmp_path) == ("en", "de", "el")


def test_templates_without_their_slots_are_told_or_counted(write: Callable[..., Path]) -> None:
    good = {"relation": "P19", "template": "[X] was born in [Y] ."}
    path = write("templates.jsonl", [good, {"relation": "P20", "template": "[X] died"}, {"relation": "P21"}])
    with pytest.raises(BadRecord, match=rf"{path}:2: "):
        templates(path, Reading())
    reading = Reading(skip_bad=True)
    assert templates(path, reading) == {"P19": "[X] was born in [Y] ."}
    assert reading.skipped_parts == {"pattern_slots": 1, "missing_field": 1}


def test_a_tuple_is_known_by_its_number_or_its_uuid(write: Callable[..., Path]) -> None:
    both = [{"sub_label": "Ada", "obj_label": "Lyon", "lineid": 7, "uuid": "u"}]
    only = [{"sub_label": "Ada", "obj_label": "Lyon", "lineid": None, "uuid": "u"}]
    reading, slot = Reading(), Slot()
    for name, records, known in (("a", both, "P1/7"), ("b", only, "P1/u")):
        (piece,) = lines(write(f"{name}.jsonl", records))
        (fact,) = tuple_fact(piece, slot, "P1", "en", ["[X] in [Y]", "[X] in [Y]"], reading)
        assert fact.id == slot.fact_id == known
        assert [prompt.text for prompt in fact.prompts] == ["Ada in ___"]
        assert list(tuple_fact(piece, slot, "P1", "en", [], reading)) == []
    assert (reading.skipped, reading.skipped_parts) == ({"no_pattern": 2}, {"duplicate_prompt": 2})
    assert Fields(both[0]).identifier("lineid") == "7"

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.errors import BadFact, BadSetting
from factneurons.facts.problems import BadRecord
from factneurons.facts.reading import Reading, Request, choice, count, is_there, whole_number, words
from factneurons.facts.types import Prompt

KINDS = st.sampled_from(["good", "bad", "skip", "part", "bad part"])


@given(kinds=st.lists(KINDS))
def test_everything_adds_up_and_is_reported_once(kinds):
    told = []
    reading = Reading(skip_bad=True, on_skip=told.append)
    for number, kind in enumerate(kinds):
        with reading.record(f"file:{number}") as slot:
            slot.fact_id = str(number)
            if kind == "bad":
                raise BadRecord("empty_field", "no answer")
            if kind == "skip":
                reading.skip(BadRecord("no_pattern", "none", f"file:{number}", slot.fact_id))
                continue
            if kind == "part":
                reading.skip_part(BadRecord("duplicate_prompt", "again", f"file:{number}", slot.fact_id))
            with reading.part(f"file:{number}", slot.fact_id):
                if kind == "bad part":
                    raise BadRecord("blank_count", "none")
            reading.read += 1
    assert reading.records == len(kinds) == reading.read + sum(reading.skipped.values())
    assert reading.skipped.total() == kinds.count("bad") + kinds.count("skip")
    assert reading.skipped_parts.total() == kinds.count("part") + kinds.count("bad part")
    assert [(each.source, each.fact_id) for each in told] == [
        (f"file:{number}", str(number)) for number, kind in enumerate(kinds) if kind != "good"
    ]


def test_a_problem_stops_the_pass_unless_it_may_be_skipped():
    reading = Reading()
    with pytest.raises(BadFact, match="here:3: no answer"), reading.record("here:3"):
        raise BadRecord("empty_field", "no answer")
    with pytest.raises(BadFact, match="here:4"), reading.part("here:4"):
        raise BadRecord("blank_count", "none")
    reading.skip(BadRecord("no_pattern", "the data set has none"))  # no mistake of the user's, so it stops nothing
    assert (reading.skipped, reading.skipped_parts) == ({"no_pattern": 1}, {})


@given(numbers=st.lists(st.integers(0, 3)))
def test_prompts_are_asked_once_each_in_their_order(numbers):
    reading = Reading()
    kept = reading.distinct([Prompt(f"{number} ___") for number in numbers], "here", "id")
    assert [prompt.text for prompt in kept] == [f"{number} ___" for number in dict.fromkeys(numbers)]
    assert reading.skipped_parts.total() == len(numbers) - len(kept)


def test_a_request_knows_its_files_and_names(tmp_path):
    path = tmp_path / "there"
    path.write_text("")
    assert Request("own:x", str(path)).file() == path
    with pytest.raises(BadSetting, match=r"own:x: there is no file .*gone"):
        Request("own:x", str(tmp_path / "gone")).file()
    with pytest.raises(BadSetting, match=r"there is no file \(none given\)"):
        Request("own:", "").file()
    request = Request("own:x", "", {"lang": ("zh", "en"), "relation": None})
    assert request.chosen("lang", ("en", "de", "zh")) == ("zh", "en")
    assert request.chosen("relation", ("P1", "P2")) == ("P1", "P2")
    with pytest.raises(BadSetting, match="unknown lang 'zh'; available: en"):
        request.chosen("lang", ("en",))
    with pytest.raises(BadSetting, match="nothing to read was found there"):
        request.chosen("lang", ())


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_name_that_no_file_can_have_is_not_there(name):
    assert not is_there(Path(name).is_file)


@given(number=st.integers(1, 10**17))
def test_whole_numbers_are_parsed(number):
    assert count(str(number)) == whole_number(str(number)) == number


@pytest.mark.parametrize("text", ["", "-1", "1.0", " 1", "+1", "1_0", "\u0661", "1" * 19])
def test_what_is_no_whole_number_is_refused(text):
    for parse in (count, whole_number):
        with pytest.raises(ValueError, match="it must be a whole number of at least 1"):
            parse(text)


def test_nothing_is_no_count():
    assert whole_number("0") == 0
    with pytest.raises(ValueError, match="not '0'"):
        count("0")


def test_names_and_choices_are_parsed_or_refused():
    assert words("en, zh") == ("en", "zh")
    with pytest.raises(ValueError, match="commas"):
        words("en,")
    assert choice("yes", "no")("no") == "no"
    with pytest.raises(ValueError, match="one of yes, no, not 'NO'"):
        choice("yes", "no")("NO")

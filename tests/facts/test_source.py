from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.errors import BadSetting, FactneuronsError
from factneurons.facts.formats.registry import FORMATS
from factneurons.facts.source import COMMON_OPTIONS, FactSource, load_facts
from factneurons.facts.types import Fact, Prompt


def made(number: int, relation: str = "capital", language: str = "en", date: str | None = None) -> Fact:
    prompts = (Prompt(f"{relation} {number} ___"),)
    return Fact(f"fact-{number}", relation, "S", "A", language, prompts, date=date)


@pytest.fixture
def path(record: dict[str, Any], write: Callable[..., Path]) -> Path:
    """Twelve facts: two relations, two languages, every third one with a date."""
    records = [
        {
            **record,
            "id": f"fact-{number}",
            "relation": "capital" if number % 2 else "currency",
            "language": "en" if number < 8 else "zh",
            "date": None if number % 3 else "2014",
        }
        for number in range(12)
    ]
    return write("facts.jsonl", records)


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ("", range(12)),
        ("?relation=capital", range(1, 12, 2)),
        ("?relation=capital,currency&lang=zh", range(8, 12)),
        ("?dated=yes", range(0, 12, 3)),
        ("?dated=no&lang=en&relation=currency", (2, 4)),
        ("?limit=3", range(3)),
        ("?relation=capital&limit=2", (1, 3)),
        ("?relation=%63apital&limit=1", (1,)),
        ("?lang=fr", ()),
    ],
)
def test_options_choose_facts(options: str, ids: range, path: Path, adds_up: Callable[[FactSource], None]) -> None:
    source = load_facts(f"{path}{options}")
    assert [fact.id for fact in source] == [f"fact-{number}" for number in ids]
    adds_up(source)
    assert source.read == len(ids)


def test_the_smaller_limit_counts(path: Path) -> None:
    assert len(list(load_facts(f"{path}?limit=5", limit=2))) == 2
    assert len(list(load_facts(f"{path}?limit=2", limit=5))) == 2


def test_a_sample_is_seeded_in_order_and_even(path: Path, adds_up: Callable[[FactSource], None]) -> None:
    source = load_facts(f"{path}?sample=4&seed=3")
    ids = [fact.id for fact in source]
    adds_up(source)
    assert source.left_out == {"not_sampled": 8}
    assert ids == [fact.id for fact in source]
    assert sorted(ids, key=lambda name: int(name.split("-")[1])) == ids
    drawn: Counter[str] = Counter()
    for seed in range(300):
        drawn.update(fact.id for fact in load_facts(f"{path}?sample=4&seed={seed}"))
    assert len(drawn) == 12
    assert all(60 < times < 140 for times in drawn.values())  # 100 expected, 8.2 standard deviation


def test_joined_facts_are_in_every_language_and_a_sample_draws_their_ids(adds_up):
    source = load_facts("bundled?relation=capital&joined=yes&sample=5&seed=1")
    facts = list(source)
    adds_up(source)
    ids = {fact.id for fact in facts}
    assert len(ids) == 5
    assert len(facts) == 10
    assert {fact.language for fact in facts} == {"en", "zh"}
    assert ids != {fact.id for fact in load_facts("bundled?relation=capital&joined=yes&sample=5&seed=2")}
    everything = list(load_facts("bundled?relation=capital"))
    joined = list(load_facts("bundled?relation=capital&joined=yes"))
    assert joined == [fact for fact in everything if sum(other.id == fact.id for other in everything) == 2]


def test_facts_that_a_language_lacks_are_counted(tmp_path):
    path = tmp_path / "facts.jsonl"
    line = '{{"id": "{}", "relation": "r", "subject": "s", "answer": "a", "language": "{}", "prompts": ["s ___"]}}\n'
    path.write_text("".join(line.format(*each) for each in (("x", "en"), ("y", "en"), ("y", "fr"), ("z", "fr"))))
    source = load_facts(f"{path}?joined=yes")
    assert [(fact.id, fact.language) for fact in source] == [("y", "en"), ("y", "fr")]
    assert source.left_out == {"not_joined": 2}
    assert list(load_facts(f"{path}?joined=yes&lang=en,fr,zh")) == []
    assert len(list(load_facts(f"{path}?joined=yes&lang=en"))) == 2


def test_a_sample_larger_than_the_source_is_all_of_it(path: Path) -> None:
    assert len(list(load_facts(f"{path}?sample=100"))) == 12


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nonsense:x.jsonl", "unknown scheme 'nonsense'; valid: bear, bmlama, bundled, counterfact, csv,"),
        (
            "facts.xml",
            "which format is that? Give a file that ends in .jsonl, .json, .csv, .tsv, .parquet, or a scheme:",
        ),
        ("bundled?langg=en", "unknown option 'langg'; valid for bundled: dated, joined, lang, limit, relation,"),
        ("templama:x?evidence=yes", "unknown option 'evidence'; valid for templama: dated, form,"),
        ("bundled?lang", "the option 'lang' needs a value"),
        ("bundled?lang=", "the option 'lang' needs a value"),
        ("bundled?lang=en&lang=zh", "the option 'lang' is given twice"),
        ("bundled?limit=0", "the option 'limit': it must be a whole number of at least 1, not '0'"),
        ("bundled?limit=ten", "whole number"),
        ("bundled?limit=²", "whole number"),
        ("bundled?dated=maybe", "it must be one of yes, no, not 'maybe'"),
        ("bundled?lang=en,,zh", "commas between them"),
        ("bundled?relation=capitol", "unknown relation 'capitol'; available:"),
        ("bundled?lang=xx", "unknown lang 'xx'; available: en, zh"),
        ("none.jsonl", "there is no file none.jsonl"),
        ("jsonl:", "there is no file (none given)"),
        ("templama:none.jsonl", "there is no file none.jsonl"),
        ("mpararel:none", "there is no folder none"),
        ("lama:", "there is no folder (none given)"),
        ("templama", "there is no file (none given)"),
        ("", "which format is that?"),
        (f"templama:{'x' * 5000}", "there is no file"),
        (f"{'x' * 5000}.jsonl", "there is no file"),
        (f"lama:{'x' * 5000}", "there is no folder"),
        ("a\0b.jsonl", "there is no file"),
    ],
)
def test_a_wrong_spec_is_one_line_that_lists_what_is_valid(spec: str, said: str) -> None:
    with pytest.raises(BadSetting) as caught:
        list(load_facts(spec))
    assert str(caught.value).startswith(f"{spec}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(
    st.text(max_size=30)
    | st.sampled_from(sorted(FORMATS)).flatmap(lambda name: st.text(max_size=20).map(f"{name}:".__add__))
)
def test_arbitrary_specs_never_give_a_traceback(spec: str) -> None:
    with contextlib.suppress(FactneuronsError):
        load_facts(spec)


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(BadSetting, match="limit is 0: it must be at least 1"):
        load_facts([], limit=0)


def test_a_path_may_hold_a_colon_or_a_question_mark(record: dict[str, Any], write: Callable[..., Path]) -> None:
    path = write("what:is?this.jsonl", [record])
    assert len(list(load_facts(str(path)))) == 1
    assert len(list(load_facts(path))) == 1


def test_a_source_can_be_read_again_and_counts_the_latest_pass(path: Path) -> None:
    source = load_facts(path)
    assert source.read == 0
    facts = iter(source)
    next(facts)
    next(facts)
    assert (source.read, source.records) == (2, 2)
    assert len(list(source)) == len(list(source)) == source.read == 12


def test_facts_made_by_hand_are_a_source_too() -> None:
    facts = [made(1), made(2), made(2, language="zh")]
    source = load_facts(facts, limit=2)
    assert list(source) == facts[:2] == list(source)
    generated = load_facts(fact for fact in facts)
    assert list(generated) == facts == list(generated)
    with pytest.raises(FactneuronsError, match="'fact-1': this id was already there"):
        list(load_facts([made(1), made(1)]))
    with pytest.raises(BadSetting, match="number 1 is no Fact"):
        list(load_facts(["x"]))  # type: ignore[list-item]


def test_a_source_can_be_given_again_with_other_settings(path: Path) -> None:
    again = load_facts(load_facts(f"{path}?lang=zh"), limit=2)
    assert [fact.id for fact in again] == ["fact-8", "fact-9"]
    assert again.sha256() == load_facts(path).sha256()


def test_a_source_that_is_given_again_keeps_its_own_limit_and_what_it_does_with_bad_records(
    path: Path, record: dict[str, Any], write: Callable[..., Path]
) -> None:
    source = load_facts(path, limit=3)
    assert [len(list(load_facts(source, limit=limit))) for limit in (None, 5, 2)] == [3, 3, 2]
    skips: list[object] = []
    again = load_facts(load_facts(write("bad.jsonl", [{}, record]), skip_bad=True), on_skip=skips.append)
    assert len(list(again)) == len(skips) == sum(again.skipped.values()) == 1


def test_the_hash_is_that_of_the_file_or_of_the_facts(path: Path) -> None:
    assert load_facts(path).sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_facts([made(1)]).sha256() == load_facts([made(1)]).sha256() != load_facts([made(2)]).sha256()


def test_the_hash_of_several_files_changes_with_each_and_not_with_their_folder(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    def build(name: str, label: str) -> str:
        for language in ("en", "fr"):
            write(f"{name}/patterns/{language}/P1.jsonl", [{"pattern": "[X] is [Y]"}])
            write(f"{name}/tuples/{language}/P1.jsonl", [{"sub_label": label, "obj_label": "B", "lineid": 1}])
        return load_facts(f"mpararel:{tmp_path / name}").sha256()

    assert build("one", "A") == build("two", "A") != build("three", "C")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.jsonl"
    folder.mkdir()
    with pytest.raises(BadSetting, match="there is no file"):
        load_facts(folder)


def test_a_file_that_vanishes_is_one_line(path: Path) -> None:
    source = load_facts(path)
    path.unlink()
    with pytest.raises(BadSetting, match="cannot be read"):
        list(source)


def test_the_common_options_are_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "facts.md").read_text(encoding="utf-8")
    assert [option for option in COMMON_OPTIONS if f"`{option}`" not in text] == []

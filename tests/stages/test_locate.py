"""`run_locate`: facts into a run, what is left out, and what is refused."""

from __future__ import annotations

import json

import pytest

from factneurons.attribution.locate import locate
from factneurons.errors import BadRun, BadSetting
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact, Prompt
from factneurons.runs.skips import Skip
from factneurons.stages.locate import run_locate, with_skips

FACTS = "bundled?relation=capital&lang=en&limit=2"
FEW = {"method": "dai", "draws": 1, "unrelated": 0}


def test_the_run_holds_what_locating_in_memory_finds(gpt2, tmp_path, seen):
    run = run_locate(gpt2, FACTS, tmp_path / "run", progress=seen, **FEW)
    assert seen.ended == ["locate", "test_knowledge"]
    neurons = run.table("neurons").groupby("fact_id")
    for known in locate(gpt2, load_facts(FACTS), method="dai"):
        own = neurons.get_group(known.fact.id)
        assert list(zip(own["layer"], own["index"], strict=True)) == [tuple(neuron) for neuron in known.neurons]
        assert own["score"].tolist() == pytest.approx(known.scores, rel=1e-6)
    effects = run.table("interventions")
    assert set(effects["neurons"]) == {"knowledge", "random for knowledge"}
    assert set(effects["draw"]) == {0, 1}


def test_it_goes_on_where_it_was(gpt2, tmp_path, parts):
    run = run_locate(gpt2, FACTS, tmp_path / "run", limit=1, **FEW)
    assert len(run.table("facts")) == 1
    again = run_locate(gpt2, FACTS, tmp_path / "run", **FEW)
    assert len(again.table("facts")) == 2
    before = parts(again)
    assert parts(run_locate(gpt2, FACTS, tmp_path / "run", **FEW)) == before


def test_bad_records_are_left_out_and_counted(gpt2, tmp_path):
    good = {"id": "a", "relation": "capital", "subject": "France", "answer": "Paris", "language": "en"}
    lines = [json.dumps(good | {"prompts": ["The capital of France is ___."]}), "{", json.dumps({"id": "b"})]
    (tmp_path / "facts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    run = run_locate(gpt2, tmp_path / "facts.jsonl", tmp_path / "run", skip_bad=True, **FEW)
    assert run.counts("locate").done == 1
    assert sum(run.counts("locate").skipped.values()) == 2
    assert len(run.table("skipped")) >= 2


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ("bundled?relation=capital&lang=xx", None),
        ([Fact("a", "r", "s", "Paris", "en", (Prompt("___ is the capital of s."),))], "can be asked of pocket-gpt2"),
    ],
)
def test_nothing_to_locate(gpt2, tmp_path, facts, message):
    with pytest.raises((BadRun, BadSetting), match=message):
        run_locate(gpt2, facts, tmp_path / "run", **FEW)


def test_an_unknown_option_is_told_before_anything_is_done(tmp_path):
    with pytest.raises(BadSetting, match="option is 'thresold': it must be one of: method"):
        run_locate("no such model", FACTS, tmp_path / "run", thresold=0.3)
    assert not (tmp_path / "run").exists()


def test_what_is_left_out_on_reading_comes_between_the_facts_around_it():
    skips, made = [], [Skip("bad", f"line {number}") for number in range(3)]

    def reading():
        yield "first"
        skips.extend(made[:2])
        yield "second"
        skips.append(made[2])

    assert list(with_skips(reading(), skips)) == ["first", *made[:2], "second", made[2]]
    assert skips == []

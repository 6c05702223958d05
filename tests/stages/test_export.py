"""Neurons of a run, and of facts in memory, as a file for another tool."""

from __future__ import annotations

import json

import pytest

from factneurons.errors import BadFact, BadRun, BadSetting
from factneurons.stages import given
from factneurons.stages.export import export_neurons
from factneurons.stages.located import known_of


def test_a_run_and_its_neurons_in_memory_are_written_alike(located, gpt2, tmp_path):
    known = known_of(located, gpt2)
    first = export_neurons(located, "torch", tmp_path / "run", model=gpt2)
    second = export_neurons(known, "torch", tmp_path / "new" / "memory.py", model=gpt2)
    assert (first, second) == (tmp_path / "run.py", tmp_path / "new" / "memory.py")
    assert first.read_text("utf-8") == second.read_text("utf-8")
    names = {}
    exec(first.read_text("utf-8"), names)
    assert len(names["FACTS"]) == len(known) == 7
    for each, entry in zip(known, names["FACTS"].values(), strict=True):
        assert sum(map(len, entry["neurons"].values())) == len(each.neurons)
        assert [prompt["text"] for prompt in entry["prompts"]] == [query.prompt.text for query in each.queries]
        mean = sum(prompt["probability"] for prompt in entry["prompts"]) / len(entry["prompts"])
        assert mean == pytest.approx(each.probability, abs=1e-5)


def test_the_way_out_and_in_again(located, gpt2, tmp_path):
    path = export_neurons(located, "json", tmp_path / "neurons", model=gpt2)
    assert json.loads(path.read_text("utf-8"))["model"]["width"] == gpt2.width
    again = given.test_neurons(gpt2, "bundled?relation=capital&limit=7", path, tmp_path / "again", draws=1, unrelated=0)
    key = ["fact_id", "language", "layer", "index"]
    ours, theirs = (sorted(run.table("neurons")[key].to_numpy().tolist()) for run in (located, again))
    assert ours == theirs


def test_one_fact(located, gpt2, tmp_path):
    (one, *_) = known_of(located, gpt2)
    path = export_neurons(one, "easyedit", tmp_path / "one.json", model=gpt2)
    assert list(json.loads(path.read_text("utf-8"))) == [one.fact.id]


def test_bad_input_gets_one_line(located, gpt2, tmp_path):
    (one, *_) = known_of(located, gpt2)
    with pytest.raises(BadSetting, match="neurons in memory need the model"):
        export_neurons(one, "torch", tmp_path / "x")
    with pytest.raises(BadFact, match="none of the 0 facts"):
        export_neurons([], "torch", tmp_path / "x", model=gpt2)
    with pytest.raises(BadSetting, match="format is 'tensorflow'"):
        export_neurons(one, "tensorflow", tmp_path / "x", model=gpt2)
    with pytest.raises(BadRun):
        export_neurons(tmp_path / "nothing", "torch", tmp_path / "x")
    (tmp_path / "file").touch()
    with pytest.raises(BadRun, match="cannot be written"):
        export_neurons(one, "torch", tmp_path / "file" / "x", model=gpt2)

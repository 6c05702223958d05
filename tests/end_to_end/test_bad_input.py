"""Bad input: one clear line, exit code 2, no traceback, and everything finished before it is kept."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import factneurons as fn
from factneurons.attribution.methods import METHODS
from factneurons.errors import BadNumber
from factneurons.runs.verify import verify
from factneurons.stages import degenerate
from factneurons.stages import locate as stages
from factneurons.stages import test_neurons as tests_of_neurons

GOOD = {"relation": "capital", "subject": "France", "answer": "Paris", "prompts": ["The capital of France is ___."]}
BAD_LINES = {
    "a cut line": ('{"id": "x", "relation": "cap', "unreadable", "no valid JSON"),
    "no object": ('["id"]', "wrong_type", "a record must be an object"),
    "no valid text": ('{"id": "\\ud800"}', "encoding", "half a surrogate pair"),
    "a missing field": ({"answer": None}, "missing_field", "'answer' is missing"),
    "a prompt without a blank": ({"prompts": ["The capital is"]}, "blank_count", "this one has none"),
    "a prompt with two blanks": ({"prompts": ["___ of ___"]}, "blank_count", "this one has 2"),
    "an empty answer": ({"answer": ""}, "empty_field", "'answer' is empty"),
    "a blank answer": ({"answer": " \t"}, "empty_field", "'answer' is empty"),
    "no prompt": ({"prompts": []}, "no_prompt", "no prompt"),
    "a misspelt field": ({"anser": "Rome"}, "unknown_field", "anser"),
    "a number for a text": ({"answer": 7}, "wrong_type", "must be a text"),
    "a fact id that was there": ({"id": "capital/france"}, "duplicate_fact", "already there"),
}


def line(case: str) -> str:
    changes = BAD_LINES[case][0]
    if isinstance(changes, str):
        return changes
    record = {"id": "bad/one", **GOOD, **changes}
    return json.dumps({name: value for name, value in record.items() if value is not None})


@pytest.fixture
def file_with(tmp_path: Path, facts_file: Path):
    """file_with(line): nine good facts, that line, and two more good facts."""

    def write(bad: str) -> Path:
        lines = facts_file.read_text(encoding="utf-8").splitlines()
        path = tmp_path / "facts.jsonl"
        path.write_text("\n".join([*lines[:9], bad, *lines[9:11]]) + "\n", encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("case", BAD_LINES)
def test_bad_record(case, file_with, gpt2, tmp_path, locate):
    path = file_with(line(case))
    _, reason, words = BAD_LINES[case]
    stopped = locate(gpt2, path, tmp_path / "stopped")
    assert f"{path}:10: " in stopped.refused()
    assert words in stopped.error
    assert "--skip-bad" in stopped.error
    kept = fn.Run.open(tmp_path / "stopped")
    assert len(kept.table("facts")) == kept.counts("locate").done == 9
    assert kept.manifest.stages["locate"].state == "interrupted"

    went_on = locate(gpt2, path, tmp_path / "stopped", "--skip-bad")
    assert went_on.code == 0
    assert "11 of 12 facts located in " in went_on.out
    assert ", 9 of them before" in went_on.out
    assert f"1 fact left out, {reason}; for instance: " in went_on.out
    assert words in went_on.out
    run = fn.Run.open(tmp_path / "stopped")
    counts = run.manifest.stages["locate"].counts
    assert (counts.read, counts.done, dict(counts.skipped)) == (12, 11, {reason: 1})
    skipped = run.table("skipped")
    skipped = skipped[skipped["stage"] == "locate"]
    assert skipped[["source", "reason"]].to_numpy().tolist() == [[f"{path}:10", reason]]
    assert verify(run) == []


def test_unreadable_bytes(gpt2, tmp_path, locate):
    path = tmp_path / "facts.jsonl"
    path.write_bytes(b'{"id": "\xff"}\n')
    assert f"{path}:1: " in locate(gpt2, path, tmp_path / "run").refused()


@pytest.mark.parametrize("command", ["locate", "describe"])
def test_bad_record_is_told_once_where_no_model_is_needed(command, file_with, gpt2, tmp_path, run, locate):
    path = file_with(line("a cut line"))
    if command == "describe":
        assert f"{path}:10: " in run("facts", "describe", path).refused()
        assert "records left out: unreadable 1" in run("facts", "describe", path, "--skip-bad").out


def test_answer_without_a_token_of_its_own(bert, file_with, tmp_path, locate):
    nothing = json.dumps({"id": "bad/one", **GOOD, "answer": "\N{REPLACEMENT CHARACTER}"})
    found = locate(bert, file_with(nothing), tmp_path / "run")
    assert found.code == 0
    assert "11 of 12 facts located" in found.out
    assert "1 fact left out, answer-has-no-token; for instance: " in found.out
    opened = fn.Run.open(tmp_path / "run")
    assert dict(opened.counts("locate").skipped) == {"answer-has-no-token": 1}
    skipped = opened.table("skipped")
    skipped = skipped[skipped["stage"] == "locate"]
    assert set(skipped["fact_id"]) == {"bad/one"}
    assert set(skipped["prompt"]) == {"", GOOD["prompts"][0]}


def test_no_fact_can_be_asked(gpt2, tmp_path, locate, run):
    path = tmp_path / "facts.jsonl"
    path.write_text(json.dumps({"id": "a", **GOOD, "prompts": ["___ is the capital of France."]}), encoding="utf-8")
    error = locate(gpt2, path, tmp_path / "run").refused()
    assert "none of the 1 fact of" in error
    assert "(1 blank-not-at-end); for instance: prompt '___ is the capital of France.'" in error
    assert "nothing was located in it" in run("degenerate", tmp_path / "run").refused()


def test_no_facts_at_all(gpt2, tmp_path, locate):
    path = tmp_path / "facts.jsonl"
    path.write_text("", encoding="utf-8")
    assert "holds no facts" in locate(gpt2, path, tmp_path / "run").refused()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "x"], "method is 'x': it must be one of: " + ", ".join(METHODS)),
        (["--rule", "x"], "rule is 'x': it must be one of: adaptive, gauss_legendre, "),
        (["--target", "x"], "target is 'x': it must be one of: probability, log_probability, logit"),
        (["--selector", "x"], "selector is 'x': it must be one of: fraction, absolute, top, percentile"),
        (["--units", "x"], "units is 'x': it must be one of: tokens, words, all"),
        (["--answer-tokens", "x"], "answer_tokens is 'x': it must be one of: mean, sum, first"),
        (["--dtype", "x"], "dtype is 'x': it must be one of: float32, "),
        (["--points", "3"], "points is 3: it must be None with the rule 'adaptive', which chooses its own"),
        (["--rule", "left", "--points", "0"], "points is 0: it must be at least 1"),
        (["--points", "x"], "Invalid value for '--points'"),
        (["--share", "2"], "share is 2.0: it must be above 0 and at most 1"),
        (["--threshold", "nan"], "threshold is nan: it must be a number"),
        (["--draws", "0"], "draws is 0: it must be at least 1"),
        (["--unrelated", "-1"], "unrelated is -1: it must be at least 0"),
        (["--limit", "0"], "limit is 0: it must be at least 1"),
        (["--device", "cuda:99"], "the device 'cuda:99' cannot be used"),
        (["--no-such-option", "1"], "No such option: --no-such-option"),
    ],
)
def test_unknown_names_and_impossible_values(options, words, gpt2, facts_file, tmp_path, locate):
    assert words in locate(gpt2, facts_file, tmp_path / "run", *options).refused()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ("nosuch:facts.jsonl", "unknown scheme 'nosuch'; valid: bear, bmlama, bundled, "),
        ("facts.txt", "which format is that?"),
        ("missing.jsonl", "there is no file missing.jsonl"),
        ("templama:missing.jsonl", "there is no file missing.jsonl"),
        ("mpararel:missing?lang=en", "there is no folder missing"),
        ("bundled?relation=x", "unknown relation 'x'; available: "),
        ("bundled?x=1", "unknown option 'x'; valid for bundled: "),
        ("", "which format is that?"),
    ],
)
def test_facts_that_are_not_there(facts, words, gpt2, tmp_path, locate, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in locate(gpt2, facts, tmp_path / "run").refused()
    assert words in run("facts", "describe", facts).refused()
    assert not (tmp_path / "run").exists()


def save_folder(module: transformers.PreTrainedModel, like: Path, folder: Path) -> Path:
    module.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(like / name, folder / name)
    return folder


def vit(like: Path, folder: Path) -> Path:
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, image_size=4, patch_size=2
    )
    return save_folder(transformers.ViTModel(config), like, folder)


def classifier(like: Path, folder: Path) -> Path:
    config = transformers.AutoConfig.from_pretrained(like)
    return save_folder(transformers.BertForSequenceClassification(config), like, folder)


def nan_weights(like: Path, folder: Path) -> Path:
    shutil.copytree(like, folder)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("dense.weight"))
    weights[name][0, 0] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def pickled(like: Path, folder: Path) -> Path:
    shutil.copytree(like, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return folder


def cut_weights(like: Path, folder: Path) -> Path:
    shutil.copytree(like, folder)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    return folder


def own_code(like: Path, folder: Path) -> Path:
    shutil.copytree(like, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {"AutoModelForMaskedLM": "canary.Model"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "canary.py").write_text(f"open({str(folder / 'sang')!r}, 'w')", encoding="utf-8")
    return folder


@pytest.mark.trial("remote code")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (vit, "is no language model"),
        (classifier, "is no complete language model"),
        (nan_weights, "NaN or infinity in the weights bert."),
        (pickled, "pickled weights only"),
        (cut_weights, "is no sound safetensors file"),
        (own_code, "--trust-remote-code"),
    ],
)
def test_models_that_cannot_be_used(make, words, bert, facts_file, tmp_path, locate, run):
    folder = make(bert, tmp_path / "model")
    assert words in locate(folder, facts_file, tmp_path / "run").refused()
    assert words in run("facts", "describe", facts_file, "--model", folder).refused()
    assert not (tmp_path / "run").exists()
    assert not (folder / "sang").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./nothing", "there is no folder './nothing'"),
        ("/no/such/model", "there is no folder '/no/such/model'"),
        ("a b", "neither a folder nor a possible name"),
        ("", "there is no folder ''"),
        ("pocket-t5", "unknown bundled model 'pocket-t5'; there are: pocket-bert, pocket-gpt2, pocket-llama"),
        ("nobody/nothing", "is no folder and not in the hub's cache, and the hub cannot be reached"),
    ],
)
def test_models_that_are_not_there(name, words, facts_file, tmp_path, locate, run, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert words in locate(name, facts_file, tmp_path / "run").refused()
    assert words in run("doctor", name).refused()


@pytest.mark.trial("network")
def test_the_hub_is_not_waited_for(facts_file, tmp_path, locate, monkeypatch):
    asked = []

    def refuse(*arguments, **options):
        asked.append(arguments)
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    assert "the hub cannot be reached" in locate("nobody/nothing", facts_file, tmp_path / "run").refused()
    assert asked


@pytest.fixture
def nan_for_kenya(monkeypatch):
    """The scores of whatever is asked about Kenya are NaN."""
    method = METHODS["joint"]

    def score(model, captured, items, settings):
        found = method.score(model, captured, items, settings)
        for number, (row, _) in enumerate(items):
            if "Kenya" in captured.batch.queries[row].prompt.text:
                found.scores[1][number, 5] = np.nan
        return found

    monkeypatch.setitem(METHODS, "joint", replace(method, score=score))


@pytest.mark.trial("bad numbers")
def test_nan_in_scores(nan_for_kenya, gpt2, facts_file, tmp_path, locate):
    stopped = locate(gpt2, facts_file, tmp_path / "run")
    assert "Kenya" in stopped.refused()
    assert "layer 1 has scores that are NaN" in stopped.error
    # The batch it failed in is gone through one by one, so that nothing good of it is lost.
    assert len(fn.Run.open(tmp_path / "run").table("facts")) == 12

    went_on = locate(gpt2, facts_file, tmp_path / "run", "--skip-bad")
    assert went_on.code == 0
    run = fn.Run.open(tmp_path / "run")
    assert dict(run.counts("locate").skipped) == {"bad-number": 3}
    assert len(run.table("facts")) == 37
    numbers = run.table("neurons")[["score", "share"]].to_numpy()
    assert np.isfinite(numbers).all()


@pytest.mark.trial("one fails")
@pytest.mark.parametrize(
    ("stage", "module", "function"),
    [("test_knowledge", tests_of_neurons, "intervention"), ("degenerate", degenerate, "degenerate_search")],
)
def test_a_number_that_is_none_in_a_later_stage(
    stage, module, function, gpt2, facts_file, tmp_path, locate, run, monkeypatch
):
    real = getattr(module, function)

    def failing(model, known, *arguments):
        if known.fact.id == "continent/egypt":
            raise BadNumber("fact 'continent/egypt': P(answer) is NaN")
        return real(model, known, *arguments)

    few = ("--limit", 12, "--selector", "top", "--threshold", 5, "--share", 0.1)
    first = ("locate", "--model", gpt2, "--facts", facts_file, "--out", tmp_path / "run", "--draws", 3, *few)
    command = first
    if stage == "degenerate":
        assert run(*first).code == 0
        command = ("degenerate", tmp_path / "run", "--draws", 3)
    monkeypatch.setattr(module, function, failing)
    stopped = run(*command)
    assert stopped.code == 2
    assert "error: fact 'continent/egypt': P(answer) is NaN (" in stopped.err
    kept = fn.Run.open(tmp_path / "run").counts(stage).done
    assert f"({kept} facts finished before it: kept in {tmp_path / 'run'}; --skip-bad" in stopped.err
    assert kept == 9

    went_on = run(*command, "--skip-bad")
    assert went_on.code == 0
    assert "1 fact left out, bad-number; for instance: fact 'continent/egypt': P(answer) is NaN" in went_on.out
    counts = fn.Run.open(tmp_path / "run").manifest.stages[stage].counts
    assert (counts.read, counts.done, dict(counts.skipped)) == (12, 11, {"bad-number": 1})


@pytest.mark.trial("disk full")
def test_no_space_left(gpt2, facts_file, tmp_path, locate, monkeypatch, same_tables, trial):
    """The disk is full after so many files; whatever was finished is readable, and resuming succeeds later."""
    flush, flushed, room = os.fsync, [], 10**9

    def full(descriptor):
        flushed.append(descriptor)
        if len(flushed) > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr("os.fsync", full)
    assert locate(gpt2, facts_file, tmp_path / "whole", "--limit", 20).code == 0
    files, kept_facts = len(flushed), set()
    for place in np.linspace(0, files - 2, trial.times, dtype=int).tolist():
        out = tmp_path / str(place)
        flushed.clear()
        room = place
        assert "no space left" in locate(gpt2, facts_file, out, "--limit", 20).refused()
        room = 10**9
        if (out / "manifest.json").exists():
            kept = fn.Run.open(out)
            assert verify(kept) == []
            kept_facts.add(kept.counts("locate").done)
            assert len(kept.table("facts")) == kept.counts("locate").done
        assert locate(gpt2, facts_file, out, "--limit", 20).code == 0
        same_tables(out, tmp_path / "whole")
    assert 20 in kept_facts  # between the stages
    assert len(kept_facts) > 1  # and within the first


def test_out_is_no_run(gpt2, facts_file, tmp_path, locate, run, monkeypatch):
    def load_model(*_, **__):
        pytest.fail("a model is loaded for nothing")

    monkeypatch.setattr("factneurons.load_model", load_model)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine", encoding="utf-8")
    assert "is a file, not a folder" in locate(gpt2, facts_file, tmp_path / "file").refused()
    assert "is not empty and is not a run" in locate(gpt2, facts_file, tmp_path / "folder").refused()
    for command in ("degenerate", "report", "verify"):
        assert "is not a run" in run(command, tmp_path / "folder").refused()
        assert "it does not exist" in run(command, tmp_path / "nothing").refused()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["thesis.tex"]


def test_out_inside_a_file(gpt2, facts_file, tmp_path, locate):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert "cannot be written" in locate(gpt2, facts_file, tmp_path / "file" / "run").refused()


@pytest.mark.trial("other settings")
def test_other_settings_in_the_same_folder(gpt2, bert, facts_file, tmp_path, locate, run, write_facts, world):
    out = tmp_path / "run"
    assert locate(gpt2, facts_file, out, "--limit", 3).code == 0
    before = {path: path.read_bytes() for path in (out / "parts").rglob("*.parquet")}
    other = write_facts(tmp_path / "other.jsonl", world[:5])

    def refused(*arguments):
        return locate(*arguments).refused()

    assert 'attribution.method was "joint", is "dai"' in refused(gpt2, facts_file, out, "--limit", 3, "--method", "dai")
    assert "selection.share was 0.7, is 0.9" in refused(gpt2, facts_file, out, "--limit", 3, "--share", 0.9)
    assert "model.files.config.json" in refused(bert, facts_file, out, "--limit", 3)
    assert "model.dtype" in refused(gpt2, facts_file, out, "--limit", 3, "--dtype", "float64")
    assert "data.sha256" in refused(gpt2, other, out, "--limit", 3)
    last = run("locate", "--model", gpt2, "--facts", facts_file, "--out", out, "--limit", 3, "--draws", 4)
    assert last.code == 2
    assert "test_knowledge.settings.draws was 3, is 4 now" in last.err
    assert before == {path: path.read_bytes() for path in (out / "parts").rglob("*.parquet")}

    assert run("degenerate", out, "--draws", 3, "--unrelated", 2).code == 0
    assert "degenerate.settings.tau1 was 0.1, is 0.2 now" in run("degenerate", out, "--tau1", 0.2).refused()
    assert "degenerate.seed was 42, is 1 now" in run("degenerate", out, "--seed", 1).refused()
    assert "model.files.config.json" in run("degenerate", out, "--model", bert).refused()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--clusterer", "x"], "must be one of: ntc, ntc_authors, hierarchical, dbscan"),
        (["--span", "x"], "must be one of: residual, adjacent"),
        (["--persistence", "x"], "must be one of: linear, log"),
        (["--cover", "x"], "must be one of: chosen, all"),
        (["--filter", "x"], "must be one of: definition, authors"),
        (["--tau1", "nan"], "tau1 is nan: it must be a number"),
        (["--t-high", "2"], "from 0 to 1"),
        (["--halving", "3"], "above 0 and at most 1"),
        (["--seed", "-1"], "at least 0"),
    ],
)
def test_settings_of_degenerate(options, words, tmp_path, run):
    assert words in run("degenerate", tmp_path / "nothing", *options).refused()


def test_degenerate_before_locate(gpt2, facts_file, tmp_path, locate, run, monkeypatch):
    monkeypatch.setattr(stages, "locate_batch", lambda *_, **__: pytest.fail("not reached"))
    monkeypatch.setattr(stages, "load_facts", load_nothing(fn.load_facts))
    assert locate(gpt2, facts_file, tmp_path / "run").code == 2
    assert "nothing was located in it; run factneurons locate" in run("degenerate", tmp_path / "run").refused()


def load_nothing(load_facts):
    def load(*arguments, **options):
        source = load_facts(*arguments, **options)
        source._selected = lambda reading: (fact for fact in ())
        return source

    return load


def test_a_damaged_run(gpt2, facts_file, tmp_path, locate, run):
    out = tmp_path / "run"
    assert locate(gpt2, facts_file, out, "--limit", 3).code == 0
    part = next((out / "parts").rglob("facts.parquet"))
    whole = part.read_bytes()
    part.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    assert str(part) in run("verify", out).refused()
    part.write_bytes(whole[:50])
    for command in ("verify", "degenerate", "report"):
        assert str(part) in run(command, out).refused()
    (out / "manifest.json").write_text("{", encoding="utf-8")
    for command in ("verify", "degenerate", "report"):
        assert "manifest.json is damaged" in run(command, out).refused()
    assert "manifest.json is damaged" in locate(gpt2, facts_file, out, "--limit", 3).refused()


def test_report_goes_nowhere(gpt2, facts_file, tmp_path, locate, run):
    out = tmp_path / "run"
    assert locate(gpt2, facts_file, out, "--limit", 2).code == 0
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert "is a folder: name the file" in run("report", out, "--out", tmp_path).refused()
    assert "cannot be written" in run("report", out, "--out", tmp_path / "file" / "report.html").refused()
    assert "max_facts is -1: it must be at least 0" in run("report", out, "--max-facts", -1).refused()


def test_wrong_usage(run):
    assert "No such command 'lokate'" in run("lokate").refused()
    assert "Missing option '--model'. (help: factneurons locate --help)" in run("locate").refused()
    assert "Missing argument 'RUN'" in run("report").refused()
    assert "No such command 'x'. (help: factneurons facts --help)" in run("facts", "x").refused()
    assert "Invalid value for '--points'" in run("doctor", "x", "--points", 0).refused()


def test_pocket_commands(tmp_path, run):
    assert "unknown bundled model 'x'; there are: pocket-bert" in run("pocket", "path", "x").refused()
    assert "pocket model is 'x'" in run("pocket", "train", "x", "--out", tmp_path).refused()
    assert (
        "size is 'x': it must be one of: s, m, l"
        in run("pocket", "train", "pocket-gpt2", "--size", "x", "--out", tmp_path / "model").refused()
    )
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert "cannot be written" in run("pocket", "train", "pocket-gpt2", "--out", tmp_path / "file").refused()

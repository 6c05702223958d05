"""The main job from the outside, as whole commands: locate, degenerate, report, verify."""

from __future__ import annotations

import html.parser
import io
import json
import os
import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

import factneurons as fn
from factneurons.attribution.settings import SelectionSettings
from factneurons.cli import main
from factneurons.runs.verify import verify
from factneurons.stages import degenerate, locate
from factneurons.stages import test_neurons as tests_of_neurons


class Reader(html.parser.HTMLParser):
    """The texts of a page, and every address that it would ask for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href")]


def test_every_line_of_output(commands, tmp_path, run):
    out = tmp_path / "my run"
    found = run(*commands.locate(out, "--limit", 12))
    assert found.code == 0
    assert found.notes == []
    lines = found.out.splitlines()
    assert lines[0].startswith(f"{out}: 12 of 12 facts located in ")
    assert "of them the model knows (the answer comes first); knowledge neurons per fact: median " in lines[1]
    assert lines[2].startswith("relative change of P(answer) with the knowledge neurons changed, mean and 95 %")
    assert [line.split(",")[0].strip() for line in lines[3:7]] == [
        "suppressed (values set to 0)",
        "suppressed (values set to 0)",
        "enhanced (values doubled)",
        "enhanced (values doubled)",
    ]
    assert all("random neurons" in line for line in lines[3:7])
    assert lines[7] == f"next: factneurons degenerate '{out}'"

    degenerate = run(*commands.degenerate(out))
    assert (degenerate.code, degenerate.err) == (0, "")
    lines = degenerate.out.splitlines()
    assert lines[0].startswith(f"{out}: ")
    assert "of 12 facts have degenerate knowledge neurons in " in lines[0]
    assert "are distinct components: half of every one suppressed costs as much as all" in degenerate.out
    assert "of other facts, matched random neurons" in degenerate.out
    assert sum(int(line.split()[0]) for line in lines if re.match(r"  \d+ facts? stored as ", line)) == 12
    assert "the degenerate neurons changed" in degenerate.out
    assert lines[-1] == f"next: factneurons report '{out}'"

    report = run("report", out)
    assert (report.code, report.err, report.out) == (0, "", f"{out / 'report.html'}\n")
    checked = run("verify", out)
    assert (checked.code, checked.err, checked.out) == (0, "", f"{out}: every file is as it was written\n")


def test_the_report_asks_for_nothing(finished, tmp_path, run):
    assert run("report", finished, "--out", tmp_path / "page.html").code == 0
    page = Reader((tmp_path / "page.html").read_text(encoding="utf-8"))
    texts = [text.strip() for text in page.texts if text.strip()]
    assert "The capital of France is" in " ".join(texts)
    for label, value in {"Family": "gpt2", "Kind": "causal", "Layers": "3", "Neurons per layer": "96"}.items():
        assert value in texts[texts.index(label) + 1], label
    assert [address for address in page.addresses if not address.startswith(("#", "data:"))] == []


def test_figures(finished, run, tmp_path):
    assert run("report", finished, "--png", "--svg", "--max-facts", 2, "--out", tmp_path / "page.html").code == 0
    names = {path.suffix for path in (finished / "figures").iterdir()}
    assert names == {".png", ".svg"}
    assert all(path.stat().st_size > 500 for path in (finished / "figures").iterdir())


def test_what_the_manifest_says(finished, gpt2, facts_file):
    manifest = json.loads((finished / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["stages"]) == {"locate", "test_knowledge", "degenerate", "test_degenerate"}
    for name, stage in manifest["stages"].items():
        counts = stage["counts"]
        assert stage["state"] == "done"
        assert counts["read"] == 40 == counts["done"] + sum(counts["skipped"].values()), name
    assert manifest["stages"]["locate"]["settings"]["attribution"]["method"] == "joint"
    assert manifest["data"]["spec"] == str(facts_file)
    assert len(manifest["data"]["sha256"]) == 64
    assert manifest["model"]["name"] == str(gpt2)
    assert set(manifest["model"]["files"]) >= {"config.json", "model.safetensors", "tokenizer.json"}
    shape = {name: manifest["model"][name] for name in ("family", "kind", "layers", "width")}
    assert shape == {"family": "gpt2", "kind": "causal", "layers": 3, "width": 96}


def test_knowledge_neurons_matter_more_than_random_ones(finished):
    table = fn.Run.open(finished).table("interventions")
    table = table[(table["action"] == "suppress") & (table["prompts"] == "related")]
    change = table["probability_after"] / table["probability_before"] - 1
    found, random = (change[table["neurons"] == name].mean() for name in ("knowledge", "random for knowledge"))
    assert found < random - 0.02


def test_tables_fit_each_other(finished):
    run = fn.Run.open(finished)
    facts, neurons = run.table("facts"), run.table("neurons")
    assert len(facts) == 40
    assert (neurons.groupby("fact_id").size().reindex(facts["fact_id"], fill_value=0) == facts["neurons"].values).all()
    completeness = run.table("completeness")
    assert len(completeness) == 3 * facts["prompts_asked"].sum()
    assert completeness["error"].max() < 0.05
    interventions = run.table("interventions")
    skipped = run.table("skipped")
    for name in ("knowledge", "degenerate"):
        tested = set(interventions[interventions["neurons"] == name]["fact_id"])
        left_out = set(skipped[skipped["stage"] == f"test_{name}"]["fact_id"])
        assert tested | left_out == set(facts["fact_id"])
        assert not tested & left_out
        assert tested
    relations = dict(zip(facts["fact_id"], facts["relation"].str.removesuffix("_reverse"), strict=True))
    unrelated = interventions[interventions["prompts"] == "unrelated"]
    assert len(unrelated)
    assert not any(
        relations[own] == relations[other]
        for own, other in zip(unrelated["fact_id"], unrelated["other_fact_id"], strict=True)
    )
    drawn = interventions[interventions["draw"] > 0].groupby(["fact_id", "neurons", "action", "prompts"])
    assert set(drawn["draw"].nunique()) == {3}


def test_what_is_lost_and_what_components_carry(finished):
    run = fn.Run.open(finished)
    degenerate = run.table("degenerate").set_index("fact_id")
    having = degenerate[degenerate["components"] >= 2]
    acquisition = run.table("acquisition")
    curves = acquisition[acquisition["which"] == "components"]
    assert set(curves["fact_id"]) == set(having.index)
    assert set(acquisition["clusterer"]) == {"ntc"}
    for fact_id, curve in curves.groupby("fact_id"):
        assert curve["k"].tolist() == list(range(1, int(having.loc[fact_id, "components"]) + 1))
    random = acquisition[acquisition["which"] == "random for components"]
    assert len(random) == len(curves)

    carried = run.table("carried")
    assert carried.groupby("fact_id").size().to_dict() == having["components"].to_dict()
    assert set(carried["others"]) == {39}, "all the others"
    assert carried[["other_facts", "shared", "overlap"]].stack().between(0, 1).all()
    assert carried["p_value"].between(1 / 100, 1).all()


def test_the_command_line_and_python_find_the_same(finished, gpt2, facts_file):
    model = fn.load_model(gpt2)
    known = fn.locate(model, fn.load_facts(facts_file), selection=SelectionSettings(threshold=0.2, share=0.5, rounds=1))
    table = fn.Run.open(finished).table("neurons")
    frame = known.to_frame()
    columns = ["fact_id", "layer", "index"]
    merged = table.merge(frame, on=columns, suffixes=("", "_python"), how="outer")
    assert len(merged) == len(table) == len(frame)
    np.testing.assert_allclose(merged["score"], merged["score_python"], rtol=1e-6)
    settings = fn.DegeneracySettings(clusterer="ntc", tau1=0.8, t_low=1, t_sufficient=1, t_high=0)
    found = {each.fact.id: each for each in fn.find_degenerate(model, known, settings=settings)}
    degenerate = fn.Run.open(finished).table("degenerate")
    assert degenerate["components"].max() >= 2
    for row in degenerate.to_dict("records"):
        each = found[row["fact_id"]]
        assert row["components"] == len(each.components)
        assert row["reason"] == each.reason
        assert (row["grouping"], row["storage"] == "undecided") == (each.grouping, each.grouping == "undecided")
        details = {detail["name"]: detail["value"] for detail in row["details"]}
        assert details.get("halving") == pytest.approx(each.details.get("halving"), abs=1e-4)


def test_two_runs_are_equal(finished, commands, tmp_path, same_tables, run):
    again = tmp_path / "again"
    assert run(*commands.locate(again)).code == 0
    assert run(*commands.degenerate(again)).code == 0
    same_tables(finished, again)


def test_order_and_batches_change_nothing(finished, commands, world, tmp_path, run, write_facts):
    """In another order other facts share a batch."""
    order = np.random.default_rng(0).permutation(len(world))
    shuffled = write_facts(tmp_path / "shuffled.jsonl", [world[number] for number in order])
    assert run(*commands.locate(tmp_path / "run", facts=shuffled)).code == 0
    one, other = (fn.Run.open(folder).table("neurons") for folder in (finished, tmp_path / "run"))
    keys = ["fact_id", "language", "layer", "index"]
    one, other = (table.sort_values(keys).reset_index(drop=True) for table in (one, other))
    pd.testing.assert_frame_equal(one[[*keys, "share"]], other[[*keys, "share"]])
    np.testing.assert_allclose(one["score"], other["score"], rtol=1e-4, atol=1e-7)
    one, other = (fn.Run.open(folder).table("interventions") for folder in (finished, tmp_path / "run"))
    one = one[one["neurons"].str.endswith("knowledge")].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        one.drop(columns=["probability_before", "probability_after", "log_change"]),
        other.drop(columns=["probability_before", "probability_after", "log_change"]),
    )
    np.testing.assert_allclose(one["log_change"], other["log_change"], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(one["probability_after"], other["probability_after"], rtol=1e-4)


def test_a_finished_run_is_not_done_again(finished, commands, run, monkeypatch):
    def never(*_, **__):
        pytest.fail("nothing is left to do")

    monkeypatch.setattr(locate, "locate_batch", never)
    monkeypatch.setattr(tests_of_neurons, "intervention", never)
    monkeypatch.setattr(degenerate, "degenerate_search", never)
    again = run(*commands.locate(finished))
    assert again.code == 0
    assert "40 of 40 facts located in 0.0 s, 40 of them before" in again.out
    assert run(*commands.degenerate(finished)).code == 0
    assert verify(fn.Run.open(finished)) == []


def test_masked_model(bert, facts_file, tmp_path, run, locate):
    found = locate(bert, facts_file, tmp_path / "run", "--limit", 6, "--method", "dai")
    assert found.code == 0
    assert "6 of 6 facts located" in found.out
    assert run("degenerate", tmp_path / "run", "--draws", 3, "--unrelated", 2).code == 0
    assert run("report", tmp_path / "run").code == 0


def test_one_fact_has_no_interval_and_no_unrelated_facts(commands, tmp_path, run):
    found = run(*commands.locate(tmp_path / "run", "--limit", 1))
    assert f"{tmp_path / 'run'}: 1 of 1 fact located" in found.out
    assert "(one subject: no interval)" in found.out
    assert "there are no facts of other relations in this run" in found.out
    assert "inf" not in found.out
    assert run("report", tmp_path / "run").code == 0


def test_verify_names_what_changed(gpt2, facts_file, tmp_path, run, locate):
    model, facts, out = tmp_path / "model", tmp_path / "facts.jsonl", tmp_path / "run"
    shutil.copytree(gpt2, model)
    shutil.copy(facts_file, facts)
    assert locate(model, facts, out, "--limit", 2).code == 0
    with facts.open("a", encoding="utf-8") as file:
        file.write("\n")
    assert f"data {facts}: they are not those the run was made with" in run("verify", out).refused()
    facts.unlink()
    unknown = run("verify", out)
    assert unknown.code == 0
    assert "the data were not checked" in unknown.err
    with (model / "config.json").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert "model file config.json: it is not the one the run was made with" in run("verify", out).err
    assert "model.files.config.json was" in run("degenerate", out).refused()
    shutil.rmtree(model)
    assert "the model's files were not checked" in run("verify", out).err
    assert "there is no folder" in run("degenerate", out).refused()
    moved = run("degenerate", out, "--model", gpt2, "--draws", 3, "--unrelated", 2)
    assert moved.code == 0


def test_names_that_are_no_plain_words(gpt2, world, tmp_path, run, locate, write_facts):
    """Nothing in the names of facts or folders leads out of the run or breaks the report."""
    nasty = ["../../escape", "a/b", "x" * 300, "<script>alert(1)</script>", "$(touch pwned)", "生命", "CON", "a\u202eb"]
    facts = [
        fn.Fact(name, name, "France", "Paris", "en", (fn.Prompt("The capital of France is ___."),)) for name in nasty
    ]
    out = tmp_path / "a folder: with [bold] :smile: ü"
    found = locate(gpt2, write_facts(tmp_path / "facts.jsonl", facts), out)
    assert found.code == 0
    assert str(out) in found.out
    assert run("report", out).code == 0
    assert "<script>alert(1)" not in (out / "report.html").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"facts.jsonl", out.name}
    assert set(fn.Run.open(out).table("facts")["fact_id"]) == set(nasty)


@pytest.mark.parametrize("architecture", ["gpt2", "bert"])
def test_nothing_else_is_said(architecture, gpt2, bert, facts_file, tmp_path, start):
    """A process of its own: what libraries write to standard error is seen too."""
    model = {"gpt2": gpt2, "bert": bert}[architecture]
    out = tmp_path / "run"
    arguments = ("--facts", facts_file, "--out", out, "--limit", 4, "--draws", 2, "--unrelated", 1)
    for command in (("locate", "--model", model, *arguments), ("degenerate", out), ("report", out), ("verify", out)):
        done = start(*command).wait()
        assert (done.code, done.notes) == (0, [])


def test_a_terminal_without_unicode(run, monkeypatch):
    screens = {name: io.TextIOWrapper(io.BytesIO(), encoding="ascii") for name in ("stdout", "stderr")}
    for name, screen in screens.items():
        monkeypatch.setattr(sys, name, screen)
    codes = []
    for facts in ("bundled?lang=zh&relation=capital&limit=1", "生命.jsonl"):
        with pytest.raises(SystemExit) as end:
            main(["facts", "describe", facts])
        codes.append(end.value.code)
    for screen in screens.values():
        screen.flush()
    assert codes == [0, 2]
    assert b"languages: zh 1" in screens["stdout"].buffer.getvalue()
    name = r"\u751f\u547d.jsonl"
    assert screens["stderr"].buffer.getvalue().decode() == f"error: {name}: there is no file {name}\n"


def test_output_that_nobody_reads_to_its_end(capfd, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        with pytest.raises(SystemExit) as end:
            main(["pocket", "list"])
    assert end.value.code == 141
    assert capfd.readouterr() == ("", "")
    monkeypatch.undo()
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capfd.readouterr().out.startswith("factneurons ")

"""What is read of a run: sums do not depend on how it is cut, and damage is told."""

import pandas as pd
import pytest

from factneurons.errors import BadRun
from factneurons.report.reading import findings_in, findings_of, read
from factneurons.runs import parts
from factneurons.runs.store import Run


def test_a_run_read_in_many_frames_is_the_same(whole_run, monkeypatch):
    run = Run.open(whole_run)
    whole = read(run, 5)
    monkeypatch.setattr(parts, "ROWS", 1)
    cut = read(run, 5)
    pd.testing.assert_frame_equal(whole.effects, cut.effects, rtol=1e-12)
    assert whole.knowledge_by_layer == cut.knowledge_by_layer
    assert whole.degenerate_by_layer == cut.degenerate_by_layer
    assert repr(whole.rows) == repr(cut.rows)
    assert whole.prompts == cut.prompts
    assert all(sorted(whole.errors[layer]) == sorted(cut.errors[layer]) for layer in whole.errors)


def test_only_shown_facts_keep_their_rows(whole_run):
    reading = read(Run.open(whole_run), 3)
    assert len(reading.shown) == 3
    assert len(reading.facts) == 24
    for rows in [reading.prompts, *reading.rows.values()]:
        assert set(rows) <= set(reading.shown)
    assert reading.knowledge_by_layer.total() == len(Run.open(whole_run).table("neurons"))
    assert reading.layers == 8


def test_degenerate_neurons_are_those_of_components_that_pass(whole_run):
    reading = read(Run.open(whole_run), 0)
    table = Run.open(whole_run).table("components")
    assert set(table["role"]) == {"component", "candidate"}
    assert reading.degenerate_by_layer.total() == table.loc[table["role"] == "component", "size"].sum()


def test_skips_are_counted_and_those_without_news_not_listed(whole_run):
    reading = read(Run.open(whole_run), 3)
    by_reason = {each.reason: each for each in reading.left_out}
    assert by_reason["blank-not-at-end"].prompts == 16
    assert by_reason["unreadable"].facts == 1
    assert "cut off" in by_reason["unreadable"].example
    assert by_reason["no-degenerate-neurons"].facts > 0
    assert {row["reason"] for row in reading.skipped} == {"blank-not-at-end", "unreadable"}
    assert reading.skipped_total == len(reading.skipped) == 17


def test_a_damaged_part_is_one_clear_line(make_run, tmp_path):
    folder = make_run(tmp_path / "run", stages=("locate",))
    part = sorted(folder.glob("parts/*/neurons.parquet"))[0]
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(BadRun, match="is missing or damaged") as error:
        read(Run.open(folder), 3)
    assert str(part) in str(error.value)
    assert "\n" not in str(error.value)


def test_findings_in_python_are_those_of_the_report(whole_run):
    frame = findings_of(whole_run)
    read_again = findings_in(read(Run.open(whole_run), 0))
    effect = read_again.effect("knowledge", "suppress", "related").relative
    under = (frame["neurons"] == "knowledge") & (frame["action"] == "suppress") & (frame["prompts"] == "related")
    (row,) = frame[under & (frame["finding"] == effect.name)].to_dict("records")
    assert (row["value"], row["low"], row["high"], row["facts"]) == (
        *(effect.value, effect.interval.low, effect.interval.high), effect.n
    )  # fmt: skip
    assert (row["control"], row["difference"]) == (effect.control.estimate, effect.difference.estimate)
    assert len(frame) == len(read_again.all)

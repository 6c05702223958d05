"""Runs that go further than they went before, and facts that go on without a part of them."""

from __future__ import annotations

import json

import pandas as pd

import factneurons as fn


def test_a_larger_limit_goes_further(commands, tmp_path, run):
    out, at_once = tmp_path / "run", tmp_path / "at once"
    assert run(*commands.locate(out, "--limit", 10)).code == 0
    further = run(*commands.locate(out, "--limit", 20))
    assert (further.code, further.notes) == (0, [])
    assert f"{out}: 20 of 20 facts located in " in further.out
    assert ", 10 of them before\n" in further.out
    opened = fn.Run.open(out)
    starts = opened.manifest.stages["locate"].starts
    assert [start.extent for start in starts] == [{"limit": 10}, {"limit": 20}]
    for stage in ("locate", "test_knowledge"):
        names = [name.fact_id for name in opened.fact_names(stage)]
        assert len(names) == len(set(names)) == opened.counts(stage).done == 20

    assert run(*commands.locate(at_once, "--limit", 20)).code == 0
    keys = ["fact_id", "layer", "index"]
    one, other = (fn.Run.open(folder).table("neurons")[keys] for folder in (out, at_once))
    pd.testing.assert_frame_equal(one, other)

    assert run(*commands.locate(out, "--limit", 5)).code == 0
    assert fn.Run.open(out).counts("locate").done == 20
    everything = run(*commands.locate(out))
    assert f"{out}: 40 of 40 facts located in " in everything.out
    assert run("report", out).code == 0


def test_a_prompt_is_left_out_and_the_fact_is_done(world, commands, tmp_path, run, write_facts):
    facts = write_facts(tmp_path / "facts.jsonl", world[:3])
    records = [json.loads(line) for line in facts.read_text(encoding="utf-8").splitlines()]
    records[1]["prompts"].append(records[1]["prompts"][0])
    facts.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    out = tmp_path / "run"
    found = run(*commands.locate(out, facts=facts))
    assert found.code == 0
    assert f"{out}: 3 of 3 facts located in " in found.out
    assert "  1 prompt left out, duplicate_prompt; for instance: " in found.out
    assert "fact left out" not in found.out
    counts = fn.Run.open(out).counts("locate")
    assert (counts.read, counts.done, counts.skipped) == (3, 3, {})
    assert counts.skipped_prompts == {"duplicate_prompt": 1}
    again = run(*commands.locate(out, facts=facts))
    assert "3 of 3 facts located in " in again.out
    assert fn.Run.open(out).counts("locate") == counts

"""Real input, where it is there: every fact that is read is done or skipped with a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import factneurons as fn

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SOURCES = {
    "templama": f"templama:{DATA / 'templama' / 'val.jsonl'}",
    "mpararel-en": f"mpararel:{DATA / 'mpararel'}?lang=en",
    "mpararel-zh": f"mpararel:{DATA / 'mpararel'}?lang=zh-hans",
}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not at ../shared/data")


@pytest.mark.parametrize("architecture", ["gpt2", "bert"])
@pytest.mark.parametrize("source", SOURCES)
def test_describe(source, architecture, random_model, run):
    model = random_model(architecture)
    shown = run("facts", "describe", SOURCES[source], "--model", model, "--limit", 300, "--multi-mask")
    assert (shown.code, shown.err) == (0, "")
    prompts = int(re.search(r"prompts: (\d+)", shown.out)[1])
    askable = int(re.search(r"askable: \d+ facts?, (\d+) prompts?", shown.out)[1])
    refused = sum(int(count) for count in re.findall(r"not askable, [a-z-]+: (\d+) prompts?;", shown.out))
    assert prompts == askable + refused
    assert askable > 100
    records, facts = (int(re.search(rf"{name}: (\d+)", shown.out)[1]) for name in ("records", "facts"))
    left_out = sum(int(count) for count in re.findall(r"records left out: .*? (\d+)", shown.out))
    assert records == facts + left_out


@pytest.mark.parametrize("architecture", ["gpt2", "bert"])
@pytest.mark.parametrize("source", SOURCES)
def test_locate(source, architecture, random_model, tmp_path, run, locate):
    few = ("--limit", 20, "--method", "dai", "--rule", "gauss_legendre", "--points", 2, "--multi-mask")
    found = locate(random_model(architecture), SOURCES[source], tmp_path / "run", *few)
    assert found.code == 0
    assert all(line.startswith("warning: ") for line in found.err.splitlines())
    opened = fn.Run.open(tmp_path / "run")
    counts = opened.manifest.stages["locate"].counts
    assert counts.read == counts.done + sum(counts.skipped.values())
    assert counts.done == len(opened.table("facts")) > 0
    skipped = opened.table("skipped")
    skipped = skipped[skipped["stage"] == "locate"]
    assert (skipped["reason"].str.len() > 0).all()
    assert (skipped["detail"].str.len() > 10).all()
    assert (skipped["prompt"] == "").sum() == sum(counts.skipped.values())
    assert (skipped["prompt"] != "").sum() == sum(counts.skipped_prompts.values())
    assert counts.done + sum(counts.skipped.values()) >= 20
    for stage in opened.manifest.stages.values():
        assert stage.state == "done"
    assert run("degenerate", tmp_path / "run", "--draws", 2, "--unrelated", 1).code == 0

"""The manifest: what it stores, and what may differ when a run is resumed."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.errors import BadRun, BadSetting
from factneurons.runs.counts import Counts
from factneurons.runs.files import sealed, unsealed
from factneurons.runs.manifest import NOT_SET, Manifest, differences, git_state, is_untouched, plain
from factneurons.runs.store import Run
from factneurons.runs.verify import verify

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
mappings = st.dictionaries(st.sampled_from(["a", "b", "c", "a.b"]), values, max_size=4)


@given(mappings)
def test_nothing_differs_from_itself(mapping):
    assert differences(mapping, json.loads(json.dumps(mapping))) == []


@given(mappings, mappings)
def test_differences_are_there_when_mappings_differ_and_turn_round(old, new):
    found = differences(old, new)
    assert bool(found) == (old != new)
    assert sorted(map(repr, differences(new, old))) == sorted(repr((name, b, a)) for name, a, b in found)
    assert all(was != is_now for _, was, is_now in found)


@given(mappings, st.sampled_from(["a", "b"]), values)
def test_a_changed_field_is_the_one_that_is_named(mapping, name, value):
    changed = {**mapping, name: value}
    for field, was, is_now in differences(mapping, changed):
        assert field == name or field.startswith(f"{name}.")
        assert was != is_now
    if name not in mapping:
        assert differences(mapping, changed) == [(name, NOT_SET, value)]


def test_differences_by_hand():
    old = {"seed": 1, "settings": {"rule": "gauss", "points": 20}, "only_old": None}
    new = {"seed": 1, "settings": {"rule": "right", "points": 20}, "new": []}
    assert differences(old, new) == [
        ("new", NOT_SET, []),
        ("only_old", None, NOT_SET),
        ("settings.rule", "gauss", "right"),
    ]


def test_a_manifest_survives_its_file(small):
    manifest = small.make_manifest().with_stage(small.STAGE, counts=Counts(3, 2, 1, {"blank": 2}))
    data = manifest.to_bytes()
    assert Manifest.from_bytes(data, Path("m")) == manifest
    assert is_untouched(data)
    assert not is_untouched(data.replace(b"float32", b"float64"))
    start = json.loads(data)["stages"][small.STAGE]["starts"][0]
    assert start["versions"].keys() >= {"factneurons", "torch", "transformers", "numpy"}
    assert start["python"].startswith("3.")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"null", b'{"format": 1}', b"\xff"])
def test_what_is_no_manifest_is_named(data):
    with pytest.raises(BadRun, match="m is damaged"):
        Manifest.from_bytes(data, Path("m"))


def test_another_format_is_refused(small):
    data = small.make_manifest().to_bytes().replace(b'"format": 1', b'"format": 2')
    with pytest.raises(BadRun, match="its format is 2, this version reads 1"):
        Manifest.from_bytes(data, Path("m"))


def test_settings_become_plain_values():
    @dataclass
    class Settings:
        layers: tuple[int, ...]
        folder: Path

    assert plain(Settings((1, 2), Path("runs"))) == {"layers": [1, 2], "folder": "runs"}
    with pytest.raises(BadSetting, match="cannot be stored"):
        plain({"threshold": float("nan")})
    with pytest.raises(BadSetting, match="no plain value"):
        plain({"model": object()})
    with pytest.raises(BadSetting, match="a mapping or a dataclass"):
        plain([1])


@pytest.mark.parametrize("stage", ["", "../x", "Locate", "a-b", "a b", "x" * 50])
def test_a_stage_has_a_plain_name(small, stage):
    with pytest.raises(BadSetting, match="no stage name"):
        small.make_manifest(stage, seed=1)


def refused(small, folder, stage="locate", **changes):
    with pytest.raises(BadRun) as caught:
        Run.create_or_resume(folder, small.make_manifest(stage, **changes), stage)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_other_settings_are_refused_by_name(tmp_path, small):
    folder = tmp_path / "run"
    small.write_run(folder, 8)
    before = (folder / "manifest.json").read_bytes()
    message = refused(small, folder, settings={"method": "amig", "threshold": 0.3})
    assert f"{folder} was made with other settings: locate.settings.threshold was 0.2, is 0.3 now" in message
    assert "another --out" in message
    message = refused(small, folder, settings={"method": "dai", "threshold": 0.3})
    assert 'locate.settings.method was "amig", is "dai" now (1 more: locate.settings.threshold)' in message
    assert "locate.seed was 42, is 7 now" in refused(small, folder, seed=7)
    assert 'model.dtype was "float32", is "float64" now' in refused(small, folder, dtype="float64")
    assert 'data.sha256 was "cd34", is "ee" now' in refused(small, folder, data_sha256="ee")
    assert 'data.spec was "bundled", is "x.csv" now' in refused(small, folder, data="x.csv")
    changed = refused(small, folder, model_files={"model.safetensors": "ff"})
    assert 'model.files.model.safetensors was "ab12", is "ff" now' in changed
    assert (folder / "manifest.json").read_bytes() == before
    assert 'model.dtype was "float32"' in refused(small, folder, "degenerate", dtype="float16")


def test_a_model_without_files_is_known_by_its_name(tmp_path, small):
    small.write_run(tmp_path / "run", 8, manifest=small.make_manifest(model="tiny", model_files={}))
    message = refused(small, tmp_path / "run", model="other", model_files={})
    assert 'model.name was "tiny", is "other" now' in message


def test_the_same_files_under_another_name_are_the_same_model(tmp_path, small):
    small.write_run(tmp_path / "run", 8)
    summary = small.write_run(tmp_path / "run", 8, manifest=small.make_manifest(model="/elsewhere/pocket"))
    assert summary.before == 8


def test_another_device_is_told_and_recorded(tmp_path, small):
    small.write_run(tmp_path / "run", 8)
    manifest = small.make_manifest(device="cuda:0", command="factneurons locate --again")
    with Run.create_or_resume(tmp_path / "run", manifest, small.STAGE) as run:
        assert run.notes == [f"device is cuda:0, it was cpu when {tmp_path / 'run'} was last written"]
    starts = Run.open(tmp_path / "run").manifest.stages[small.STAGE].starts
    assert [start.command for start in starts] == ["factneurons locate", "factneurons locate --again"]


def test_a_later_stage_has_its_own_settings(tmp_path, small):
    small.write_run(tmp_path / "run", 8)
    manifest = small.make_manifest("degenerate", settings={"distance": "residual"}, seed=1)
    Run.create_or_resume(tmp_path / "run", manifest, "degenerate").close()
    stages = Run.open(tmp_path / "run").manifest.stages
    assert (stages["locate"].state, stages["degenerate"].state) == ("done", "running")
    assert stages["locate"].counts.read == 8
    message = refused(small, tmp_path / "run", "degenerate", settings={"distance": "adjacent"}, seed=1)
    assert 'degenerate.settings.distance was "residual"' in message


def test_git_state(tmp_path):
    assert git_state(tmp_path / "nowhere") is None

    def git(*arguments):
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    git("init")
    assert git_state(tmp_path) is None
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "one")
    state = git_state(tmp_path)
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    (tmp_path / "a").write_text("2")
    assert git_state(tmp_path)["dirty"] is True


def test_without_git_there_is_no_git_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(Path.cwd()) is None


def places(content, where=()):
    """Every place of a manifest that is not somebody's own settings."""
    for name, inner in content.items() if isinstance(content, dict) else enumerate(content):
        yield (*where, name)
        if isinstance(inner, (dict, list)) and name not in ("settings", "counts", "extent", "git", "arguments"):
            yield from places(inner, (*where, name))


@pytest.mark.parametrize("value", [None, 1, "x", [], {}], ids=repr)
def test_a_forged_manifest_is_refused_or_read_and_never_a_surprise(tmp_path, small, value):
    """With a seal that is right: whoever made a run may have written what they liked."""
    small.write_run(tmp_path / "run", 8)
    path = tmp_path / "run" / "manifest.json"
    whole = path.read_bytes()
    refused = 0
    for *way, last in places(unsealed(whole)):
        content = unsealed(whole)
        inner = content
        for name in way:
            inner = inner[name]
        inner[last] = value
        path.write_bytes(json.dumps(sealed(content)).encode())
        try:
            run = Run.open(tmp_path / "run")
        except BadRun:
            refused += 1
        else:
            verify(run)
            assert isinstance(run.manifest.model["name"], str)
            assert isinstance(run.manifest.data["spec"], str)
    assert refused > 10


def test_a_manifest_that_is_too_deep_is_refused(tmp_path):
    with pytest.raises(BadRun, match="is damaged"):
        Manifest.from_bytes(b'{"format":' + b"[" * 100_000, tmp_path)

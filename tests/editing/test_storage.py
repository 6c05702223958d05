"""Edits on disk: what is read is what was written, and what is damaged is refused in one line."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from factneurons.editing.storage import DELTA, DESCRIPTION, edits_in
from factneurons.editing.types import Edit
from factneurons.editing.weights import same_bits
from factneurons.errors import BadSetting
from factneurons.models.files import file_hash

NEURONS = [(0, 1), (1, 4), (2, 2)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    neurons=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 23)), min_size=1),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 99),
)
def test_read_is_what_was_written(neurons, dtype, seed, shared_model, some_edit, tmp_path_factory):
    edit = some_edit(shared_model("gpt2", dtype), neurons, seed)
    found = Edit.load(edit.save(tmp_path_factory.mktemp("edit")))
    assert found.neurons == edit.neurons
    assert same_bits(found.old, edit.old)
    assert same_bits(found.new, edit.new)
    assert found.description == edit.description


def test_it_is_small(made, tmp_path):
    made.save(tmp_path / "edit")
    size = sum(path.stat().st_size for path in (tmp_path / "edit").iterdir())
    assert size < 8_000 + 2 * made.new.numel() * made.new.element_size()


def test_no_second_edit_in_a_folder(made, tmp_path):
    made.save(tmp_path)
    with pytest.raises(BadSetting, match="exists already"):
        made.save(tmp_path)


class TestDamage:
    @pytest.fixture
    def folder(self, shared_model, some_edit, tmp_path):
        return some_edit(shared_model("gpt2"), NEURONS).save(tmp_path / "edit")

    @staticmethod
    def refused(folder, said):
        with pytest.raises(BadSetting, match=said) as caught:
            Edit.load(folder)
        assert "\n" not in str(caught.value)

    def change(self, folder, **values):
        record = json.loads((folder / DESCRIPTION).read_text())
        (folder / DESCRIPTION).write_text(json.dumps({**record, **values}))

    def test_nothing_there(self, tmp_path):
        self.refused(tmp_path, "holds no edit")
        self.refused(tmp_path / "nowhere", "holds no edit")

    def test_another_delta(self, folder):
        data = (folder / DELTA).read_bytes()
        (folder / DELTA).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        self.refused(folder, "its hash differs")

    @pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000])
    def test_no_json(self, folder, text):
        (folder / DESCRIPTION).write_text(text)
        self.refused(folder, "no JSON")

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"format": 2}, "format 2, this version reads 1"),
            ({"kind": 3}, "kind is int, not str"),
            ({"facts": "f"}, "facts is str, not list"),
            ({"settings": []}, "settings is list, not dict"),
            ({"path": "/etc"}, "unknown: path"),
            ({"extent": "soul"}, "extent is 'soul': it must be one of: out-weights, neurons, model"),
        ],
    )
    def test_other_fields(self, folder, values, said):
        self.change(folder, **values)
        self.refused(folder, said)

    @pytest.mark.parametrize(
        "change",
        [
            lambda tensors: tensors.pop("old"),
            lambda tensors: tensors.update(old=tensors["old"][:1].clone()),
            lambda tensors: tensors.update(neurons=tensors["neurons"].float()),
            lambda tensors: tensors.update(neurons=torch.zeros_like(tensors["neurons"])),
        ],
    )
    def test_tensors_that_do_not_fit(self, folder, change):
        tensors = load_file(folder / DELTA)
        change(tensors)
        save_file(tensors, folder / DELTA)
        self.change(folder, delta_sha256=file_hash(folder / DELTA))
        self.refused(folder, "fit together|holds")

    def test_no_safetensors(self, folder):
        (folder / DELTA).write_bytes(b"\x80\x04 a pickle")
        self.change(folder, delta_sha256=file_hash(folder / DELTA))
        self.refused(folder, "cannot be read as safetensors")


def test_edits_of_before_are_of_out_weights(made, tmp_path):
    folder = made.save(tmp_path)
    record = json.loads((folder / DESCRIPTION).read_text())
    del record["extent"]
    (folder / DESCRIPTION).write_text(json.dumps(record))
    assert Edit.load(folder).description == made.description


@pytest.mark.parametrize("neurons", [NEURONS, None])
def test_fine_tunings(neurons, shared_model, some_edit, tmp_path):
    edit = some_edit(shared_model("llama"), neurons, extent="model" if neurons is None else "neurons")
    found = Edit.load(edit.save(tmp_path))
    assert (found.neurons, found.description) == (edit.neurons, edit.description)
    assert same_bits(found.new, edit.new)
    assert same_bits(found.old, edit.old)


def test_edits_in(made, tmp_path):
    for name in ("b", "a"):
        made.save(tmp_path / name)
    (tmp_path / "c").mkdir()
    assert [path.name for path in edits_in(tmp_path)] == ["a", "b"]
    assert edits_in(tmp_path / "a") == [tmp_path / "a"]
    with pytest.raises(BadSetting, match="no folder"):
        edits_in(tmp_path / "d")


def test_an_edit_made_by_an_older_version_still_loads():
    """Written by the code before `Edit.save`: kind suppress, Spain's currency, two given neurons of pocket-gpt2."""
    edit = Edit.load(Path(__file__).parent / "data" / "edit")
    assert edit.neurons == ((2, 1), (3, 5))
    assert edit.new.abs().max() == 0 < edit.old.abs().min()
    assert str(edit.description) == "suppress: currency, Spain"
    assert edit.description.settings["seed"] == 42

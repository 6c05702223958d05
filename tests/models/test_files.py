"""The files of a model: their hashes show what was changed, and pickles are weights only where they are allowed."""

from __future__ import annotations

import pytest

from factneurons.errors import BadModel
from factneurons.models.files import file_hash, fingerprint, weight_files


@pytest.fixture
def gpt2_folder(tiny_model_folder, tmp_path):
    return tiny_model_folder("gpt2", tmp_path)


def test_files(gpt2_folder):
    (gpt2_folder / "notes.md").write_text("not used")
    (gpt2_folder / "optimizer.pt").write_text("not used")
    found = fingerprint(gpt2_folder)
    assert set(found) >= {"config.json", "model.safetensors", "tokenizer.json"}
    assert not {"notes.md", "optimizer.pt"} & set(found)
    assert all(len(digest) == 64 for digest in found.values())


def test_one_changed_byte_shows(gpt2_folder):
    before = fingerprint(gpt2_folder)
    path = gpt2_folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    after = fingerprint(gpt2_folder)
    assert {name for name in before if before[name] != after[name]} == {"model.safetensors"}


def test_known_hash(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert file_hash(tmp_path / "empty").startswith("e3b0c44298fc1c14")


def test_an_index_names_the_weights(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "2.safetensors", "b": "1.safetensors"}}'
    )
    assert [path.name for path in weight_files(tmp_path)] == ["1.safetensors", "2.safetensors"]
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../2.safetensors"}}')
    with pytest.raises(BadModel, match="outside the folder"):
        weight_files(tmp_path)


def test_pickles_are_refused(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(BadModel, match="pickled weights only"):
        weight_files(tmp_path)
    assert weight_files(tmp_path, allow_pickle=True) == [tmp_path / "pytorch_model.bin"]


def test_an_index_names_files_of_its_own_kind(tmp_path):
    """A pickle cannot come in under the name of safetensors."""
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "pytorch_model.bin"}}')
    for allowed in (False, True):
        with pytest.raises(BadModel, match=r"are no \.safetensors"):
            weight_files(tmp_path, allow_pickle=allowed)

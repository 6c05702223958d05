"""Two models have one fingerprint if and only if they answer alike by their files."""

import socket

import pytest
import transformers
from safetensors.torch import load_file, save_file

from factneurons.models.fingerprint import file_hash, fingerprint, model_fingerprint, tensor_hash
from factneurons.models.load import load_model


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise socket.gaierror("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def gpt2_folder(tiny_model_folder, tmp_path):
    return tiny_model_folder("gpt2", tmp_path)


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


class TestFingerprint:
    def test_files(self, gpt2_folder):
        (gpt2_folder / "notes.md").write_text("not used")
        (gpt2_folder / "optimizer.pt").write_text("not used")
        found = fingerprint(gpt2_folder)
        assert set(found) >= {"config.json", "model.safetensors", "tokenizer.json"}
        assert not {"notes.md", "optimizer.pt"} & set(found)
        assert all(len(digest) == 64 for digest in found.values())
        assert model_fingerprint(load_model(gpt2_folder).backbone) == found

    def test_one_changed_byte_shows(self, gpt2_folder):
        before = fingerprint(gpt2_folder)
        path = gpt2_folder / "model.safetensors"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        after = fingerprint(gpt2_folder)
        assert {name for name in before if before[name] != after[name]} == {"model.safetensors"}

    def test_known_hash(self, tmp_path):
        (tmp_path / "empty").write_bytes(b"")
        assert file_hash(tmp_path / "empty").startswith("e3b0c44298fc1c14")

    def test_in_memory(self, gpt2_folder):
        module = load_model(gpt2_folder).backbone.module
        tensors = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        first = tensor_hash(tensors)
        assert first == tensor_hash(dict(reversed(tensors.items())))
        next(iter(tensors.values())).view(-1)[0] += 1
        assert tensor_hash(tensors) != first

    def test_of_a_model_made_in_memory(self, gpt2_folder, tiny_tokenizer):
        loaded = load_model(gpt2_folder)
        module = transformers.GPT2LMHeadModel(loaded.backbone.module.config)
        module.load_state_dict(loaded.backbone.module.state_dict())
        module.name_or_path = ""
        made = type(loaded)(module, tiny_tokenizer("gpt2"), name="made", kind="causal")
        assert model_fingerprint(made.backbone) == {"parameters": tensor_hash(loaded.backbone.module.state_dict())}

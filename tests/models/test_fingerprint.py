"""Two models have one fingerprint if and only if they answer alike by their files."""

import socket

import pytest
import transformers

from factneurons.models.files import fingerprint
from factneurons.models.fingerprint import model_fingerprint, tensor_hash
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


class TestFingerprint:
    def test_of_files(self, gpt2_folder):
        assert model_fingerprint(load_model(gpt2_folder).backbone) == fingerprint(gpt2_folder)

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

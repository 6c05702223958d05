"""Where a model is looked for, in which order, and what is said where it is not."""

import shutil
import socket
import urllib.request

import pytest
import torch
from safetensors.torch import load_file

from factneurons.errors import BadModel
from factneurons.models import bundled as catalog
from factneurons.models import source
from factneurons.models.bundled import POCKET_MODELS, pocket_path
from factneurons.models.fingerprint import fingerprint, model_fingerprint
from factneurons.models.load import load_model
from factneurons.models.source import find_source


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


def message(error_class, *arguments, **options):
    with pytest.raises(error_class) as caught:
        load_model(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestNames:
    def test_missing_folder(self, tmp_path):
        assert "there is no folder" in message(BadModel, tmp_path / "nothing")
        assert "there is no folder" in message(BadModel, "")
        assert "there is no folder" in message(BadModel, "./nothing")

    def test_a_file(self, tmp_path):
        (tmp_path / "model.bin").write_text("")
        assert "is a file" in message(BadModel, tmp_path / "model.bin")

    @pytest.mark.parametrize(
        ("files", "said"),
        [
            (
                {"adapter_config.json": '{"base_model_name_or_path": "org/base"}'},
                "an adapter, not a model: merge it into 'org/base'",
            ),
            ({"adapter_config.json": "{"}, "an adapter, not a model: merge it into its base model"),
            ({"small-q4.gguf": "GGUF"}, "holds a GGUF file, which is not supported"),
            ({"notes.txt": ""}, "is no model folder: it has no config.json"),
        ],
    )
    def test_folders_that_are_mistaken_for_a_model(self, tmp_path, files, said):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        assert said in message(BadModel, tmp_path)

    def test_hub_name_without_network(self, monkeypatch, tmp_path):
        def never(*_, **options):
            assert options["local_files_only"]
            raise OSError("not in the cache")

        monkeypatch.setattr(source, "snapshot_download", never)
        assert "hf download some/model" in message(BadModel, "some/model")
        assert "neither a folder nor" not in message(BadModel, "gpt2")

    def test_impossible_name(self):
        assert "possible name" in message(BadModel, "some model?")

    def test_hub_that_answers_but_does_not_have_it(self, monkeypatch):
        def refuse(*_, **options):
            raise OSError("401: gated\nsecond line" if "allow_patterns" in options else "not in the cache")

        monkeypatch.setattr(source, "snapshot_download", refuse)
        monkeypatch.setattr(source, "_hub_answers", lambda: True)
        assert "401: gated; give a folder" in message(BadModel, "some/model")

    def test_the_hub_is_asked_once_and_shortly(self, monkeypatch):
        calls = []

        def unreachable(url, timeout):
            calls.append(timeout)
            raise urllib.error.URLError(TimeoutError())

        monkeypatch.setattr(urllib.request, "urlopen", unreachable)
        assert not source._hub_answers()
        assert calls == [5.0]

    def test_from_the_cache(self, monkeypatch, gpt2_folder):
        monkeypatch.setattr(source, "snapshot_download", lambda *_, **__: str(gpt2_folder))
        model = load_model("some/model", revision="abc")
        assert model.name == "some/model"
        assert model_fingerprint(model.backbone) == fingerprint(gpt2_folder)

    def test_weights_are_fetched_where_only_the_config_is_cached(self, monkeypatch, gpt2_folder, tmp_path):
        bare = tmp_path / "bare"
        bare.mkdir()
        shutil.copy(gpt2_folder / "config.json", bare)
        asked = []

        def download(name, *, revision, local_files_only=False, allow_patterns=None):
            asked.append(allow_patterns)
            return str(bare if local_files_only else gpt2_folder)

        monkeypatch.setattr(source, "snapshot_download", download)
        monkeypatch.setattr(source, "_hub_answers", lambda: True)
        assert find_source("some/model", weights=False).folder == bare
        assert asked == [None]
        assert find_source("some/model").folder == gpt2_folder
        assert "model*.safetensors" in asked[-1]
        assert not any("py" in pattern or "bin" in pattern for pattern in asked[-1])

    def test_pickles_are_fetched_only_where_allowed_and_needed(self, monkeypatch, gpt2_folder, tmp_path):
        bare = tmp_path / "bare"
        bare.mkdir()
        shutil.copy(gpt2_folder / "config.json", bare)
        asked = []

        def download(name, *, revision, local_files_only=False, allow_patterns=None):
            asked.append(allow_patterns)
            if allow_patterns and "pytorch_model*.bin" in allow_patterns:
                torch.save(load_file(gpt2_folder / "model.safetensors"), bare / "pytorch_model.bin")
            return str(bare)

        monkeypatch.setattr(source, "snapshot_download", download)
        monkeypatch.setattr(source, "_hub_answers", lambda: True)
        assert "--allow-pickle" in message(BadModel, "some/model")
        assert not find_source("some/model", weights=False).pickled
        assert not any("bin" in pattern for patterns in asked if patterns for pattern in patterns)
        assert find_source("some/model", allow_pickle=True).pickled
        assert asked[-1] == ["pytorch_model*.bin"]
        shutil.copy(gpt2_folder / "model.safetensors", bare)
        assert not find_source("some/model", allow_pickle=True).pickled

    def test_pocket(self, monkeypatch, gpt2_folder):
        assert "pocket-bert, pocket-gpt2, pocket-llama" in message(BadModel, "pocket-elephant")
        monkeypatch.setattr(catalog, "WEIGHTS", gpt2_folder.parent)
        assert "factneurons pocket train pocket-llama" in message(BadModel, "pocket-llama")
        gpt2_folder.rename(gpt2_folder.parent / "pocket-gpt2")
        assert load_model("pocket-gpt2").name == "pocket-gpt2"
        assert pocket_path("pocket-gpt2").name == "pocket-gpt2"
        assert all(name == model.name for name, model in POCKET_MODELS.items())

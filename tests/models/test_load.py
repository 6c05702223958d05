"""Loading models, and everything that must be refused before or while it is loaded."""

import json
import os
import pickle
import resource
import shutil
import socket
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertModel, ViTConfig, ViTModel

from factneurons.attribution.attribute import attribute_all
from factneurons.errors import BadModel, BadNumber, BadSetting
from factneurons.models import bundled as catalog
from factneurons.models import load
from factneurons.models.doctor import diagnose
from factneurons.models.files import fingerprint
from factneurons.models.load import kind_of, load_config, load_model, load_tokenizer
from factneurons.models.saving import save_model
from factneurons.models.source import find_source

KINDS = {"bert": "cloze", "roberta": "cloze", "gpt2": "causal", "llama": "causal", "t5": "encoder-decoder"}


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


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def message(error_class, *arguments, **options):
    with pytest.raises(error_class) as caught:
        load_model(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("family", KINDS)
def test_load(tiny_model_folder, tmp_path, capfd, family):
    folder = tiny_model_folder(family, tmp_path)
    capfd.readouterr()
    model = load_model(folder)
    assert capfd.readouterr() == ("", "")
    assert model.kind == KINDS[family]
    assert model.name == str(folder)
    assert model.width == 24
    assert model.layer_count == (4 if family == "t5" else 2)
    assert not model.backbone.module.training
    assert not any(parameter.requires_grad for parameter in model.backbone.module.parameters())
    assert model.backbone.dtype == torch.float32
    same = getattr(transformers, type(model.backbone.module).__name__).from_pretrained(folder)
    for name, tensor in same.state_dict().items():
        assert torch.equal(tensor, model.backbone.module.state_dict()[name])
    query = model.query("Paris is in ___.", "France", multi_mask=True)
    assert 0 < model.probabilities([query])[0] < 1


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_dtypes(gpt2_folder, dtype):
    model = load_model(gpt2_folder, dtype=dtype)
    assert {parameter.dtype for parameter in model.backbone.module.parameters()} == {getattr(torch, dtype)}


def test_dtype_of_the_files(gpt2_folder):
    change_weights(gpt2_folder, lambda tensors: tensors.update({n: t.bfloat16() for n, t in tensors.items()}))
    change_config(gpt2_folder, dtype="bfloat16")
    assert load_model(gpt2_folder, dtype="auto").backbone.dtype == torch.bfloat16
    assert load_model(gpt2_folder).backbone.dtype == torch.float32


def test_unknown_dtype_and_device(gpt2_folder):
    assert "float32, float64" in message(BadSetting, gpt2_folder, dtype="float8")
    assert "'tpu'" in message(BadSetting, gpt2_folder, device="tpu")
    assert "exclude" in message(BadSetting, gpt2_folder, device="cpu", device_map="auto")
    if not torch.cuda.is_available():
        assert "cuda" in message(BadSetting, gpt2_folder, device="cuda")


def test_device_map(gpt2_folder):
    pytest.importorskip("accelerate")
    assert load_model(gpt2_folder, device_map={"": "cpu"}).backbone.device.type == "cpu"


def test_folders_with_spaces_and_other_letters(gpt2_folder, tmp_path):
    folder = tmp_path / "my modèle 模型"
    gpt2_folder.rename(folder)
    (tmp_path / "link").symlink_to(folder)
    assert load_model(tmp_path / "link").kind == "causal"
    assert load_model(str(folder)).name == str(folder)


class TestConfig:
    def test_missing(self, gpt2_folder):
        (gpt2_folder / "config.json").unlink()
        assert "no config.json" in message(BadModel, gpt2_folder)

    @pytest.mark.parametrize("text", ["{", "[]", "\ufffd", "[" * 5000, "nan"])
    def test_broken(self, gpt2_folder, text):
        (gpt2_folder / "config.json").write_text(text)
        assert "config.json" in message(BadModel, gpt2_folder)

    def test_not_utf8(self, gpt2_folder):
        (gpt2_folder / "config.json").write_bytes(b"\xff\xfe")
        assert "is no JSON" in message(BadModel, gpt2_folder)

    def test_unknown_type(self, gpt2_folder):
        change_config(gpt2_folder, model_type="nonsense")
        assert "model_type 'nonsense'" in message(BadModel, gpt2_folder)

    def test_impossible_sizes(self, gpt2_folder):
        change_config(gpt2_folder, n_head=3)
        assert str(gpt2_folder) in message(BadModel, gpt2_folder)

    @pytest.mark.parametrize("changes", [{"num_hidden_layers": "4"}, {"num_attention_heads": 3}])
    def test_what_transformers_validates(self, tiny_model_folder, tmp_path, changes):
        folder = tiny_model_folder("llama", tmp_path)
        change_config(folder, **changes)
        text = message(BadModel, folder)
        assert str(folder) in text
        assert next(iter(changes)).removesuffix("_heads") in text.replace("attention heads", "num_attention")

    @pytest.mark.trial("remote code")
    def test_own_code_is_not_run(self, gpt2_folder, tmp_path):
        canary = tmp_path / "canary"
        (gpt2_folder / "modeling_own.py").write_text(f"open({str(canary)!r}, 'w')\nclass Own: pass\n")
        change_config(gpt2_folder, auto_map={"AutoModelForCausalLM": "modeling_own.Own"})
        text = message(BadModel, gpt2_folder)
        assert "modeling_own.Own" in text
        assert "trust_remote_code=True" in text
        change_config(gpt2_folder, model_type="nonsense")
        assert "trust_remote_code=True" in message(BadModel, gpt2_folder)
        assert not canary.exists()

    @pytest.mark.trial("remote code")
    def test_own_tokenizer_code_is_not_run(self, gpt2_folder, tmp_path):
        canary = tmp_path / "canary"
        (gpt2_folder / "own.py").write_text(f"open({str(canary)!r}, 'w')\nclass Own: pass\n")
        (gpt2_folder / "tokenizer.json").unlink()
        (gpt2_folder / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}})
        )
        assert "tokenizer" in message(BadModel, gpt2_folder)
        assert not canary.exists()

    def test_a_copy_of_a_class_of_transformers_is_not_needed(self, gpt2_folder):
        change_config(gpt2_folder, auto_map={"AutoModelForCausalLM": "modeling_gpt2.GPT2LMHeadModel"})
        assert load_model(gpt2_folder).kind == "causal"


@pytest.mark.parametrize("elsewhere", ["0", "2"])
def test_blocks_on_disk_are_asked_as_any_others(elsewhere, tiny_model_folder, tmp_path):
    """Accelerate brings their weights in for each pass; weights that are read or changed have to be there."""
    pytest.importorskip("accelerate")
    folder = tiny_model_folder("llama", tmp_path)
    whole = load_model(folder, device="cpu")
    last = whole.layer_count - 1
    block = min(int(elsewhere), last)
    places = {"model.embed_tokens": "cpu", "model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "cpu"}
    places |= {f"model.layers.{number}": "disk" if number == block else "cpu" for number in range(last + 1)}
    spread = load_model(folder, device_map=places)
    query = whole.query("The capital of France is ___.", "Paris")
    assert spread.probabilities([query]) == pytest.approx(whole.probabilities([query]), rel=1e-6)
    sets = [[(0, 1), (last, 2)]]
    assert spread.probabilities_with([query], sets) == pytest.approx(whole.probabilities_with([query], sets), rel=1e-5)
    found, true = (attribute_all(model, [query], method="joint")[0].scores for model in (spread, whole))
    assert found == pytest.approx(true, rel=1e-4, abs=1e-9)
    with pytest.raises(BadModel, match="not in memory: load the model without offloading"):
        spread.out_weights([(block, 0)])
    with pytest.raises(BadModel, match="not in memory"), spread.scale_weights([(block, 0)], 0.0):
        pass


class TestQuantised:
    """What cannot be read here is refused before any weight is read, in one line, by load_model and doctor alike."""

    WAYS: ClassVar = {
        "gptq": {"bits": 4, "group_size": 32},
        "awq": {"bits": 4, "group_size": 32, "zero_point": True},
        "unheard-of": {"bits": 3},
    }

    @pytest.mark.parametrize("way", WAYS)
    def test_without_its_library(self, way, gpt2_folder):
        change_config(gpt2_folder, quantization_config={"quant_method": way, **self.WAYS[way]})
        text = message(BadModel, gpt2_folder)
        assert "\n" not in text
        assert f"is quantised ({way}) and cannot be loaded here: " in text
        assert text in diagnose(gpt2_folder).problems

    def test_an_error_that_only_names_what_is_missing(self, gpt2_folder, monkeypatch):
        def fail(*given, **options):
            raise NameError("name 'QuantizeConfig' is not defined")

        monkeypatch.setattr("factneurons.models.load.AutoHfQuantizer.from_config", fail)
        change_config(gpt2_folder, quantization_config={"quant_method": "gptq", "bits": 4})
        assert "a library that reads gptq is not installed (name 'QuantizeConfig'" in message(BadModel, gpt2_folder)


class TestKind:
    def test_no_language_model(self, tmp_path, tiny_tokenizer):
        config = ViTConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=32
        )
        ViTModel(config).save_pretrained(tmp_path)
        tiny_tokenizer("gpt2").save_pretrained(tmp_path)
        text = message(BadModel, tmp_path)
        assert "is no language model" in text
        assert "looked for" in text

    def test_no_head(self, tmp_path, tiny_tokenizer):
        tokenizer = tiny_tokenizer("wordpiece")
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
        )
        BertModel(config).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        text = message(BadModel, tmp_path)
        assert "no complete language model" in text
        assert "cls.predictions" in text

    @pytest.mark.parametrize(
        ("family", "changes", "kind"),
        [
            ("bert", {"architectures": None}, "cloze"),
            ("bert", {"architectures": ["BertForPreTraining"]}, "cloze"),
            ("bert", {"architectures": ["BertLMHeadModel"], "is_decoder": True}, "causal"),
            ("bert", {"architectures": None, "is_decoder": True}, "causal"),
            ("gpt2", {"architectures": None}, "causal"),
            ("t5", {"architectures": None}, "encoder-decoder"),
        ],
    )
    def test_by_class_then_by_configuration(self, tiny_model_folder, tmp_path, family, changes, kind):
        folder = tiny_model_folder(family, tmp_path)
        change_config(folder, **changes)
        found = find_source(folder)
        assert kind_of(found, load_config(found), load_tokenizer(found, None)) == kind

    def test_masked_model_without_a_mask(self, tiny_model_folder, tmp_path, tiny_tokenizer):
        folder = tiny_model_folder("bert", tmp_path)
        assert "no mask token" in message(BadModel, folder, tokenizer=tiny_tokenizer("llama"))

    def test_encoder_decoder_without_sentinels(self, tiny_model_folder, tmp_path, tiny_tokenizer):
        folder = tiny_model_folder("t5", tmp_path)
        assert "neither the sentinel <extra_id_0>" in message(BadModel, folder, tokenizer=tiny_tokenizer("llama"))


class TestTokenizer:
    def test_from_elsewhere(self, gpt2_folder, tiny_model_folder, tmp_path, tiny_tokenizer):
        for path in gpt2_folder.glob("tokenizer*"):
            path.unlink()
        assert "tokenizer=" in message(BadModel, gpt2_folder)
        given = load_model(gpt2_folder, tokenizer=tiny_tokenizer("gpt2"))
        tiny_tokenizer("gpt2").save_pretrained(tmp_path / "elsewhere")
        assert "no config.json" in message(BadModel, gpt2_folder, tokenizer=tmp_path / "elsewhere")
        shutil.copy(gpt2_folder / "config.json", tmp_path / "elsewhere")
        read = load_model(gpt2_folder, tokenizer=tmp_path / "elsewhere")
        assert given.query("Paris is", "in") == read.query("Paris is", "in")

    def test_of_another_model(self, gpt2_folder, tiny_tokenizer):
        assert "not the model's own" in message(BadModel, gpt2_folder, tokenizer=tiny_tokenizer("llama"))

    def test_without_a_padding_token(self, gpt2_folder):
        model = load_model(gpt2_folder)
        assert model.backbone.tokenizer.pad_token is None
        queries = [model.query(prompt, "Paris") for prompt in ("It is", "The capital of France is")]
        assert model.probabilities(queries).shape == (2,)

    def test_survives_the_disk(self, tiny_model_folder, tmp_path, tiny_tokenizer):
        for family, kind in (("bert", "wordpiece"), ("roberta", "roberta"), ("llama", "llama"), ("t5", "t5")):
            again = AutoTokenizer.from_pretrained(tiny_model_folder(family, tmp_path))
            text = "The café isn't in “Paris”, 法国的首都 🍕"
            assert again(text)["input_ids"] == tiny_tokenizer(kind)(text)["input_ids"]


def as_pickle(folder, parts=1, **options):
    """The folder's weights as older models have them, in one file or several with an index."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    if parts == 1:
        torch.save(tensors, folder / "pytorch_model.bin", **options)
        return folder
    where = {name: f"pytorch_model-{number % parts}.bin" for number, name in enumerate(tensors)}
    for file in set(where.values()):
        torch.save({name: tensor for name, tensor in tensors.items() if where[name] == file}, folder / file, **options)
    index = {"metadata": {}, "weight_map": where}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


class TestAllowedPickles:
    @pytest.mark.parametrize("family", KINDS)
    @pytest.mark.parametrize(
        ("parts", "options"), [(1, {}), (2, {}), (1, {"_use_new_zipfile_serialization": False})], ids=str
    )
    def test_the_same_model(self, tiny_model_folder, tmp_path, capfd, family, parts, options):
        folder = tiny_model_folder(family, tmp_path)
        expected = load_model(folder).backbone.module.state_dict()
        as_pickle(folder, parts, **options)
        assert "allow_pickle=True" in message(BadModel, folder)
        capfd.readouterr()
        model = load_model(folder, allow_pickle=True)
        assert capfd.readouterr() == ("", "")
        found = model.backbone.module.state_dict()
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
        assert any(name.endswith(".bin") for name in fingerprint(folder))
        assert load_model(save_model(model, tmp_path / "new")).backbone.adapter == model.backbone.adapter

    @pytest.mark.trial("false weights")
    def test_safetensors_come_first(self, gpt2_folder):
        (gpt2_folder / "pytorch_model.bin").write_bytes(b"never opened")
        assert load_model(gpt2_folder, allow_pickle=True).kind == "causal"

    @pytest.mark.trial("false weights")
    @pytest.mark.parametrize("way", ["plain", "inside", "legacy", "one of two"])
    def test_code_does_not_run(self, gpt2_folder, tmp_path, way):
        canary = tmp_path / "canary"

        class Canary:
            def __reduce__(self):
                return (open, (str(canary), "w"))

        as_pickle(gpt2_folder, 2 if way == "one of two" else 1)
        file = gpt2_folder / ("pytorch_model-1.bin" if way == "one of two" else "pytorch_model.bin")
        tensors = torch.load(file)
        if way == "plain":
            file.write_bytes(pickle.dumps(Canary(), protocol=2))
        else:
            torch.save(tensors | {"more": Canary()}, file, _use_new_zipfile_serialization=way != "legacy")
        text = message(BadModel, gpt2_folder, allow_pickle=True)
        assert str(file) in text
        assert "io.open" in text
        assert not canary.exists()

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02", b"none", pickle.dumps([1, 2])])
    def test_damaged(self, gpt2_folder, content):
        as_pickle(gpt2_folder)
        (gpt2_folder / "pytorch_model.bin").write_bytes(content)
        assert "pytorch_model.bin" in message(BadModel, gpt2_folder, allow_pickle=True)

    def test_other_forms(self, gpt2_folder):
        (gpt2_folder / "model.safetensors").rename(gpt2_folder / "tf_model.h5")
        for allowed in (False, True):
            assert "a form that is not read (tf_model.h5)" in message(BadModel, gpt2_folder, allow_pickle=allowed)


class TestWeights:
    @pytest.mark.trial("false weights")
    def test_pickled_only(self, gpt2_folder, tmp_path):
        canary = tmp_path / "canary"

        class Canary:
            def __reduce__(self):
                return (open, (str(canary), "w"))

        (gpt2_folder / "pytorch_model.bin").write_bytes(pickle.dumps(Canary()))
        assert load_model(gpt2_folder).kind == "causal"
        (gpt2_folder / "model.safetensors").unlink()
        text = message(BadModel, gpt2_folder)
        assert "pickled weights only (pytorch_model.bin)" in text
        assert "--allow-pickle" in text
        assert f"fn.save_model(fn.load_model('{gpt2_folder}', allow_pickle=True), 'NEW_FOLDER')" in text
        assert "no pickle of tensors alone" in message(BadModel, gpt2_folder, allow_pickle=True)
        assert not canary.exists()

    def test_none(self, gpt2_folder):
        (gpt2_folder / "model.safetensors").unlink()
        assert "has no weights" in message(BadModel, gpt2_folder)

    @pytest.mark.trial("false weights")
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"short",
            b"\xff" * 8,
            (1 << 40).to_bytes(8, "little") + b"{}",
            (4).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc",
            (2).to_bytes(8, "little") + b"[]",
        ],
    )
    def test_lying_header(self, gpt2_folder, content):
        (gpt2_folder / "model.safetensors").write_bytes(content)
        assert "no sound safetensors file" in message(BadModel, gpt2_folder)

    @pytest.mark.trial("false weights")
    @pytest.mark.parametrize("spans", [[(0, 16), (8, 24)], [(0, 16), (16, 1 << 40)], [(16, 0)], [(0, 8)]])
    def test_lying_offsets(self, gpt2_folder, spans):
        tensors = {
            f"tensor{i}": {"dtype": "F32", "shape": [4], "data_offsets": list(span)} for i, span in enumerate(spans)
        }
        header = json.dumps(tensors).encode()
        content = len(header).to_bytes(8, "little") + header + bytes(24)
        (gpt2_folder / "model.safetensors").write_bytes(content)
        assert "no sound safetensors file" in message(BadModel, gpt2_folder)

    @pytest.mark.trial("false weights")
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="memory is limited in a forked process")
    @pytest.mark.parametrize("lie", ["length", "length within the file", "shape", "offsets", "deep"])
    def test_a_lie_costs_neither_time_nor_memory(self, gpt2_folder, lie):
        """Told in less than a second of the processor's, and with no more than 100 MB."""
        tensor = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
        header = {
            "length": b"{}",
            "length within the file": b" " * 2**20,
            "shape": json.dumps({"x": {**tensor, "shape": [2**40]}}).encode(),
            "offsets": json.dumps({"x": {**tensor, "shape": [2**38], "data_offsets": [0, 2**40]}}).encode(),
            "deep": b"[" * 2**20,
        }[lie]
        length = 2**62 if lie == "length" else len(header)
        (gpt2_folder / "model.safetensors").write_bytes(length.to_bytes(8, "little") + header + bytes(16))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                pages = int(Path("/proc/self/statm").read_text().split()[0])
                resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 100 * 10**6,) * 2)
                began = time.process_time()
                message(BadModel, gpt2_folder)
                status = int(time.process_time() - began > 1)
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0

    def test_cut_file(self, gpt2_folder):
        path = gpt2_folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        assert "no sound safetensors file" in message(BadModel, gpt2_folder)

    def test_a_missing_matrix(self, gpt2_folder):
        change_weights(gpt2_folder, lambda tensors: tensors.pop("transformer.h.1.mlp.c_fc.weight"))
        text = message(BadModel, gpt2_folder)
        assert "lack 1 weights" in text
        assert "transformer.h.1.mlp.c_fc.weight" in text

    def test_another_shape(self, gpt2_folder):
        change_config(gpt2_folder, n_inner=32)
        assert str(gpt2_folder) in message(BadModel, gpt2_folder)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    @pytest.mark.parametrize("layer", [0, 1])
    def test_not_finite(self, gpt2_folder, value, layer):
        name = f"transformer.h.{layer}.mlp.c_proj.weight"
        change_weights(gpt2_folder, lambda tensors: tensors[name].view(-1)[5:6].fill_(value))
        assert name in message(BadNumber, gpt2_folder)

    def test_shards(self, gpt2_folder):
        whole = load_model(gpt2_folder)
        (gpt2_folder / "model.safetensors").unlink()
        whole.backbone.module.save_pretrained(gpt2_folder, max_shard_size="10KB")
        shards = sorted(gpt2_folder.glob("model-*.safetensors"))
        assert len(shards) > 1
        query = whole.query("Paris is in", "France")
        np.testing.assert_array_equal(load_model(gpt2_folder).probabilities([query]), whole.probabilities([query]))
        assert {shard.name for shard in shards} <= set(fingerprint(gpt2_folder))
        shards[-1].unlink()
        assert f"{shards[-1].name} is missing" in message(BadModel, gpt2_folder)

    @pytest.mark.parametrize(
        "index", ["{", "{}", '{"weight_map": {}}', '{"weight_map": {"a": "../x.safetensors"}}', "[]"]
    )
    def test_broken_index(self, gpt2_folder, index):
        (gpt2_folder / "model.safetensors").unlink()
        (gpt2_folder / "model.safetensors.index.json").write_text(index)
        assert "index" in message(BadModel, gpt2_folder)


def test_every_kind_has_its_loader():
    assert set(load.AUTO_CLASSES) == set(load._MAPPINGS) == set(KINDS.values())
    assert Path(catalog.__file__).parent == catalog.WEIGHTS.parent
    assert os.fspath(catalog.WEIGHTS).endswith("weights")

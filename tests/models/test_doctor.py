"""The diagnosis of a model from its configuration: sizes that can be checked by hand, costs that grow rightly."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig

from factneurons.errors import BadModel
from factneurons.models import doctor
from factneurons.models.adapters import ADAPTERS
from factneurons.models.doctor import diagnose
from factneurons.models.load import load_model

LLAMA_7B = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
}


@pytest.fixture(autouse=True)
def known_rate(monkeypatch):
    monkeypatch.setattr(doctor, "matmul_rate", lambda device: 1e11)


@pytest.fixture
def config_folder(tmp_path):
    def make(family, **values):
        folder = tmp_path / f"only config of {family}"
        config = AutoConfig.for_model(family, **values)
        config.save_pretrained(folder)
        return folder

    return make


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "llama", "t5"])
def test_agrees_with_the_loaded_model(tiny_model_folder, tmp_path, family):
    folder = tiny_model_folder(family, tmp_path)
    found, model = diagnose(folder), load_model(folder)
    assert found.kind == model.kind
    assert found.architecture == type(model.backbone.module).__name__
    assert (found.layers, found.width, found.hidden_size) == (model.layer_count, model.width, 16)
    assert found.neurons == model.layer_count * model.width
    assert found.gated == (family == "llama")
    assert found.verified
    assert found.parameters == sum(parameter.numel() for parameter in model.backbone.module.parameters())
    assert found.memory_float32 == 2 * found.memory_bfloat16 == 4 * found.parameters
    assert found.vocabulary == len(model.backbone.tokenizer)
    assert found.mask_token == model.backbone.tokenizer.mask_token
    assert found.bos_token == model.backbone.tokenizer.bos_token
    assert found.problems == ()


def test_a_big_model_needs_no_memory(config_folder):
    found = diagnose(config_folder("llama", **LLAMA_7B))
    assert found.parameters == 6_738_415_616
    assert (found.layers, found.width, found.neurons) == (32, 11008, 352_256)
    assert found.gated
    assert found.family == "llama"
    assert len(found.problems) == 2
    assert "has no tokenizer" in found.problems[0]
    assert "tokenizer: not there" in found.lines()
    assert "has no weights" in found.problems[1]
    assert found.replacement is None
    assert found.memory_attribution <= 0.4 * found.memory_float32


def test_operations_by_hand(config_folder):
    found = diagnose(config_folder("llama", **LLAMA_7B), prompt_tokens=10, points=4)
    block = 4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096
    rows = 32 * 5
    path = 4 * rows * (15.5 * block + 4096 * 32000)
    prompt = 2 * 32 * block * 10
    assert found.flops_path == pytest.approx(prompt + path)
    assert found.flops_amig == pytest.approx(11 * prompt + 10 * path)
    assert found.seconds_path == pytest.approx(found.flops_path / 1e11)


def test_costs_grow_with_points_and_prompt(config_folder):
    causal, masked = config_folder("gpt2"), config_folder("bert")
    short, long = (diagnose(causal, prompt_tokens=tokens) for tokens in (10, 100))
    assert long.flops_path < 1.7 * short.flops_path
    assert long.memory_attribution == short.memory_attribution
    short, long = (diagnose(masked, prompt_tokens=tokens) for tokens in (10, 100))
    assert long.flops_path > 5 * short.flops_path
    few, many = (diagnose(causal, points=points) for points in (4, 49))
    assert 8 < many.flops_path / few.flops_path < 10


def test_the_baselines_token(tiny_model_folder, tmp_path):
    assert diagnose(tiny_model_folder("bert", tmp_path)).replacement == "[MASK] (mask)"
    assert diagnose(tiny_model_folder("llama", tmp_path)).replacement == "</s> (eos)"
    assert diagnose(tiny_model_folder("gpt2", tmp_path)).replacement == "<|endoftext|> (eos)"


def test_text(tiny_model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_machine_memory", lambda device: 16 * 2**30)
    text = "\n".join(diagnose(tiny_model_folder("llama", tmp_path)).lines())
    assert "a causal language model (LlamaForCausalLM)" in text
    assert "2 layers of 24 (48 in all), the value is act(gate) * up" in text
    assert "family: llama (verified in the tests)" in text
    assert "tokenizer: TokenizersBackend, mask none, bos <s>, baseline sentences use </s> (eos)" in text
    assert "this machine has 16.0 GiB: float32 fits" in text
    assert "20 prompt tokens, 8 points" in text
    assert "problem" not in text


@pytest.mark.parametrize(
    ("memory", "verdict"),
    [(None, "unknown"), (64, "float32 fits"), (24, "bfloat16 does"), (8, "device_map"), (4096, "float32 fits")],
)
def test_whether_it_fits(config_folder, monkeypatch, memory, verdict):
    monkeypatch.setattr(doctor, "_machine_memory", lambda device: memory and memory * 2**30)
    assert verdict in "\n".join(diagnose(config_folder("llama", **LLAMA_7B)).lines())


def test_found_by_structure(config_folder):
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2}
    table = dict(ADAPTERS)
    found = diagnose(config_folder("ernie", architectures=["ErnieForMaskedLM"], **sizes))
    assert (found.layers, found.width, found.kind) == (3, 24, "cloze")
    assert "not verified" in "\n".join(found.lines())
    assert table == ADAPTERS


def test_experts_shared_ones_and_dense_layers_are_counted(config_folder):
    found = diagnose(
        config_folder(
            "ernie4_5_moe", num_hidden_layers=3, hidden_size=32, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=44, moe_intermediate_size=8, moe_num_experts=8, moe_k=2, moe_num_shared_experts=1,
            moe_layer_start_index=1,
        )
    )  # fmt: skip
    assert (found.width, found.experts, found.expert_size, found.shared_size) == (72, 8, 8, 8)
    assert found.neurons == 44 + 2 * 72
    assert "neurons: 3 layers of 72 at most, 8 experts of 8 and 8 that are shared (188 in all)" in "\n".join(
        found.lines()
    )


def test_pickled_weights_are_told(tiny_model_folder, tmp_path):
    folder = tiny_model_folder("gpt2", tmp_path)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "pickled" in diagnose(folder).problems[0]
    assert not diagnose(folder, allow_pickle=True).problems


class TestRefused:
    def test_no_language_model(self, config_folder):
        with pytest.raises(BadModel, match=r"no language model.*looked for"):
            diagnose(config_folder("vit"))

    def test_experts_that_are_kept_otherwise(self, config_folder):
        with pytest.raises(BadModel, match="jetmoe is a mixture of experts that is not supported"):
            diagnose(config_folder("jetmoe", num_hidden_layers=1, hidden_size=32, intermediate_size=8))

    def test_no_mlp(self, config_folder):
        with pytest.raises(BadModel, match="no MLP"):
            diagnose(config_folder("mamba", num_hidden_layers=2, hidden_size=32))

    def test_impossible_configuration(self, config_folder):
        folder = config_folder("gpt2")
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "n_head": 7}))
        with pytest.raises(BadModel, match="cannot be built"):
            diagnose(folder)

    def test_nothing_there(self, tmp_path):
        with pytest.raises(BadModel, match="no config"):
            diagnose(tmp_path)


def test_the_rate_is_measured(monkeypatch):
    monkeypatch.undo()
    assert 1e7 < doctor.matmul_rate(torch.device("cpu"), size=64) < 1e15
    assert doctor._machine_memory(torch.device("cpu")) > 2**28


def test_transformers_is_left_as_it_was(tiny_model_folder, tmp_path, capfd):
    folder = tiny_model_folder("gpt2", tmp_path)
    capfd.readouterr()
    before = transformers.utils.logging.get_verbosity()
    diagnose(folder)
    assert transformers.utils.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", ["", "[]", "null", '{"a":' + "[" * 100_000, "\x00"])
@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_a_damaged_file_is_named_by_doctor_and_loading_alike(tiny_model_folder, tmp_path, name, content):
    folder = tiny_model_folder("gpt2", tmp_path)
    (folder / name).write_text(content, encoding="utf-8")
    for look in (diagnose, load_model):
        with pytest.raises(BadModel, match=rf"/{name} (is|holds) no JSON"):
            look(folder)

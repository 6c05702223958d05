"""The sweep over transformers' families: what it builds, what it calls right and wrong, and that it never hangs."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import CONFIG_MAPPING

from factneurons.models.adapters import ADAPTERS
from factneurons.models.model import Model

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def families():
    spec = importlib.util.spec_from_file_location("families", ROOT / "studies" / "families.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def tiny_llama(families):
    module = families.build("llama", "causal").double()
    return lambda **options: Model(module, families.Tokenizer(), name="llama", kind="causal", **options)


PEOPLE_USE = {
    (
        "causal",
        "fast",
    ): "gemma3_text qwen3 phi3 olmo3 stablelm cohere cohere2 granite smollm3 nemotron gpt_oss llama4_text "
    "qwen2_moe deepseek_v2 deepseek_v3 glm4_moe ernie4_5_moe lfm2",
    ("causal", "past"): "gpt_neo gptj bloom falcon mpt gemma3n_text",
    ("causal", "plain"): "qwen3_5_text qwen3_next",
    ("cloze", "fast"): "xlm-roberta albert modernbert eurobert",
    ("cloze", "plain"): "deberta-v2",
    ("encoder-decoder", "plain"): "t5 mt5 bart mbart",
}
"""DeBERTa-v3 is a v2, Phi-4 a Phi-3. Rows of `adapters.py` (BERT and mBERT, LLaMA, Qwen2 and Qwen 2.5, Gemma 2, OLMo 2
and so on) are held against the contract by every test that takes `every_family`."""


@pytest.mark.parametrize(
    ("family", "kind", "passes"),
    [(family, *way) for way, names in PEOPLE_USE.items() for family in names.split()],
)
def test_what_people_use_is_right_and_goes_the_known_way(families, family, kind, passes):
    row = families.tried(family, kind)
    assert (row.outcome, row.passes) == ("verified", passes), row
    assert row.precision == "float64"
    assert float(row.deviation) < 1e-6


def test_what_is_refused_keeps_its_reason(families):
    row = families.tried("mamba", "causal")
    assert row.outcome == "refused"
    assert row.why.startswith("no MLP was found")


def test_numbers_that_part_are_called_wrong(families, tiny_llama, monkeypatch):
    right = families.judged(tiny_llama(), families.query_of("causal"), families.Row("llama", "causal", "not built"))
    assert right.outcome == "verified"
    monkeypatch.setattr(families, "TOLERANCE", {torch.float64: 1e-12})
    wrong = families.judged(tiny_llama(), families.query_of("causal"), families.Row("llama", "causal", "not built"))
    assert (wrong.outcome, wrong.deviation) == ("wrong", right.deviation)
    assert wrong.why.endswith("parts from the reference")


def test_the_reference_sees_what_is_changed(families, tiny_llama):
    model, query = tiny_llama(), families.query_of("causal")
    slow = families.reference_class()(model, [layer.down for layer in model.backbone.layers])
    assert max(dict(families.compared(model, query, slow)).values()) < 1e-6
    unlike = dict(families.compared(model, query, type(slow)(model, slow.downs[::-1])))
    assert min(unlike[name] for name in ("suppression", "joint", "dai")) > 1e-3


def test_other_matrices_than_the_mlps_are_called_wrong(families, tiny_llama):
    row = replace(ADAPTERS["llama"], blocks=("layers",), down="self_attn.o_proj", up="self_attn.q_proj", gate=None)
    found = families.judged(
        tiny_llama(adapter=row), families.query_of("causal"), families.Row("llama", "causal", "not built")
    )
    assert found.outcome == "wrong"


def test_sizes_are_small_and_lists_cut(families, monkeypatch):
    config = families.tiny_config(CONFIG_MAPPING["gemma3_text"]())
    assert (config.num_hidden_layers, config.hidden_size, config.intermediate_size) == (2, 32, 44)
    assert len(config.layer_types) == 2
    monkeypatch.setattr(families, "LARGEST", 10)
    with pytest.raises(ValueError, match="million parameters remain"):
        families.build("llama", "causal")


def test_a_family_without_end_is_ended(families, monkeypatch):
    def never(family, kind):
        while True:
            pass

    monkeypatch.setattr(families, "tried", never)
    row = families.with_limit("llama", "causal", 1)
    assert (row.outcome, "after 1 s at most" in row.why) == ("fails", True)


def test_results_are_kept_and_read_again(families, tmp_path):
    rows = [
        families.Row("b", "causal", "refused", why='no, "b", it is | not'),
        families.Row("a", "cloze", "verified", "fast"),
    ]
    families.write(tmp_path / "rows.csv", rows)
    assert families.read(tmp_path / "rows.csv") == {(row.family, row.kind): row for row in rows}
    assert families.read(tmp_path / "none.csv") == {}
    text = families.table(rows, 3)
    assert "2 of 3 families tried" in text
    assert "| verified, fast passes | masked | 1 | a |" in text


def test_the_page_shows_what_was_found(families):
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    total = sum(map(len, families.KINDS.values()))
    rows = sorted(families.read(families.CACHE).values(), key=lambda row: row.family)
    shown = page.split(families.BEGIN)[1].split(families.END)[0].strip()
    assert shown.split("families tried", 1)[1] == families.table(rows, total).split("families tried", 1)[1]
    assert len(rows) > 200

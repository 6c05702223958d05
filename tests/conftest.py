"""A tiny random model of every family, hand-made queries, and what tests compare with."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from hypothesis import HealthCheck, settings
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
from transformers.modeling_outputs import CausalLMOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from factneurons.facts.types import Prompt
from factneurons.models.model import Model
from factneurons.models.passes.capture import capture
from factneurons.models.passes.fast_path import fast_path_fits
from factneurons.models.types import Query

pytest_plugins = ["browser", "reliability"]

# A suite started in the background inherits an ignored Ctrl-C, which a run rightly leaves ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# What is slow on a machine that is busy is no fault of a test.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

VOCABULARY, HIDDEN, WIDTH, POSITIONS = 48, 16, 24, 32
MASK, END, PAD, SENTINEL = 3, 1, 0, 7
Downs = Callable[[Any], Sequence[nn.Module]]


class HomeMadeConfig(PretrainedConfig):
    model_type = "home-made"
    vocab_size, hidden_size = VOCABULARY, HIDDEN


class _HomeMadeBlock(nn.Module):
    """Names of its own, a gated MLP, a mixing of tokens that no registry knows."""

    def __init__(self) -> None:
        super().__init__()
        self.before_mix, self.before_mlp = nn.LayerNorm(HIDDEN), nn.LayerNorm(HIDDEN)
        self.mixing = nn.Linear(HIDDEN, HIDDEN)
        self.reader, self.doorkeeper = nn.Linear(HIDDEN, WIDTH), nn.Linear(HIDDEN, WIDTH, bias=False)
        self.bend, self.writer = nn.Tanh(), nn.Linear(WIDTH, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mixing(self.before_mix(x)).cumsum(1) / torch.arange(1, x.shape[1] + 1, device=x.device)[:, None]
        x = x + mixed
        y = self.before_mlp(x)
        return x + self.writer(self.bend(self.doorkeeper(y)) * self.reader(y))


class HomeMade(PreTrainedModel):
    config_class = HomeMadeConfig

    def __init__(self, config: HomeMadeConfig) -> None:
        super().__init__(config)
        self.words = nn.Embedding(VOCABULARY, HIDDEN)
        self.tower = nn.ModuleList(_HomeMadeBlock() for _ in range(3))
        self.last_norm, self.guess = nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, VOCABULARY, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.words

    def get_output_embeddings(self) -> nn.Module:
        return self.guess

    def forward(self, input_ids: Tensor, **_: Any) -> CausalLMOutput:
        x = self.words(input_ids)
        for block in self.tower:
            x = block(x)
        return CausalLMOutput(logits=self.guess(self.last_norm(x)))


@dataclass(frozen=True)
class Family:
    """How a family is built small, and where its down-projections are, told independently of the adapters."""

    kind: str
    build: Callable[..., PreTrainedModel]
    downs: Downs
    options: Mapping[str, Any]
    fast: bool = True
    exact: bool = True  # everything in float64 when the model is


_PLAIN = {
    "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": WIDTH, "num_hidden_layers": 3,
    "num_attention_heads": 2, "max_position_embeddings": POSITIONS, "pad_token_id": PAD,
}  # fmt: skip
_SHARED = {**_PLAIN, "num_key_value_heads": 1}
_NARROW = {"vocab_size": VOCABULARY, "n_embd": HIDDEN, "n_inner": WIDTH, "n_layer": 3, "n_head": 2}
_T5 = {
    "vocab_size": VOCABULARY, "d_model": HIDDEN, "d_ff": WIDTH, "d_kv": 8, "num_layers": 2,
    "num_decoder_layers": 2, "num_heads": 2, "decoder_start_token_id": PAD,
}  # fmt: skip


def _made(model: Any, config: Any) -> Callable[..., PreTrainedModel]:
    return lambda **options: model(config(**options))


def _gated(path: str) -> Downs:
    return lambda module: [block.mlp.get_submodule(path) for block in module.model.layers]


def _bert(base: str) -> Downs:
    return lambda module: [layer.output.dense for layer in getattr(module, base).encoder.layer]


def _gpt(path: str) -> Downs:
    return lambda module: [block.mlp.get_submodule(path) for block in module.transformer.h]


def _bart_downs(module: Any) -> list[nn.Module]:
    return [layer.fc2 for stack in (module.model.encoder, module.model.decoder) for layer in stack.layers]


def _t5_downs(module: Any) -> list[nn.Module]:
    return [block.layer[-1].DenseReluDense.wo for stack in (module.encoder, module.decoder) for block in stack.block]


def _llama_like(model: Any, config: Any, **options: Any) -> Family:
    return Family("causal", _made(model, config), _gated("down_proj"), {**_SHARED, **options})


_DISTILBERT = {
    "vocab_size": VOCABULARY, "dim": HIDDEN, "hidden_dim": WIDTH, "n_layers": 3, "n_heads": 2,
    "max_position_embeddings": POSITIONS, "pad_token_id": PAD,
}  # fmt: skip
_GPT_NEO = {
    "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": WIDTH, "num_layers": 2, "num_heads": 2,
    "attention_types": [[["global", "local"], 1]], "max_position_embeddings": POSITIONS, "window_size": 4,
}  # fmt: skip
_OPT = {
    "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "ffn_dim": WIDTH, "num_hidden_layers": 3,
    "num_attention_heads": 2, "max_position_embeddings": POSITIONS, "word_embed_proj_dim": HIDDEN,
}  # fmt: skip
_BART = {
    "vocab_size": VOCABULARY, "d_model": HIDDEN, "encoder_ffn_dim": WIDTH, "decoder_ffn_dim": WIDTH,
    "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "max_position_embeddings": POSITIONS, "pad_token_id": PAD, "decoder_start_token_id": END,
    "forced_eos_token_id": None,
}  # fmt: skip
FAMILIES: dict[str, Family] = {
    "bert": Family("cloze", _made(tf.BertForMaskedLM, tf.BertConfig), _bert("bert"), _PLAIN),
    "roberta": Family("cloze", _made(tf.RobertaForMaskedLM, tf.RobertaConfig), _bert("roberta"), _PLAIN),
    "xlm-roberta": Family("cloze", _made(tf.XLMRobertaForMaskedLM, tf.XLMRobertaConfig), _bert("roberta"), _PLAIN),
    "electra": Family(
        "cloze", _made(tf.ElectraForMaskedLM, tf.ElectraConfig), _bert("electra"), {**_PLAIN, "embedding_size": 8}
    ),
    "distilbert": Family(
        "cloze", _made(tf.DistilBertForMaskedLM, tf.DistilBertConfig),
        lambda module: [layer.ffn.lin2 for layer in module.distilbert.transformer.layer], _DISTILBERT,
    ),
    "albert": Family(
        "cloze", _made(tf.AlbertForMaskedLM, tf.AlbertConfig),
        lambda module: [group.albert_layers[0].ffn_output for group in module.albert.encoder.albert_layer_groups],
        {**_PLAIN, "embedding_size": 8, "num_hidden_groups": 2},
    ),
    "gpt2": Family("causal", _made(tf.GPT2LMHeadModel, tf.GPT2Config), _gpt("c_proj"), _NARROW),
    "gpt_neo": Family(
        "causal", _made(tf.GPTNeoForCausalLM, tf.GPTNeoConfig), _gpt("c_proj"), _GPT_NEO, fast=False, exact=False
    ),
    "gptj": Family(
        "causal", _made(tf.GPTJForCausalLM, tf.GPTJConfig), _gpt("fc_out"), {**_NARROW, "rotary_dim": 4},
        fast=False, exact=False,
    ),
    "gpt_neox": Family(
        "causal", _made(tf.GPTNeoXForCausalLM, tf.GPTNeoXConfig),
        lambda module: [block.mlp.dense_4h_to_h for block in module.gpt_neox.layers], _PLAIN,
    ),
    "llama": _llama_like(tf.LlamaForCausalLM, tf.LlamaConfig),
    "mistral": _llama_like(tf.MistralForCausalLM, tf.MistralConfig),
    "mixtral": Family(
        "causal", _made(tf.MixtralForCausalLM, tf.MixtralConfig),
        lambda module: [block.mlp.experts.down for block in module.model.layers],
        {**_SHARED, "intermediate_size": WIDTH // 3, "num_local_experts": 3, "num_experts_per_tok": 2}, exact=False,
    ),
    "qwen2": _llama_like(tf.Qwen2ForCausalLM, tf.Qwen2Config),
    "qwen3": _llama_like(tf.Qwen3ForCausalLM, tf.Qwen3Config, head_dim=8),
    "gemma": _llama_like(tf.GemmaForCausalLM, tf.GemmaConfig, head_dim=8),
    "gemma2": _llama_like(tf.Gemma2ForCausalLM, tf.Gemma2Config, head_dim=8),
    "gemma3_text": _llama_like(
        tf.Gemma3ForCausalLM, tf.Gemma3TextConfig, head_dim=8, sliding_window=4,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    ),
    "olmo2": _llama_like(tf.Olmo2ForCausalLM, tf.Olmo2Config),
    "phi": Family("causal", _made(tf.PhiForCausalLM, tf.PhiConfig), _gated("fc2"), _PLAIN),
    "phi3": _llama_like(tf.Phi3ForCausalLM, tf.Phi3Config),
    "opt": Family(
        "causal", _made(tf.OPTForCausalLM, tf.OPTConfig),
        lambda module: [block.fc2 for block in module.model.decoder.layers], _OPT,
    ),
    "bloom": Family(
        "causal", _made(tf.BloomForCausalLM, tf.BloomConfig), _gpt("dense_4h_to_h"),
        {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "n_layer": 2, "n_head": 2}, fast=False, exact=False,
    ),
    "t5": Family(
        "encoder-decoder", _made(tf.T5ForConditionalGeneration, tf.T5Config), _t5_downs, _T5, fast=False
    ),
    "t5 (gated)": Family(
        "encoder-decoder", _made(tf.T5ForConditionalGeneration, tf.T5Config), _t5_downs,
        {**_T5, "feed_forward_proj": "gated-gelu", "num_decoder_layers": 1, "tie_word_embeddings": False},
        fast=False,
    ),
    "bart": Family(
        "encoder-decoder", _made(tf.BartForConditionalGeneration, tf.BartConfig), _bart_downs, _BART, fast=False
    ),
    "mbart": Family(
        "encoder-decoder", _made(tf.MBartForConditionalGeneration, tf.MBartConfig), _bart_downs, _BART, fast=False
    ),
    "home-made": Family(
        "causal", _made(HomeMade, HomeMadeConfig), lambda module: [block.writer for block in module.tower], {},
        fast=False,
    ),
}  # fmt: skip
GROUPS = {
    "every_family": list(FAMILIES),
    "editable_family": [name for name in FAMILIES if name != "albert"],  # whose layers share their weights
    "fast_family": [name for name, row in FAMILIES.items() if row.fast],
    "one_of_each": ["bert", "gpt2", "llama", "t5 (gated)", "gptj"],
}


@pytest.fixture(scope="session", autouse=True)
def nothing_beyond_this_machine() -> Iterator[None]:
    """No test asks another machine for anything."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not address[0].startswith(("127.", "::1", "localhost")):
            pytest.fail(f"the network was asked: {address}")  # no Exception, so nothing swallows it
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `every_family` (or another group's name) runs once for each of its families."""
    for name, members in GROUPS.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, members)


class _ExactNorm(nn.Module):
    """An RMS norm in the model's own precision: the originals compute in float32 whatever comes in."""

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.weight = original.weight
        self.eps = getattr(original, "variance_epsilon", None) or original.eps
        self.offset = 1.0 if type(original).__name__.startswith("Gemma") else 0.0

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * (self.offset + self.weight)


def _exact_norms(module: nn.Module) -> None:
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__.endswith(("RMSNorm", "T5LayerNorm")):
                setattr(parent, name, _ExactNorm(child))


def _exact_attention(module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any) -> tuple[Any, None]:
    """Gemma 2's attention with the softmax in the model's own precision: the original's is float32."""
    key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], 1) for part in (key, value))
    cap = options["softcap"]
    scores = cap * torch.tanh(query @ key.transpose(2, 3) * options["scaling"] / cap) + mask
    return (scores.softmax(-1) @ value).transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register("tests_exact", _exact_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register("tests_exact", eager_mask)


class StubTokenizer:
    """As much of a tokenizer as models and attribution ask for once queries are made."""

    mask_token_id, eos_token_id, bos_token_id, pad_token_id = MASK, END, END, PAD

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(map(str, ids))


def _new_model(family: str, dtype: torch.dtype = torch.float64, *, exact_norms: bool = True, **options: Any) -> Model:
    row = FAMILIES[family]
    torch.manual_seed(0)
    module = row.build(**{**row.options, **options})
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.35 * noise if parameter.dim() > 1 else parameter + 0.1 * noise)
    module = module.to(dtype)
    if exact_norms and dtype == torch.float64:
        _exact_norms(module)
        if family == "gemma2":
            module.config._attn_implementation = "tests_exact"
    return Model(module, StubTokenizer(), name=f"tiny {family}", kind=row.kind)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def new_model() -> Callable[..., Model]:
    """new_model(family, dtype=float64, exact_norms=True, **config): a new tiny random model, always the same."""
    return _new_model


@cache
def _shared_model(family: str, dtype: torch.dtype = torch.float64, *, exact_norms: bool = True) -> Model:
    model = _new_model(family, dtype, exact_norms=exact_norms)
    with warnings.catch_warnings(action="ignore"):  # families that the fast path does not fit say so once
        fast_path_fits(model.backbone, capture(model.backbone, [_new_query(model.kind)], [(0, (0,))]))
    return model


@pytest.fixture(scope="session")
def shared_model() -> Callable[..., Model]:
    """shared_model(family, dtype=float64): one model for all tests of a session; leave it as it was."""
    return _shared_model


@pytest.fixture(scope="session")
def family_row() -> Mapping[str, Family]:
    return FAMILIES


def _new_query(kind: str, *, tokens: int = 6, answer: int = 1, seed: int = 0) -> Query:
    generator = np.random.default_rng(seed)
    text = generator.integers(8, VOCABULARY, tokens).tolist()
    gold = tuple(generator.integers(8, VOCABULARY, answer).tolist())
    prompt = Prompt(f"prompt {seed} of {tokens} is ___.")
    if kind == "causal":
        places = tuple(range(tokens))
        targets = tuple(range(tokens - 1, tokens - 1 + answer))
        words = (places[:2], *((place,) for place in places[2:]))
        return Query(prompt, f"answer {seed}", (*text, *gold[:-1]), targets, gold, places, words)
    if kind == "cloze":
        ids = (2, *text[: tokens // 2], *[MASK] * answer, *text[tokens // 2 :], END)
        targets = tuple(range(1 + tokens // 2, 1 + tokens // 2 + answer))
        places = tuple(place for place in range(1, len(ids) - 1) if place not in targets)
        words = (places[:2], *((place,) for place in places[2:]))
        return Query(prompt, f"answer {seed}", ids, targets, gold, places, words)
    ids = (*text[:-1], SENTINEL, text[-1], END)
    places = tuple(place for place in range(tokens + 1) if place != tokens - 1)
    words = (places[:2], *((place,) for place in places[2:]))
    decoder = (PAD, SENTINEL, *gold[:-1])
    targets = tuple(range(1, 1 + answer))
    return Query(prompt, f"answer {seed}", ids, targets, gold, places, words, decoder, tokens - 1)


@pytest.fixture(scope="session")
def new_query() -> Callable[..., Query]:
    """new_query(kind, tokens=6, answer=1, seed=0): a query of a prompt and an answer of so many tokens."""
    return _new_query


@cache
def _slow_module() -> Any:
    spec = importlib.util.spec_from_file_location("slow_reference", Path(__file__).with_name("slow_reference.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def slow_reference() -> Callable[..., Any]:
    """slow_reference(model, family or its down-projections, factors=None): see SlowReference."""

    def make(model: Model, family: str | Sequence[nn.Module], factors: Any = None) -> Any:
        downs = FAMILIES[family].downs(model.backbone.module) if isinstance(family, str) else family
        return _slow_module().SlowReference(model, downs, factors)

    return make


@pytest.fixture(scope="session")
def hooks_of() -> Callable[[nn.Module], dict[str, int]]:
    """hooks_of(module): how many hooks of which kind hang on each submodule, where there are any."""

    def count(module: nn.Module) -> dict[str, int]:
        kinds = [name for name in vars(module) if name.endswith("_hooks")]
        assert "_forward_hooks" in kinds
        assert "_forward_pre_hooks" in kinds
        return {
            f"{path} {kind}": len(getattr(child, kind))
            for path, child in module.named_modules()
            for kind in kinds
            if getattr(child, kind)
        }

    return count


@pytest.fixture(scope="session")
def relative_error() -> Callable[[Any, Any], float]:
    """relative_error(found, true): the largest difference in a layer (first axis) over that layer's maximum."""

    def error(found: Any, true: Any) -> float:
        found, true = np.asarray(found, dtype=np.float64), np.asarray(true, dtype=np.float64)
        assert found.shape == true.shape
        axes = tuple(range(1, true.ndim))
        scale = np.abs(true).max(axes)
        scale[scale == 0] = np.abs(true).max()  # a layer that the change does not reach
        return float((np.abs(found - true).max(axes) / scale).max())

    return error

"""What the benchmarks share: models of true size with random weights, prompts of exact length, time and peak memory."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from factneurons.facts.types import Prompt
from factneurons.models.model import Model
from factneurons.models.passes.matmul import routing

PACKAGES = ("factneurons", "torch", "transformers", "numpy", "knowledge-neurons", "captum")

_MEGABYTE = 2**20
_Result = TypeVar("_Result")


def gpt2_small() -> torch.nn.Module:
    """GPT-2 small, 50,257 tokens."""
    return GPT2LMHeadModel(GPT2Config())


def bert_multilingual() -> torch.nn.Module:
    """BERT of the size of multilingual BERT, 119,547 tokens."""
    return BertForMaskedLM(BertConfig(vocab_size=119547))


def llama_160m() -> torch.nn.Module:
    """A LLaMA of 162 million parameters, 32,000 tokens."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32000,
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            max_position_embeddings=2048,
        )
    )


def gpt2_tiny() -> torch.nn.Module:
    """A GPT-2 of two layers, to try a benchmark in a second."""
    return GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=64, n_head=2, vocab_size=1000, bos_token_id=1, eos_token_id=1))


MODELS: dict[str, Callable[[], torch.nn.Module]] = {
    "gpt2": gpt2_small,
    "mbert": bert_multilingual,
    "llama160m": llama_160m,
}
"""Models of true size."""

TINY: dict[str, Callable[[], torch.nn.Module]] = {"tiny": gpt2_tiny}


def word_tokenizer(*, segments: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer of 500 words w0 ... w499, so that a prompt has exactly the tokens it is asked for.

    With `segments` it also gives BERT's token types, which a peer asks for.
    """
    vocabulary = {"[UNK]": 0, "<eos>": 1, "[MASK]": 2, "[PAD]": 3} | {f"w{i}": 10 + i for i in range(500)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<eos>",
        mask_token="[MASK]",
        unk_token="[UNK]",
        pad_token="[PAD]",
        model_input_names=["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"],
    )


def random_model(name: str) -> Model:
    """A model of true size with random weights, wrapped for factneurons."""
    torch.manual_seed(0)
    kind = "cloze" if name == "mbert" else "causal"
    tokenizer = word_tokenizer(segments=name == "mbert")
    return Model({**MODELS, **TINY}[name]().eval(), tokenizer, name=name, kind=kind)  # type: ignore[arg-type]


def prompt_of(tokens: int, *, masked: bool) -> Prompt:
    """A prompt that is exactly so many tokens long; a masked one has its mask as the last but one."""
    words = [f"w{(7 * i + 3) % 490}" for i in range(tokens)]
    if masked:
        words[-2] = "___"
        return Prompt(" ".join(words))
    return Prompt(f"{' '.join(words)} ___")


@dataclass(slots=True)
class Contender:
    """One way to compute the same thing, with what was measured of it.

    Attributes:
        name: what the tables call it.
        run: does the work once.
        seconds: one per repeat.
        peak: megabytes above what was resident before, the largest of the repeats; too low where an earlier
            contender's freed memory is still resident (see `peak_above`).
        result: what `run` returned last.
    """

    name: str
    run: Callable[[], Any]
    seconds: list[float] = field(default_factory=list)
    peak: float = 0.0
    result: Any = None

    @property
    def median(self) -> float:
        """The median of the repeats, in seconds."""
        return statistics.median(self.seconds)


def interleave(contenders: list[Contender], repeats: int, *, warm: bool = True) -> None:
    """Run all contenders in turn, `repeats` times, so that a machine whose speed drifts favours none of them."""
    for contender in contenders if warm else []:
        contender.run()
    for _ in range(repeats):
        for contender in contenders:
            gc.collect()
            before = _reset_peak()
            start = time.perf_counter()
            contender.result = contender.run()
            contender.seconds.append(time.perf_counter() - start)
            contender.peak = max(contender.peak, _peak() - before)


def peak_above(run: Callable[[], Any]) -> float:
    """The peak of one run in megabytes above what is resident now; right in a process that has done nothing yet."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what loading a model freed is not there for the run
    before = _reset_peak()
    run()
    return _peak() - before


def in_fresh_process(work: Callable[..., _Result], *arguments: object) -> _Result:
    """What `work`, a function of a module's top level, returns in a process that is started for it alone."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(work, *arguments).result()


def machine() -> dict[str, object]:
    """What a table of times has to say about the machine and the versions that made it."""
    processors = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": processors[0].partition(":")[2].strip() if processors else platform.processor(),
        "cores": os.cpu_count(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "threads": torch.get_num_threads(),
        "float32 products": routing(),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _reset_peak() -> float:
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / _MEGABYTE
    raise OSError(f"this system does not tell {name}; the memory figures need Linux")


def model_megabytes(model: Model) -> float:
    """The size of a model's weights."""
    weights: int = sum(p.numel() * p.element_size() for p in model.backbone.module.parameters())
    return weights / _MEGABYTE

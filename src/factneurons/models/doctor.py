"""Does this model fit? What its neurons are, how much memory and time it will take, before any weights are read.

The model is built without memory ("meta" tensors) from its configuration, so a model of any size is
diagnosed in seconds. Costs are estimates from sizes and from one matrix product timed on this machine.
"""

from __future__ import annotations

import copy
import os
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from factneurons.errors import BadModel
from factneurons.models.backbone import Backbone
from factneurons.models.experts import JoinedExperts
from factneurons.models.files import first_line
from factneurons.models.gate import check_model
from factneurons.models.limits import position_limit
from factneurons.models.load import (
    AUTO_CLASSES,
    LOADING_ERRORS,
    as_it_looks,
    check_quantisation,
    check_tokenizer,
    load_config,
    load_tokenizer,
)
from factneurons.models.passes.corrupted import replacement_token
from factneurons.models.passes.memory import budget_bytes, row_bytes
from factneurons.models.quiet import quiet
from factneurons.models.source import Source, check_weights, find_source
from factneurons.models.types import Kind

_GIB = 2**30
_DEPTHS = ("num_hidden_layers", "num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers")
_FEW_TOKENS = 64
_MOST_TRIED = 50_000_000
"""Weights of a block of a known family up to which it is filled with random numbers and tried."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known of a model without its weights. Memory in bytes; costs are for one fact, all layers.

    Attributes:
        name: as it was asked for.
        kind: "cloze", "causal" or "encoder-decoder".
        architecture: the class that loads it.
        family: the adapter's name.
        verified: whether that adapter is held against the contract in the tests, or was found by structure.
        layers: layers with an MLP; width: neurons in each, or in the widest; neurons: of all layers.
        hidden_size: of the residual stream.
        experts: experts per layer, side by side in its width; 1 where there is no mixture.
        expert_size: neurons of each; shared_size: of those that every token goes through.
        gated: whether a neuron's value is act(gate) * up.
        parameters: number of weights; vocabulary: size of the output; positions: longest input (None: no limit).
        several_tokens: how answers of several tokens are asked.
        tokenizer: its class (None: there is no tokenizer).
        mask_token, bos_token: as the tokenizer has them.
        replacement: the token that stands for a removed word in AMIG's baseline sentences, with its role.
        memory_float32, memory_bfloat16: the weights alone.
        memory_attribution: what attribution in float32 takes above the weights.
        memory_machine: of the device that would be used, in all (None: unknown).
        prompt_tokens, points: what the costs are for.
        flops_path: floating point operations of one path (`dai`: one zero baseline).
        flops_amig: the same with one path per prompt token (`amig`).
        rate: floating point operations per second of a matrix product on this machine, measured.
        problems: what stands in the way of loading it here, one line each.
    """

    name: str
    kind: Kind
    architecture: str
    family: str
    verified: bool
    layers: int
    width: int
    neurons: int
    hidden_size: int
    experts: int
    expert_size: int
    shared_size: int
    gated: bool
    parameters: int
    vocabulary: int
    positions: int | None
    several_tokens: str
    tokenizer: str | None
    mask_token: str | None
    bos_token: str | None
    replacement: str | None
    memory_float32: int
    memory_bfloat16: int
    memory_attribution: int
    memory_machine: int | None
    prompt_tokens: int
    points: int
    flops_path: float
    flops_amig: float
    rate: float
    problems: tuple[str, ...]

    @property
    def seconds_path(self) -> float:
        """About how long one fact takes with one path (`dai`)."""
        return self.flops_path / self.rate

    @property
    def seconds_amig(self) -> float:
        """About how long one fact takes with a path per prompt token (`amig`)."""
        return self.flops_amig / self.rate

    def lines(self) -> list[str]:
        """The diagnosis as text, one line per statement."""
        found = "verified in the tests" if self.verified else "not verified"
        product = "act(gate) * up" if self.gated else "act(up)"
        experts = f", {self.experts} experts of {self.expert_size}" if self.experts > 1 else ""
        experts += f" and {self.shared_size} that are shared" if self.shared_size else ""
        most = "" if self.neurons == self.layers * self.width else " at most"
        product += " * the router's weight" if self.experts > 1 else ""
        limit = "no fixed limit of positions" if self.positions is None else f"{self.positions} positions"
        asked_with = f"{self.prompt_tokens} prompt tokens, {self.points} points"
        return [
            f"{self.name}: a {self.kind} language model ({self.architecture})",
            f"neurons: {self.layers} layers of {self.width}{most}{experts} ({self.neurons:,} in all), "
            f"the value is {product}",
            f"family: {self.family} ({found})",
            f"size: {self.parameters:,} parameters, hidden size {self.hidden_size}, "
            f"vocabulary {self.vocabulary:,}, {limit}",
            f"answers of several tokens: {self.several_tokens}",
            self._tokens(),
            f"memory for the weights: {_bytes(self.memory_float32)} in float32, "
            f"{_bytes(self.memory_bfloat16)} in bfloat16",
            f"memory for attribution: about {_bytes(self.memory_attribution)} above that, in float32",
            self._fit(),
            f"time per fact ({asked_with}): about {_seconds(self.seconds_path)} with one baseline (dai), "
            f"about {_seconds(self.seconds_amig)} with one per token (amig)",
            f"  ({self.flops_path:.2g} and {self.flops_amig:.2g} floating point operations; this machine does "
            f"{self.rate / 1e9:.0f} GFLOP/s in float32, measured now)",
            *(f"problem: {problem}" for problem in self.problems),
        ]

    def _tokens(self) -> str:
        if self.tokenizer is None:
            return "tokenizer: not there"
        return (
            f"tokenizer: {self.tokenizer}, mask {_shown(self.mask_token)}, bos {_shown(self.bos_token)}, "
            f"baseline sentences use {_shown(self.replacement)}"
        )

    def _fit(self) -> str:
        if self.memory_machine is None:
            return "memory of this machine: unknown"
        have = f"this machine has {_bytes(self.memory_machine)}"
        if self.memory_float32 + self.memory_attribution <= self.memory_machine:
            return f"{have}: float32 fits"
        if self.memory_bfloat16 + self.memory_attribution <= self.memory_machine:
            return f"{have}: float32 does not fit, bfloat16 does (small scores lose precision)"
        return f"{have}: it does not fit; spread it over devices with device_map"


def diagnose(
    name_or_path: str | os.PathLike[str],
    *,
    prompt_tokens: int = 20,
    points: int = 8,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> Diagnosis:
    """Find out whether and how a model can be used, from its configuration alone.

    Args:
        name_or_path: as for `load_model`; weights are neither needed nor fetched.
        prompt_tokens: length of the prompt that costs are told for.
        points: path points per layer that costs are told for.
        trust_remote_code: let Python files that come with the model run.
        allow_pickle: as for `load_model`.

    Raises:
        BadModel: not found, no language model, or no MLP could be found; the message says what was looked for.
    """
    source = find_source(name_or_path, trust_remote_code=trust_remote_code, weights=False)
    problems = []
    tokenizer: Any = None
    with quiet():
        config = load_config(source, trust_remote_code)
        try:
            tokenizer = load_tokenizer(source, None, trust_remote_code)
        except BadModel as error:
            problems.append(str(error))

        def build(kind: Kind) -> Backbone:
            return _empty_backbone(source, kind, config, tokenizer, trust_remote_code)

        backbone = as_it_looks(build, source, config, tokenizer)
        problems += _problems(source, backbone.kind, config, tokenizer, allow_pickle)
    return _diagnosis(backbone, tokenizer, problems, prompt_tokens, points)


def _empty_backbone(
    source: Source, kind: Kind, config: PretrainedConfig, tokenizer: Any, trust_remote_code: bool
) -> Backbone:
    try:
        with torch.device("meta"):
            module = AUTO_CLASSES[kind].from_config(config, dtype=torch.float32, trust_remote_code=trust_remote_code)
    except LOADING_ERRORS as error:
        raise BadModel(f"{source.name} cannot be built from its config.json: {first_line(error)}") from error
    try:
        backbone = Backbone(module, tokenizer, name=source.name, kind=kind)
        if _block_weights(backbone) > _MOST_TRIED:
            return backbone
    except BadModel:
        pass
    # To try it, and to find an MLP by structure, the model is run, which needs numbers: a few blocks of it have them.
    depth = _first_mixture(module) + 1
    made = _short_module(source, kind, config, trust_remote_code, depth)
    short = Backbone(made, tokenizer, name=source.name, kind=kind)
    check_model(short)
    return Backbone(module, tokenizer, name=source.name, kind=kind, adapter=short.adapter)


def _first_mixture(module: nn.Module) -> int:
    """The block of the first mixture of experts; 0 where there is none."""
    lists = (part for part in module.modules() if isinstance(part, nn.ModuleList))
    mixed = ([any(isinstance(part, JoinedExperts) for part in block.modules()) for block in each] for each in lists)
    return next((each.index(True) for each in mixed if any(each)), 0)


def _short_module(
    source: Source, kind: Kind, config: PretrainedConfig, trust_remote_code: bool, depth: int
) -> nn.Module:
    """The same model with random weights, a block of each sort (at least `depth`) and few tokens."""
    try:
        module: nn.Module = AUTO_CLASSES[kind].from_config(
            _shortened(config, depth), dtype=torch.float32, trust_remote_code=trust_remote_code
        )
    except LOADING_ERRORS as error:
        raise BadModel(f"{source.name}: no MLP could be looked for: {first_line(error)}") from error
    return module.eval()


def _shortened(config: PretrainedConfig, least: int = 1) -> PretrainedConfig:
    short = copy.deepcopy(config)
    depths = {name: depth for name in _DEPTHS if isinstance(depth := getattr(short, name, None), int)}
    lists = {name: value for name, value in vars(short).items() if isinstance(value, list)}
    per_layer = {name: value for name, value in lists.items() if len(value) in depths.values()}
    needed = max((least, *(_first_of_each(value) for value in per_layer.values())))
    for name, value in per_layer.items():
        setattr(short, name, value[:needed])
    for name, depth in depths.items():
        setattr(short, name, min(depth, needed))
    short.vocab_size = _FEW_TOKENS
    for name, value in vars(short).items():
        if name.endswith("_token_id") and isinstance(value, int) and value >= _FEW_TOKENS:
            setattr(short, name, 0)
    return short


def _first_of_each(sorts: list[Any]) -> int:
    """So many layers from the first on have one of each sort."""
    return max((sorts.index(sort) + 1 for sort in sorts), default=1)


def _problems(source: Source, kind: Kind, config: PretrainedConfig, tokenizer: Any, allow_pickle: bool) -> list[str]:
    """What `load_model` would refuse besides, one line each."""
    found = []
    try:
        if tokenizer is not None:
            check_tokenizer(source.name, kind, config, tokenizer)
    except BadModel as error:
        found.append(str(error))
    try:
        check_weights(source.name, source.folder, allow_pickle=allow_pickle)
    except BadModel as error:
        found.append(str(error))
    try:
        check_quantisation(source.name, config)
    except BadModel as error:
        found.append(str(error))
    return found


def _diagnosis(
    backbone: Backbone,
    tokenizer: PreTrainedTokenizerBase | None,
    problems: list[str],
    prompt_tokens: int,
    points: int,
) -> Diagnosis:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vocabulary = int(backbone.projection.weight.shape[0])
    rows = backbone.layer_count * (points + 1)  # one more point for the baseline's own value
    flops_path, flops_prompt = path_flops(backbone, prompt_tokens, points), prompt_flops(backbone, prompt_tokens)
    parameters = sum(parameter.numel() for parameter in backbone.module.parameters())
    return Diagnosis(
        name=backbone.name,
        kind=backbone.kind,
        architecture=type(backbone.module).__name__,
        family=backbone.adapter.family,
        verified=backbone.adapter.verified,
        layers=backbone.layer_count,
        width=backbone.width,
        neurons=backbone.neuron_count,
        hidden_size=backbone.hidden_size,
        experts=backbone.experts,
        expert_size=backbone.expert_size,
        shared_size=backbone.shared_size,
        gated=backbone.adapter.gated,
        parameters=parameters,
        vocabulary=vocabulary,
        positions=position_limit(backbone.module),
        several_tokens="with several masks (multi_mask)"
        if backbone.kind == "cloze"
        else "yes, each given the ones before",
        tokenizer=None if tokenizer is None else type(tokenizer).__name__,
        mask_token=None if tokenizer is None else tokenizer.mask_token,
        bos_token=None if tokenizer is None else tokenizer.bos_token,
        replacement=_replacement(backbone),
        memory_float32=4 * parameters,
        memory_bfloat16=2 * parameters,
        memory_attribution=min(rows * row_bytes(backbone, prompt_tokens), budget_bytes(backbone)),
        memory_machine=_machine_memory(device),
        prompt_tokens=prompt_tokens,
        points=points,
        flops_path=flops_prompt + flops_path,
        flops_amig=flops_prompt * (1 + prompt_tokens) + flops_path * prompt_tokens,
        rate=matmul_rate(device),
        problems=tuple(problems),
    )


def prompt_flops(backbone: Backbone, prompt_tokens: int) -> float:
    """Operations of one pass over a prompt without the head: 2 per weight of the blocks and token."""
    return 2.0 * _block_weights(backbone) * backbone.layer_count * prompt_tokens


def path_flops(backbone: Backbone, prompt_tokens: int, points: int) -> float:
    """Operations of one path in every layer.

    A row is one point of one layer. It goes up through the blocks above its layer, half of them on
    average (all of them where the plain loop is used), forward and backward: 2 operations each per
    weight and token, for the weights themselves need no gradient. A causal model's row is one token, an
    encoder's the whole prompt. At the head it costs 2 forward and 2 backward per vocabulary weight.
    """
    rows = backbone.layer_count * (points + 1)
    tokens = 1 if backbone.kind == "causal" else prompt_tokens
    blocks = backbone.layer_count if backbone.kind == "encoder-decoder" else (backbone.layer_count - 1) / 2
    return rows * 4.0 * (blocks * _block_weights(backbone) * tokens + float(backbone.projection.weight.numel()))


def _block_weights(backbone: Backbone) -> float:
    """Weights of an average block."""
    total = sum(parameter.numel() for layer in backbone.layers for parameter in layer.block.parameters())
    return total / backbone.layer_count


def matmul_rate(device: torch.device, size: int = 1024) -> float:
    """Floating point operations per second of a float32 matrix product: the best of a few short ones."""
    left, right = torch.ones(256, size, device=device), torch.ones(size, size, device=device)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        float((left @ right)[0, 0])  # reading a number waits for the device
        best = min(best, time.perf_counter() - start)
    return 2.0 * 256 * size * size / best


def _machine_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _replacement(backbone: Backbone) -> str | None:
    if backbone.tokenizer is None:
        return None
    try:
        number, role = replacement_token(backbone)
    except BadModel:
        return None
    return f"{backbone.tokenizer.convert_ids_to_tokens(number)} ({role.removesuffix('_token')})"


def _shown(token: str | None) -> str:
    return "none" if token is None else token


def _bytes(count: int) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / 2**20:.0f} MiB"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

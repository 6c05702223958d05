"""Load a language model: safe to open, complete, finite, and with a tokenizer that fits it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
)
from transformers.quantizers.auto import AutoHfQuantizer

from factneurons.errors import MODEL_ERRORS, BadModel, BadNumber, BadSetting
from factneurons.models.chat import check_chat
from factneurons.models.files import first_line
from factneurons.models.gate import LooksAhead, check_model
from factneurons.models.model import Model
from factneurons.models.query import SENTINEL
from factneurons.models.quiet import quiet
from factneurons.models.source import Source, find_source
from factneurons.models.types import DTYPES, Kind
from factneurons.settings import check_choice

_Made = TypeVar("_Made")

AUTO_CLASSES: dict[Kind, Any] = {
    "cloze": AutoModelForMaskedLM,
    "causal": AutoModelForCausalLM,
    "encoder-decoder": AutoModelForSeq2SeqLM,
}
"""What loads a model of each kind."""

_MAPPINGS: dict[Kind, Any] = {
    "cloze": MODEL_FOR_MASKED_LM_MAPPING,
    "causal": MODEL_FOR_CAUSAL_LM_MAPPING,
    "encoder-decoder": MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
}
# What a class that predicts tokens ends with. BertForPreTraining holds a masked head and another one.
_ENDINGS: dict[str, Kind] = {
    "ForMaskedLM": "cloze",
    "ForPreTraining": "cloze",
    "ForCausalLM": "causal",
    "LMHeadModel": "causal",
}
_FINITE_CHECKED = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_TOKENIZER_FILES = ("*token*", "vocab*", "*.model", "*.tiktoken")
_FEWEST_TOKENS = 8
# What transformers raises for files it cannot make a model of.
LOADING_ERRORS = (*MODEL_ERRORS, SafetensorError, StrictDataclassError)


def load_model(
    name_or_path: str | os.PathLike[str],
    *,
    dtype: str = "float32",
    device: str | torch.device | None = None,
    device_map: str | dict[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    chat: bool = False,
    tokenizer: str | os.PathLike[str] | PreTrainedTokenizerBase | None = None,
) -> Model:
    """Load a model that can be asked facts.

    Args:
        name_or_path: a bundled model ("pocket-gpt2"), a folder, or a name on the Hugging Face Hub. Files
            of the hub come from its cache where they are there; nothing else touches the network.
        dtype: a name in `DTYPES`. Attribution wants float32 at least.
        device: "cpu", "cuda", "cuda:1", "mps"; default: CUDA where there is one, otherwise the CPU.
        device_map: spread the layers over devices, as transformers does it; instead of `device`.
        revision: hub only: a branch, tag or commit.
        trust_remote_code: let Python files that come with the model run.
        allow_pickle: read pickled weights where there are no safetensors, with torch's loader that takes tensors only.
        chat: ask through the tokenizer's chat template: a prompt is the user's turn, the answer begins the assistant's.
        tokenizer: a tokenizer, or where one is, when it is not in the model's own folder.

    Raises:
        BadModel: not found, no language model, pickled without permission or incomplete weights, a tokenizer that does
            not fit, no template for a chat, experts that cannot be put side by side, own code without permission, or
            no MLP to be found.
        BadNumber: NaN or infinity in the weights.
        BadSetting: an unknown dtype or device.
    """
    check_choice("dtype", dtype, DTYPES)
    place = _device(device, device_map)
    source = find_source(
        name_or_path, revision=revision, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle
    )
    with quiet():
        config = load_config(source, trust_remote_code)
        known = load_tokenizer(source, tokenizer, trust_remote_code)

        def load(kind: Kind) -> Model:
            check_tokenizer(source.name, kind, config, known)
            if chat:
                check_chat(source.name, kind, known)
            check_quantisation(source.name, config, device_map)
            module = _load_module(source, kind, config, dtype, device_map, trust_remote_code)
            _check_finite(source.name, module)
            model = Model(module if place is None else module.to(place), known, name=source.name, kind=kind, chat=chat)
            check_model(model.backbone)
            return model

        with torch.inference_mode(False):  # weights made inside it could carry no gradient
            return as_it_looks(load, source, config, known)


def _device(device: str | torch.device | None, device_map: object) -> torch.device | None:
    if device_map is not None:
        if device is not None:
            raise BadSetting("device and device_map exclude each other: give one of them")
        return None
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise BadSetting(f"the device {str(device)!r} cannot be used: {first_line(error)}") from error
    return place


def load_config(source: Source, trust_remote_code: bool = False) -> PretrainedConfig:
    """The model's configuration as transformers understands it.

    Raises:
        BadModel: transformers does not know this type of model.
    """
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(
            source.folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
    except LOADING_ERRORS as error:
        kind = source.config.get("model_type")
        raise BadModel(
            f"{source.name}: transformers cannot read its config.json (model_type {kind!r}): {first_line(error)}"
        ) from error
    return config


def load_tokenizer(
    source: Source, tokenizer: str | os.PathLike[str] | PreTrainedTokenizerBase | None, trust_remote_code: bool = False
) -> PreTrainedTokenizerBase:
    """The model's own tokenizer, or the given one.

    Raises:
        BadModel: there is none, or it is empty.
    """
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        return tokenizer
    folder = source.folder
    if tokenizer is not None:
        folder = find_source(tokenizer, trust_remote_code=trust_remote_code, weights=False).folder
    way_out = "give one with tokenizer=FOLDER_OR_NAME"
    if not any(next(folder.glob(pattern), None) for pattern in _TOKENIZER_FILES):
        raise BadModel(f"{source.name}: its folder has no tokenizer; {way_out}")
    try:
        loaded = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True)
    except LOADING_ERRORS as error:
        raise BadModel(f"{source.name}: no tokenizer could be read ({first_line(error)}); {way_out}") from error
    # Where the vocabulary's file is missing transformers makes a tokenizer of special tokens only.
    if len(loaded) - len(set(loaded.all_special_ids)) < _FEWEST_TOKENS:
        raise BadModel(f"{source.name}: its tokenizer has no vocabulary ({len(loaded)} tokens); {way_out}")
    return loaded


def _possible(source: Source, config: PretrainedConfig) -> list[Kind]:
    """The kinds of language model that transformers can make of a configuration."""
    auto_map = source.config.get("auto_map")
    own = auto_map if isinstance(auto_map, dict) else {}
    possible = [
        kind for kind, mapping in _MAPPINGS.items() if type(config) in mapping or AUTO_CLASSES[kind].__name__ in own
    ]
    if getattr(config, "is_encoder_decoder", False):
        possible = [kind for kind in possible if kind == "encoder-decoder"]
    return possible


def kind_of(source: Source, config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase | None) -> Kind:
    """How a model is asked: its class decides, then what transformers can make of its configuration.

    Raises:
        BadModel: neither a masked, nor a causal, nor an encoder-decoder language model.
    """
    possible = _possible(source, config)
    for architecture in getattr(config, "architectures", None) or ():
        for ending, kind in _ENDINGS.items():
            if architecture.endswith(ending) and kind in possible:
                return kind
    has_mask = tokenizer is None or tokenizer.mask_token is not None
    if "cloze" in possible and "causal" in possible:
        return "cloze" if has_mask and not getattr(config, "is_decoder", False) else "causal"
    if not possible:
        raise BadModel(
            f"{source.name} is no language model: looked for a masked, causal or encoder-decoder head for "
            f"{type(config).__name__} (architectures: {getattr(config, 'architectures', None)})"
        )
    return possible[0]


def as_it_looks(
    load: Callable[[Kind], _Made], source: Source, config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase | None
) -> _Made:
    """What `load` makes of the kind a model says it is, or of a masked one where it looks both ways.

    Raises:
        BadModel: no language model, one that is refused, or one that looks both ways and has no masked head or mask.
    """
    kind = kind_of(source, config, tokenizer)
    try:
        return load(kind)
    except LooksAhead:
        if "cloze" not in _possible(source, config) or tokenizer is None or tokenizer.mask_token is None:
            raise
    return load("cloze")


def check_tokenizer(name: str, kind: Kind, config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer without what the kind is asked with, or of another model.

    Raises:
        BadModel: no mask, or neither that nor a sentinel, or more tokens than the model has.
    """
    if kind == "cloze" and tokenizer.mask_token is None:
        raise BadModel(f"{name} is a masked model, but its tokenizer has no mask token")
    if kind == "encoder-decoder" and tokenizer.mask_token is None and SENTINEL not in tokenizer.get_vocab():
        raise BadModel(
            f"{name} is an encoder-decoder, but its tokenizer has neither the sentinel {SENTINEL} nor a mask token; "
            "only those trained like T5 or BART can be asked"
        )
    rows = getattr(config.get_text_config(), "vocab_size", None)
    if rows is not None and tokenizer.vocab_size > rows:
        raise BadModel(
            f"{name}: the tokenizer has {tokenizer.vocab_size} tokens, the model {rows}; it is not the model's own"
        )


def check_quantisation(name: str, config: PretrainedConfig, device_map: object = None) -> None:
    """Refuse weights that are quantised in a way that cannot be read here, before any is read.

    Raises:
        BadModel: the way is unknown, or what it needs is not installed; says what.
    """
    how = getattr(config, "quantization_config", None)
    if how is None:
        return
    try:
        quantizer = AutoHfQuantizer.from_config(how, pre_quantized=True)
        quantizer.validate_environment(device_map=device_map, weights_only=True)
    except (*LOADING_ERRORS, NameError) as error:  # optimum names what it could not import
        method = how.get("quant_method") if isinstance(how, dict) else getattr(how, "quant_method", None)
        kind = str(getattr(method, "value", method))
        said = first_line(error)
        if isinstance(error, NameError):
            said = f"a library that reads {kind} is not installed ({said})"
        raise BadModel(f"{name} is quantised ({kind}) and cannot be loaded here: {said}") from error


def _load_module(
    source: Source,
    kind: Kind,
    config: PretrainedConfig,
    dtype: str,
    device_map: str | dict[str, Any] | None,
    trust_remote_code: bool,
) -> nn.Module:
    options = {} if device_map is None else {"device_map": device_map}
    try:
        module, report = AUTO_CLASSES[kind].from_pretrained(
            source.folder,
            config=config,
            dtype=getattr(torch, dtype, dtype),
            use_safetensors=not source.pickled,
            weights_only=True,
            local_files_only=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
            **options,
        )
    except LOADING_ERRORS as error:
        raise BadModel(f"{source.name} cannot be loaded: {first_line(error)}") from error
    wrong = sorted(str(key) for key in (*report["missing_keys"], *report["mismatched_keys"]))
    if wrong:
        raise BadModel(
            f"{source.name} is no complete language model: its files lack {len(wrong)} weights of "
            f"{type(module).__name__} (the first: {wrong[0]}), which would be random numbers"
        )
    return module  # type: ignore[no-any-return]


def _check_finite(name: str, module: nn.Module) -> None:
    for path, parameter in module.named_parameters():
        plain = type(parameter) is nn.Parameter and parameter.dtype in _FINITE_CHECKED  # others are quantised
        if parameter.is_meta or not plain or not parameter.numel():
            continue
        least, most = torch.aminmax(parameter.detach())
        if not (torch.isfinite(least) and torch.isfinite(most)):
            raise BadNumber(f"{name}: NaN or infinity in the weights {path}")

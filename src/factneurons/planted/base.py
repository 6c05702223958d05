"""Models that facts are planted in: any loadable one, or a small one with random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import AutoTokenizer

from factneurons.errors import BadModel
from factneurons.models.bundled import POCKET_MODELS, pocket_path
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.planted.settings import RANDOM, RANDOM_MODELS
from factneurons.planted.widen import width_field
from factneurons.pocket.architectures import build_module
from factneurons.pocket.recipe import PocketRecipe

_GAIN = 4.0


def _louder(module: nn.Module) -> None:
    """Scale the last normalisation's gain: with random embeddings of so few numbers no token could reach P = 0.8."""
    norms = [part for part in module.modules() if type(part).__name__.endswith("Norm")]
    with torch.no_grad():
        norms[-1].weight.mul_(_GAIN)  # type: ignore[operator]


def base_model(name: str, seed: int) -> Model:
    """The model of this name; "random-gpt2" and its like are made anew with weights by the seed.

    Raises:
        BadModel: there is no such model.
    """
    if name not in RANDOM_MODELS:
        if name.startswith(RANDOM) and not Path(name).exists():
            raise BadModel(f"{name}: there is no such random model; valid: {', '.join(RANDOM_MODELS)}")
        return load_model(name, device="cpu")
    bundled = RANDOM_MODELS[name]
    tokenizer = AutoTokenizer.from_pretrained(pocket_path(bundled.name), local_files_only=True)
    module = build_module(PocketRecipe(bundled.architecture, size="s", seed=seed), tokenizer)
    _louder(module)
    return Model(module, tokenizer, name=name, kind="cloze" if tokenizer.mask_token is not None else "causal")


def weight_files(name: str) -> list[Path]:
    """The files that hold a base's weights; none for a name of the hub, and for weights that are made anew."""
    folder = pocket_path(name) if name in POCKET_MODELS else Path(name)
    return sorted(folder.glob("*.safetensors")) if folder.is_dir() else []


def check_base(model: Model) -> None:
    """Refuse a model that nothing can be planted in, before anything is computed.

    Raises:
        BadModel: its family is not known here, or it is not on the CPU in float32.
    """
    width_field(model)
    device, dtype = model.backbone.device, model.backbone.dtype
    if device.type != "cpu" or dtype != torch.float32:
        raise BadModel(
            f"{model.name}: it is on {device} in {str(dtype).removeprefix('torch.')}; facts are planted"
            ' in models on the CPU in float32: load_model(..., device="cpu")'
        )

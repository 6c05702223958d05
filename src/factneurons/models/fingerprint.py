"""Which model was it? SHA-256 of the files a model was made from, or of its tensors."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch

from factneurons.models.backbone import Backbone
from factneurons.models.source import weight_files

_DESCRIPTIONS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.py")
_CHUNK = 1 << 24


def fingerprint(folder: str | os.PathLike[str]) -> dict[str, str]:
    """SHA-256 (hex) of every file of a folder that decides what a model answers, by file name.

    These are config, tokenizer, code and the safetensors that hold the weights; nothing else.

    Raises:
        BadModel: the folder has no safetensors weights.
    """
    root = Path(folder)
    paths = {path for pattern in _DESCRIPTIONS for path in root.glob(pattern) if path.is_file()}
    paths.update(weight_files(root))
    return {path.name: file_hash(path) for path in sorted(paths)}


def file_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256 (hex) of one file, read in chunks."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_fingerprint(backbone: Backbone) -> dict[str, str]:
    """File name -> SHA-256 of what a model was loaded from; for a model made in memory, of its tensors.

    The files are read again now: a folder that was changed since shows as changed.
    """
    folder = Path(str(getattr(backbone.module, "name_or_path", "") or ""))
    if folder.parts and (folder / "config.json").is_file():
        return fingerprint(folder)
    return {"parameters": tensor_hash(backbone.module.state_dict())}


def tensor_hash(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 (hex) of tensors with their names, types and shapes, whatever device they are on."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        for part in tensor.reshape(-1).split(_CHUNK):
            digest.update(part.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

"""Which model was it? SHA-256 of the files a model was made from, or of its tensors."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from factneurons.models.backbone import Backbone
from factneurons.models.files import fingerprint

_CHUNK = 1 << 24


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

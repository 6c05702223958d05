"""The files of a model's folder, without loading anything: which hold its weights, and the hash of each."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from factneurons.errors import BadModel

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
_DESCRIPTIONS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.py")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold a folder's weights (they may not exist where an index names them).

    Raises:
        BadModel: there are none, or the index is wrong.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    index = folder / INDEX
    if not index.is_file():
        pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
        if pickled:
            raise BadModel(
                f"{folder} has pickled weights only ({pickled[0]}), and a pickle can run any code; "
                f"convert them to {SINGLE} first"
            )
        raise BadModel(f"{folder} has no weights: neither {SINGLE} nor {INDEX}")
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise BadModel(f"{index} is no index of weights: {first_line(error)}") from error
    outside = [name for name in names if not isinstance(name, str) or Path(name).name != name]
    if outside or not names:
        raise BadModel(f"{index} names files outside the folder: {outside}")
    return [folder / name for name in names]


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


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something; with the next one where it only announces it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[:2]) if lines and lines[0].endswith(":") else next(iter(lines), type(error).__name__)
    return said.rstrip(".:")

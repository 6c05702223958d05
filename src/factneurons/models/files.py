"""The files of a model's folder, without loading anything: which hold its weights, and the hash of each."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from factneurons.errors import BadModel

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

PICKLE = "pytorch_model.bin"
"""What is read instead where pickles are allowed, or an index of such files."""

_FOREIGN = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
_DESCRIPTIONS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.py")
_CONVERT = "import factneurons as fn; fn.save_model(fn.load_model({folder!r}, allow_pickle=True), 'NEW_FOLDER')"


def weight_files(folder: Path, *, allow_pickle: bool = False) -> list[Path]:
    """The files that hold a folder's weights (they may not exist where an index names them).

    Args:
        folder: of the model.
        allow_pickle: take pickles where there are no safetensors.

    Raises:
        BadModel: there are none, or the index is wrong.
    """
    for single in (SINGLE, PICKLE) if allow_pickle else (SINGLE,):
        if (folder / single).is_file():
            return [folder / single]
        if (index := folder / f"{single}.index.json").is_file():
            return _indexed(index)
    raise BadModel(_without_weights(folder))


def _indexed(index: Path) -> list[Path]:
    """The files that an index names, of the kind it is for and beside it."""
    kind = Path(index.name.removesuffix(".index.json")).suffix
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise BadModel(f"{index} is no index of weights: {first_line(error)}") from error
    outside = [name for name in names if not isinstance(name, str) or Path(name).name != name]
    if outside or not names:
        raise BadModel(f"{index} names files outside the folder: {outside}")
    other = [name for name in names if Path(name).suffix != kind]
    if other:
        raise BadModel(f"{index} names files that are no {kind}: {other}")
    return [index.parent / name for name in names]


def _without_weights(folder: Path) -> str:
    """What to say of a folder without safetensors."""
    if any((folder / name).is_file() for name in (PICKLE, f"{PICKLE}.index.json")):
        return (
            f"{folder} has pickled weights only ({PICKLE}), and a pickle can run any code; allow_pickle=True "
            "(command line: --allow-pickle) reads them with torch's loader that takes nothing but tensors, and this "
            f'converts them for good: python -c "{_CONVERT.format(folder=str(folder))}"'
        )
    foreign = sorted(path.name for pattern in _FOREIGN for path in folder.glob(pattern))
    if foreign:
        return f"{folder} has its weights in a form that is not read ({foreign[0]}); convert them to {SINGLE} first"
    return (
        f"{folder} has no weights: neither {SINGLE} nor {INDEX}; where the hub has pickles only, allow_pickle=True "
        "(command line: --allow-pickle) fetches and reads them"
    )


def fingerprint(folder: str | os.PathLike[str]) -> dict[str, str]:
    """SHA-256 (hex) of every file of a folder that decides what a model answers, by file name.

    These are config, tokenizer, code and the files that hold the weights; nothing else. Pickles are hashed, not opened.

    Raises:
        BadModel: the folder has no weights.
    """
    root = Path(folder)
    paths = {path for pattern in _DESCRIPTIONS for path in root.glob(pattern) if path.is_file()}
    paths.update(weight_files(root, allow_pickle=True))
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

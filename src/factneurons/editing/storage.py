"""An edit on disk: a folder with two files, whose names are always the same.

    delta.safetensors   neurons [n, 2] int64, old and new out-weights [n, hidden] in the model's type
    edit.json           what the edit is for, the hash of the model it was made for, the hash of delta.safetensors

A few kilobytes, whatever the size of the model. Nothing in the files names a path, and nothing in them is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from factneurons.editing.description import Description
from factneurons.errors import BadSetting
from factneurons.models.files import file_hash
from factneurons.models.types import Neuron

DELTA = "delta.safetensors"
DESCRIPTION = "edit.json"
EDIT_FILES = (DELTA, DESCRIPTION)
"""The files that a stored edit has."""
FORMAT = 1

_TENSORS = {"neurons", "old", "new"}


@dataclass(frozen=True, slots=True)
class Contents:
    """What is kept of an edit: its fields, as in `Edit`."""

    neurons: tuple[Neuron, ...]
    old: torch.Tensor
    new: torch.Tensor
    description: Description


def write(place: Path, edit: Contents) -> Path:
    """Write an edit into a folder that does not hold one yet; returns the folder (raises as `Edit.save`)."""
    for name in (DELTA, DESCRIPTION):
        if (place / name).exists():
            raise BadSetting(f"{place / name} exists already: choose another folder")
    place.mkdir(parents=True, exist_ok=True)
    tensors = {"neurons": torch.tensor(edit.neurons, dtype=torch.int64).reshape(-1, 2)}
    (place / DELTA).write_bytes(save({**tensors, "old": edit.old.contiguous(), "new": edit.new.contiguous()}))
    record = {"format": FORMAT, "delta_sha256": file_hash(place / DELTA), **asdict(edit.description)}
    text = json.dumps(record, ensure_ascii=False, indent=2, sort_keys=True)
    (place / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")
    return place


def read(place: Path) -> Contents:
    """Read an edit (raises as `Edit.load`)."""
    if not (place / DESCRIPTION).is_file() or not (place / DELTA).is_file():
        raise BadSetting(f"{place} holds no edit: there must be {DESCRIPTION} and {DELTA} in it")
    record = _record(place / DESCRIPTION)
    if record.pop("delta_sha256", None) != file_hash(place / DELTA):
        raise BadSetting(f"{place / DELTA} is not the file that {DESCRIPTION} was written for: its hash differs")
    tensors = _tensors(place / DELTA)
    neurons = tuple(Neuron(layer, index) for layer, index in tensors["neurons"].tolist())
    return Contents(neurons, tensors["old"], tensors["new"], _description(record, place / DESCRIPTION))


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadSetting(f"{path} is no JSON: {error}") from error
    if not isinstance(record, dict):
        raise BadSetting(f"{path} holds no JSON object")
    found = record.pop("format", None)
    if found != FORMAT:
        raise BadSetting(f"{path} has format {found!r}, this version reads {FORMAT}")
    return record


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        tensors = load(path.read_bytes())
    except SafetensorError as error:
        raise BadSetting(f"{path} cannot be read as safetensors: {error}") from error
    if set(tensors) != _TENSORS:
        raise BadSetting(f"{path} holds {', '.join(sorted(tensors))}, not {', '.join(sorted(_TENSORS))}")
    neurons, old, new = tensors["neurons"], tensors["old"], tensors["new"]
    whole = neurons.dtype == torch.int64 and neurons.dim() == 2 and neurons.shape[1] == 2
    fit = old.shape == new.shape and old.dtype == new.dtype and old.dim() == 2 and len(old) == len(neurons)
    if not whole or not fit or len({tuple(row) for row in neurons.tolist()}) < len(neurons):
        raise BadSetting(f"{path}: its tensors do not fit together: neurons [n, 2], old and new [n, hidden], each once")
    return tensors


_TUPLES = ("facts", "prompts", "notes")
_MAPPINGS = ("old", "new", "settings")


def _description(record: Mapping[str, Any], path: Path) -> Description:
    names = [each.name for each in fields(Description)]
    if set(record) != set(names):
        wrong = sorted(set(record) ^ set(names))
        raise BadSetting(f"{path}: missing or unknown: {', '.join(wrong)}")
    types = {name: list if name in _TUPLES else dict if name in _MAPPINGS else str for name in names}
    for name, expected in types.items():
        if not isinstance(record[name], expected):
            raise BadSetting(f"{path}: {name} is {type(record[name]).__name__}, not {expected.__name__}")
    values: dict[str, Any] = {name: tuple(record[name]) if name in _TUPLES else record[name] for name in names}
    return Description(**values)


def edits_in(folder: Path | str) -> list[Path]:
    """The folders right under a folder (or itself) that hold an edit, by name.

    Raises:
        BadSetting: there is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise BadSetting(f"there is no folder {place}")
    return [each for each in (place, *sorted(place.iterdir())) if (each / DESCRIPTION).is_file()]

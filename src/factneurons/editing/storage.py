"""An edit on disk: a folder with two files, whose names are always the same.

    delta.safetensors   neurons [n, 2] int64, old and new weights [n, numbers] in the model's type; of a change of the
                        whole model no neurons and one row
    edit.json           what the edit is for, the hash of the model it was made for, the hash of delta.safetensors

An edit of out-weights is a few kilobytes, whatever the size of the model. Nothing in the files names a path, nothing in
them is run. To look at an edit (`StoredEdit`) takes no PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from safetensors import SafetensorError, deserialize

from factneurons.editing.description import EXTENTS, OUT_WEIGHTS, Description
from factneurons.errors import BadSetting
from factneurons.models.files import file_hash
from factneurons.models.types import Neuron
from factneurons.statistics import Numbers

if TYPE_CHECKING:
    from torch import Tensor

DELTA = "delta.safetensors"
DESCRIPTION = "edit.json"
EDIT_FILES = (DELTA, DESCRIPTION)
"""The files that a stored edit has."""
FORMAT = 1

_TENSORS = {"neurons", "old", "new"}

View = Mapping[str, Any]
"""A tensor as it is stored: "dtype", "shape" and "data", its bytes."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is kept of an edit: its fields, as in `Edit`."""

    neurons: tuple[Neuron, ...]
    old: Tensor
    new: Tensor
    description: Description


def write(place: Path, edit: Contents) -> Path:
    """Write an edit into a folder that does not hold one yet; returns the folder (raises as `Edit.save`)."""
    for name in (DELTA, DESCRIPTION):
        if (place / name).exists():
            raise BadSetting(f"{place / name} exists already: choose another folder")
    import torch
    from safetensors.torch import save

    place.mkdir(parents=True, exist_ok=True)
    tensors = {"neurons": torch.tensor(edit.neurons, dtype=torch.int64).reshape(-1, 2)}
    (place / DELTA).write_bytes(save({**tensors, "old": edit.old.contiguous(), "new": edit.new.contiguous()}))
    record = {"format": FORMAT, "delta_sha256": file_hash(place / DELTA), **asdict(edit.description)}
    text = json.dumps(record, ensure_ascii=False, indent=2, sort_keys=True)
    (place / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")
    return place


def read(place: Path) -> Contents:
    """Read an edit (raises as `Edit.load`)."""
    from safetensors.torch import load

    description, data, neurons, _ = _read(place)
    tensors = load(data)
    return Contents(neurons, tensors["old"], tensors["new"], description)


@dataclass(frozen=True, slots=True)
class StoredEdit:
    """What an edit on disk is, to be looked at.

    Attributes:
        neurons: whose weights it changes; none: the whole model's.
        size: as `Edit.size`.
        description: what it is for.
    """

    neurons: tuple[Neuron, ...]
    size: float
    description: Description

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Look at an edit that was saved (raises as `Edit.load`)."""
        description, _, neurons, views = _read(Path(path))
        old, new = (_numbers(views[name]) for name in ("old", "new"))
        return cls(neurons, float(np.linalg.norm(new - old) / np.linalg.norm(old)), description)


def _read(place: Path) -> tuple[Description, bytes, tuple[Neuron, ...], dict[str, View]]:
    """What it is for, the bytes of its tensors, its neurons, and every tensor's type, shape and bytes."""
    if not (place / DESCRIPTION).is_file() or not (place / DELTA).is_file():
        raise BadSetting(f"{place} holds no edit: there must be {DESCRIPTION} and {DELTA} in it")
    record = _record(place / DESCRIPTION)
    if record.pop("delta_sha256", None) != file_hash(place / DELTA):
        raise BadSetting(f"{place / DELTA} is not the file that {DESCRIPTION} was written for: its hash differs")
    data = (place / DELTA).read_bytes()
    views = _tensors(data, place / DELTA)
    neurons = tuple(Neuron(layer, index) for layer, index in _neurons(views["neurons"]))
    return _description(record, place / DESCRIPTION), data, neurons, views


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


def _tensors(data: bytes, path: Path) -> dict[str, View]:
    try:
        tensors = dict(deserialize(data))
    except SafetensorError as error:
        raise BadSetting(f"{path} cannot be read as safetensors: {error}") from error
    if set(tensors) != _TENSORS:
        raise BadSetting(f"{path} holds {', '.join(sorted(tensors))}, not {', '.join(sorted(_TENSORS))}")
    neurons, old, new = tensors["neurons"], tensors["old"], tensors["new"]
    whole = neurons["dtype"] == "I64" and neurons["shape"][1:] == [2]
    fit = old["shape"] == new["shape"] and old["dtype"] == new["dtype"] and len(old["shape"]) == 2
    rows = neurons["shape"][0] or min(1, old["shape"][0])  # one row of no neuron: the whole model
    if not whole or not fit or len({*_neurons(neurons)}) != neurons["shape"][0] or old["shape"][0] != rows:
        raise BadSetting(
            f"{path}: its tensors do not fit together: neurons [n, 2], old and new [n, numbers], each once"
        )
    return tensors


def _neurons(view: View) -> list[tuple[int, int]]:
    return [(layer, index) for layer, index in np.frombuffer(view["data"], "<i8").reshape(-1, 2).tolist()]


def _numbers(view: View) -> Numbers:
    """A tensor's values. bfloat16, which NumPy does not have, is the upper half of float32."""
    if view["dtype"] == "BF16":
        return (np.frombuffer(view["data"], "<u2").astype("<u4") << 16).view("<f4").astype(np.float64)
    return np.frombuffer(view["data"], f"<f{int(view['dtype'][1:]) // 8}").astype(np.float64)


_TUPLES = ("facts", "prompts", "notes")
_MAPPINGS = ("old", "new", "settings")


def _description(record: Mapping[str, Any], path: Path) -> Description:
    names = [each.name for each in fields(Description)]
    record = {"extent": OUT_WEIGHTS, **record}
    if set(record) != set(names):
        wrong = sorted(set(record) ^ set(names))
        raise BadSetting(f"{path}: missing or unknown: {', '.join(wrong)}")
    types = {name: list if name in _TUPLES else dict if name in _MAPPINGS else str for name in names}
    for name, expected in types.items():
        if not isinstance(record[name], expected):
            raise BadSetting(f"{path}: {name} is {type(record[name]).__name__}, not {expected.__name__}")
    values: dict[str, Any] = {name: tuple(record[name]) if name in _TUPLES else record[name] for name in names}
    if values["extent"] not in EXTENTS:
        raise BadSetting(f"{path}: extent is {values['extent']!r}: it must be one of: {', '.join(EXTENTS)}")
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

"""A fact checker on disk: numbers in `checker.safetensors`, names and settings in `checker.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadSetting
from factneurons.factcheck.relation_neurons import NeuronSets
from factneurons.factcheck.thresholds import Threshold, Thresholds
from factneurons.models.fingerprint import model_fingerprint
from factneurons.models.model import Model
from factneurons.models.types import Neuron

ARRAYS, NAMES = "checker.safetensors", "checker.json"
FORMAT = 1

_POOLED = "pooled"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a checker is made of, beside its model.

    Attributes:
        parameters: the arguments it was made with.
        neurons: S_r by relation.
        thresholds: thresholds and probabilities.
        settings: how statements are attributed.
    """

    parameters: Mapping[str, Any]
    neurons: NeuronSets
    thresholds: Thresholds
    settings: AttributionSettings


def save(folder: Path, model: Model, contents: Contents) -> Path:
    """Write both files; returns the folder.

    Raises:
        BadSetting: the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise BadSetting(f"{folder} is a file: a checker is saved in a folder")
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, npt.NDArray[Any]] = {}
    neurons = []
    for number, (group, own) in enumerate(contents.neurons.items()):
        neurons.append({"relation": group[0], "language": group[1]})
        arrays[f"neurons.{number}"] = np.array([tuple(neuron) for neuron in own], dtype=np.int64).reshape(-1, 2)
    thresholds = []
    for number, (key, threshold) in enumerate(contents.thresholds.own.items()):
        thresholds.append({"relation": key[0], "language": key[1], **_threshold_json(threshold)})
        arrays |= _threshold_arrays(str(number), threshold)
    arrays |= _threshold_arrays(_POOLED, contents.thresholds.pooled)
    names = {
        "format": FORMAT,
        "model": {"name": model.name, "files": model_fingerprint(model.backbone), "chat": model.backbone.chat},
        "parameters": dict(contents.parameters),
        "settings": asdict(contents.settings),
        "neurons": neurons,
        "judges": thresholds,
        _POOLED: _threshold_json(contents.thresholds.pooled),
    }
    save_file(arrays, folder / ARRAYS)
    (folder / NAMES).write_text(json.dumps(names, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def load(folder: Path, model: Model) -> Contents:
    """Read both files.

    Raises:
        BadSetting: they are missing, damaged, or belong to another model.
    """
    try:
        names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
        arrays = load_file(folder / ARRAYS)
    except OSError as error:
        raise BadSetting(f"{folder} holds no fact checker: {error.filename or error} cannot be read") from error
    except (ValueError, SafetensorError) as error:
        raise BadSetting(f"{folder}: the fact checker is damaged ({error})") from error
    try:
        if names["format"] != FORMAT:
            raise BadSetting(f"{folder}: its format is {names['format']}, this version reads {FORMAT}")
        _check_model(folder, names["model"], model)
        neurons = {
            (each["relation"], each["language"]): tuple(Neuron(*pair) for pair in arrays[f"neurons.{number}"].tolist())
            for number, each in enumerate(names["neurons"])
        }
        own = {
            (each["relation"], each["language"]): _threshold(arrays, str(number), each)
            for number, each in enumerate(names["judges"])
        }
        thresholds = Thresholds(own, _threshold(arrays, _POOLED, names[_POOLED]))
        return Contents(names["parameters"], neurons, thresholds, AttributionSettings(**names["settings"]))
    except (KeyError, TypeError) as error:
        raise BadSetting(f"{folder}: the fact checker is damaged (missing or wrong: {error})") from error


def _check_model(folder: Path, saved: Mapping[str, Any], model: Model) -> None:
    if saved["files"] != model_fingerprint(model.backbone):
        raise BadSetting(
            f"{folder}: the fact checker was fitted with {saved['name']}, and the files of {model.name} are others; "
            "load that model, or fit anew"
        )
    if (chat := bool(saved.get("chat"))) != model.backbone.chat:  # older checkers do not say
        how = "with" if chat else "without"
        raise BadSetting(f"{folder}: the fact checker was fitted {how} chat, so load the model {how} it (chat={chat})")


def _threshold_json(threshold: Threshold) -> dict[str, Any]:
    return {"threshold": threshold.value, "statements": threshold.statements}


def _threshold_arrays(name: str, threshold: Threshold) -> dict[str, npt.NDArray[Any]]:
    return {f"judge.{name}.scores": threshold.scores, f"judge.{name}.probabilities": threshold.probabilities}


def _threshold(arrays: Mapping[str, npt.NDArray[Any]], name: str, names: Mapping[str, Any]) -> Threshold:
    scores, probabilities = arrays[f"judge.{name}.scores"], arrays[f"judge.{name}.probabilities"]
    return Threshold(names["threshold"], scores, probabilities, names["statements"])

"""Where a model's files are, and whether they are safe to read: checked before anything is loaded.

A name is a bundled model, a folder, or a repository on the Hugging Face Hub, in this order. Files of
the hub are taken from its cache; the network is used only for what is not there.
"""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import SafetensorError, safe_open
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)

from factneurons.errors import MODEL_ERRORS, BadModel, BadSetting
from factneurons.facts.problems import shown
from factneurons.models.bundled import pocket_path
from factneurons.models.files import PICKLE, SINGLE, first_line, weight_files

_DESCRIPTIONS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
_BUILT_IN = (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)
_OWN_CODE = ("AutoConfig", "AutoModelForCausalLM", "AutoModelForMaskedLM", "AutoModelForSeq2SeqLM")
_TIMEOUT = 5.0
_PICKLED = Path(PICKLE).suffix
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Source:
    """A model's name as the user wrote it, its folder, its config.json as read, and whether its weights are pickles."""

    name: str
    folder: Path
    config: dict[str, Any]
    pickled: bool = False


def find_source(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    weights: bool = True,
) -> Source:
    """Find a model's folder and check what it says of itself.

    Args:
        name_or_path: "pocket-...", a folder, or a name on the hub.
        revision: hub only: a branch, tag or commit.
        trust_remote_code: whether Python files of the model may run.
        allow_pickle: whether weights may be pickles where there are no safetensors.
        weights: whether the weights are needed; without them a few kilobytes are read.

    Raises:
        BadModel: not found, not reachable, no model folder, own code without permission, a mixture of
            experts, or (with `weights`) no weights that may and can be read.
        BadSetting: neither a text nor a path.
    """
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise BadSetting(
            f"a model is given by its name or folder, not as a {type(name_or_path).__name__}; for a module in memory: "
            "Model(module, tokenizer, name=..., kind=...)"
        )
    name = os.fspath(name_or_path)
    kinds = (SINGLE, *([PICKLE] if allow_pickle else [])) if weights else ()
    folder = _folder(name, revision, trust_remote_code, kinds)
    config = read_config(name, folder)
    if not trust_remote_code:
        _check_code(name, config)
    pickled = weights and check_weights(name, folder, allow_pickle=allow_pickle)
    return Source(name, folder, config, pickled)


def _folder(name: str, revision: str | None, trust_remote_code: bool, kinds: tuple[str, ...]) -> Path:
    if name.strip() and Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    if name.startswith("pocket-"):
        return pocket_path(name)
    if Path(name).expanduser().is_file():
        raise BadModel(f"{name} is a file; a model is a folder with config.json and {SINGLE}")
    if not name.strip() or name.startswith((".", "~", os.sep)) or name.count("/") > 1 or "\\" in name:
        raise BadModel(f"there is no folder {name!r}; give a model's folder, a name on the hub or pocket-gpt2")
    return _from_hub(name, revision, trust_remote_code, kinds)


def _from_hub(name: str, revision: str | None, trust_remote_code: bool, kinds: tuple[str, ...]) -> Path:
    patterns = [*_DESCRIPTIONS, *(["*.py"] if trust_remote_code else [])]
    try:
        cached = Path(snapshot_download(name, revision=revision, local_files_only=True))
        if (cached / "config.json").is_file() and (not kinds or _is_complete(cached, PICKLE in kinds)):
            return cached
    except HFValidationError:
        raise BadModel(f"{name!r} is neither a folder nor a possible name on the hub") from None
    except OSError:  # nothing in the cache
        pass
    way_out = f"give a folder, or fetch it where there is a network: hf download {name}"
    if constants.HF_HUB_OFFLINE or not _hub_answers():
        raise BadModel(f"{name!r} is no folder and not in the hub's cache, and the hub cannot be reached; {way_out}")
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=[*patterns, *_shards(kinds[:1])]))
        if kinds[1:] and not _is_complete(folder, allow_pickle=False):
            snapshot_download(name, revision=revision, allow_patterns=_shards(kinds[1:]))
        return folder
    except (HfHubHTTPError, OSError) as error:
        raise BadModel(f"the hub does not give {name!r}: {first_line(error)}; {way_out}") from error


def _hub_answers() -> bool:
    """One short try: the hub's own client goes on trying for half a minute."""
    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=_TIMEOUT).close()
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:  # the hub's client may know a certificate that is unknown here
        return isinstance(error.reason, ssl.SSLError) or not isinstance(error.reason, OSError)
    except OSError:
        return False
    return True


def _shards(kinds: tuple[str, ...]) -> list[str]:
    """Patterns of the files of these kinds of weights, whole or in parts."""
    return [f"{Path(kind).stem}*{Path(kind).suffix}" for kind in kinds]


def _is_complete(folder: Path, allow_pickle: bool) -> bool:
    try:
        return all(path.is_file() for path in weight_files(folder, allow_pickle=allow_pickle))
    except BadModel:
        return False


def read_config(name: str, folder: Path) -> dict[str, Any]:
    """The folder's config.json. What else transformers reads on loading must be sound as well, if it is there.

    Raises:
        BadModel: it is missing, or no JSON object.
    """
    if not (folder / "config.json").is_file():
        raise BadModel(f"{name} {_instead(folder)}")
    if (folder / "generation_config.json").is_file():
        _json_object(folder / "generation_config.json")
    return _json_object(folder / "config.json")


def _json_object(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadModel(f"{path} is no JSON: {first_line(error)}") from error
    if not isinstance(config, dict):
        raise BadModel(f"{path} holds no JSON object")
    return config


def _instead(folder: Path) -> str:
    """What a folder without config.json is: a word for those that are often mistaken for a model."""
    if (adapter := folder / "adapter_config.json").is_file():
        return f"is an adapter, not a model: merge it into {_base(adapter)} first and give the merged folder"
    if any(path.suffix.lower() == ".gguf" for path in folder.iterdir()):
        return f"holds a GGUF file, which is not supported; give the folder it was made from ({SINGLE})"
    return "is no model folder: it has no config.json"


def _base(adapter: Path) -> str:
    """The model an adapter was trained on, as far as it says."""
    try:
        base = json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (ValueError, RecursionError, OSError, KeyError, TypeError):
        return "its base model"
    return shown(base) if isinstance(base, str) and base else "its base model"


def _check_code(name: str, config: dict[str, Any]) -> None:
    """Refuse code that the folder brings along, unless it is the copy of a class transformers has."""
    auto_map = config.get("auto_map")
    if not isinstance(auto_map, dict):
        return
    kind = str(config.get("model_type"))
    known = {str(names[kind]) for names in _BUILT_IN if kind in names}
    if kind in CONFIG_MAPPING:
        known.add(CONFIG_MAPPING[kind].__name__)
    classes = {str(auto_map[key]) for key in _OWN_CODE if key in auto_map}
    foreign = sorted(name for name in classes if name.rpartition(".")[2] not in known)
    if foreign:
        raise BadModel(
            f"{name} needs its own Python code ({', '.join(foreign)}); read it, then allow it to run with "
            "trust_remote_code=True (command line: --trust-remote-code)"
        )


def check_weights(name: str, folder: Path, *, allow_pickle: bool = False) -> bool:
    """Read the headers of a folder's weights, and whether they are pickles.

    Raises:
        BadModel: pickled without permission, missing, a pickle of anything but tensors, or a file that is not sound.
    """
    files = weight_files(folder, allow_pickle=allow_pickle)
    for path in files:
        if not path.is_file():
            raise BadModel(f"{name}: the weights file {path.name} is missing")
        if path.suffix == _PICKLED:
            _check_pickle(path)
            continue
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise BadModel(f"{path} is no sound safetensors file: {first_line(error)}") from error
    return files[0].suffix == _PICKLED


def _check_pickle(path: Path) -> None:
    """Refuse a pickle that asks for anything but tensors; it is read by torch's loader, which runs no code."""
    try:
        torch.load(path, map_location="meta", weights_only=True)
    except (*MODEL_ERRORS, UnpicklingError, EOFError) as error:
        said = str(error).rpartition("WeightsUnpickler error: ")[2].strip().partition("\n")[0]
        raise BadModel(f"{path} is no pickle of tensors alone, and is not read: {shown(said, _SHOWN)}") from error

"""The manifest of a run: what was asked of which model, with which settings and code, and how far it came.

One manifest stands for one model and one set of facts; every stage (locate, degenerate, interventions)
has its own settings, state and counts in it. What decides the numbers (model files, data, dtype, settings,
seed) may not change within a folder; what only may touch them (versions, device, git state) is recorded at
every start.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from factneurons.errors import BadRun, BadSetting
from factneurons.runs.command import arguments
from factneurons.runs.counts import Counts
from factneurons.runs.files import check_form, now, sealed, unsealed

FORMAT = 1
"""The version of the folder's format; a folder of another version is refused."""

NOT_SET = "(not set)"
"""Stands in `differences` for a field that one side does not have."""

State = Literal["running", "done", "interrupted"]

PACKAGES = (
    "factneurons",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
)


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a stage: when, by which command, on what.

    `extent` is how much of the data was to be dealt with, for instance {"limit": 100}. It decides no fact's
    numbers, so a later start may go further. `arguments` are those of the command line, and `directory` where it was
    typed; empty where the run was made from Python.
    """

    time: str
    command: str
    device: str
    python: str
    platform: str
    versions: Mapping[str, str]
    git: Mapping[str, object] | None
    extent: Mapping[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    directory: str = ""


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What the manifest knows of one stage.

    Attributes:
        settings: everything that decides its numbers, as plain JSON values.
        seed: the seed of its random draws.
        state: "running" (also after a kill), "done" or "interrupted".
        starts: every start, the first one first.
        counts: facts read, askable, done and skipped, rows written: sums over the commits.
        updated: when the record was last written.
    """

    settings: Mapping[str, Any]
    seed: int
    state: State
    starts: tuple[Start, ...]
    counts: Counts = field(default_factory=Counts)
    updated: str = ""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model as a manifest knows it.

    Attributes:
        name: its name or folder.
        files: file name -> sha256.
        dtype: for instance "float32".
        device: where it runs, for instance "cpu".
        shape: what else is worth knowing of it, for instance its family, layers and width.
    """

    name: str
    files: Mapping[str, str]
    dtype: str
    device: str
    shape: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataIdentity:
    """What facts are loaded from, for instance "templama:val.jsonl", and the hash of it."""

    spec: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a run.

    Attributes:
        model: {"name", "dtype", "files": {file name: sha256}}, and its shape: for instance family and width.
        data: {"spec", "sha256"}: what the facts were loaded from.
        stages: stage name -> its record.
        created: when the run was created, UTC.
        format: the version of the folder's format.
    """

    model: Mapping[str, Any]
    data: Mapping[str, Any]
    stages: Mapping[str, StageRecord]
    created: str = field(default_factory=now)
    format: int = FORMAT

    @classmethod
    def for_stage(
        cls,
        stage: str,
        *,
        model: ModelIdentity,
        data: DataIdentity,
        settings: object,
        seed: int,
        command: str,
        extent: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """The manifest of a run that is about to start or resume `stage`.

        Args:
            stage: "locate", "degenerate", "interventions" or another plain name.
            model: the model, and where it runs.
            data: what the facts are loaded from.
            settings: a mapping or a dataclass; only what decides the numbers.
            seed: the seed of the stage's random draws.
            command: the command line, or what the caller was.
            extent: how much of the data is to be dealt with; a later start may say something else.

        Raises:
            BadSetting: a setting that is no plain value, or a stage name that is not plain.
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", stage):
            raise BadSetting(f"{stage!r} is no stage name: lower-case letters, digits and _ are")
        record = StageRecord(
            settings=plain(settings),
            seed=seed,
            state="running",
            starts=(_start(command, model.device, plain(extent or {})),),
        )
        return cls(
            model={"name": model.name, "dtype": model.dtype, "files": dict(model.files), **plain(model.shape)},
            data=asdict(data),
            stages={stage: record},
        )

    def to_bytes(self) -> bytes:
        """The manifest as JSON, sealed with a hash of itself."""
        return json.dumps(sealed(asdict(self)), indent=2).encode()

    @classmethod
    def from_bytes(cls, data: bytes, path: Path) -> Manifest:
        """Read a manifest.

        Raises:
            BadRun: it is no manifest, or of another format.
        """
        try:
            content = json.loads(data)
            if content["format"] != FORMAT:
                raise BadRun(
                    f"{path}: its format is {content['format']}, this version reads {FORMAT}: another version of"
                    " factneurons made it, probably a newer one"
                )
            check_form(content, _FORM)
            stages = {name: _stage_from_json(record) for name, record in content["stages"].items()}
            return cls(content["model"], content["data"], stages, content["created"], content["format"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BadRun(f"{path} is damaged: it is no manifest of a run ({error})") from error

    def with_stage(self, stage: str, **changes: Any) -> Manifest:
        """The same with some fields of one stage's record changed."""
        record = replace(self.stages[stage], updated=now(), **changes)
        return replace(self, stages={**self.stages, stage: record})


_FORM = {
    "model": {"name": str, "dtype": str, "files": [str]},
    "data": {"spec": str, "sha256": str},
    "stages": (
        {
            "settings": dict,
            "seed": int,
            "state": str,
            "updated": str,
            "counts": dict,
            "starts": (
                {"time": str, "command": str, "device": str, "python": str, "platform": str, "versions": [str]},
            ),
        },
    ),
    "created": str,
}


def is_untouched(data: bytes) -> bool:
    """Whether the bytes of a manifest are what was written."""
    return unsealed(data) is not None


def joined(old: Manifest, new: Manifest, stage: str, folder: Path) -> tuple[Manifest, list[str]]:
    """The old manifest with the new start of a stage in it, and what to tell the user.

    Raises:
        BadRun: model, data, settings or seed differ from those the folder was made with.
    """
    stages = [stage] if stage in old.stages else []
    changed = differences(_identity(old, stages), _identity(new, stages))
    if changed:
        name, was, is_now = changed[0]
        more = f" ({len(changed) - 1} more: {', '.join(item[0] for item in changed[1:])})" if changed[1:] else ""
        raise BadRun(
            f"{folder} was made with other settings: {name} was {_short(was)}, is {_short(is_now)} now{more};"
            " use the old settings, or another --out"
        )
    record = new.stages[stage]
    if stage not in old.stages:
        return replace(old, stages={**old.stages, stage: record}), []
    previous = old.stages[stage]
    notes = [
        f"{name} is {is_now}, it was {was} when {folder} was last written"
        for name, was, is_now in differences(_surroundings(previous.starts[-1]), _surroundings(record.starts[0]))
    ]
    return old.with_stage(stage, state="running", starts=(*previous.starts, *record.starts)), notes


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The fields in which two nested mappings differ, as (field, old value, new value), sorted by field.

    A field inside a mapping is named "outer.inner"; one that a side lacks has the value `NOT_SET` there.
    """
    found: list[tuple[str, Any, Any]] = []
    for name in sorted(old.keys() | new.keys()):
        was, is_now = old.get(name, NOT_SET), new.get(name, NOT_SET)
        if isinstance(was, Mapping) and isinstance(is_now, Mapping):
            found += [(f"{name}.{inner}", *values) for inner, *values in differences(was, is_now)]
        elif was != is_now:
            found.append((name, was, is_now))
    return found


def plain(settings: object) -> dict[str, Any]:
    """Settings as plain JSON values: dataclasses become mappings, tuples lists, paths texts.

    Raises:
        BadSetting: a value that JSON does not know (NaN, an object).
    """
    mapping = asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else settings
    if not isinstance(mapping, Mapping):
        raise BadSetting(f"settings are a mapping or a dataclass, not {settings!r}")
    try:
        text = json.dumps(dict(mapping), allow_nan=False, default=_path_or_refuse)
    except (TypeError, ValueError) as error:
        raise BadSetting(f"a setting cannot be stored: {error}") from error
    result: dict[str, Any] = json.loads(text)
    return result


def _path_or_refuse(value: object) -> str:
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise TypeError(f"{value!r} is no plain value")


def _identity(manifest: Manifest, stages: Iterable[str]) -> dict[str, Any]:
    """What decides the numbers. A model is its files; its name counts only where there is no file to hash."""
    names = ("files", "dtype") if manifest.model.get("files") else ("name", "files", "dtype")
    model = {name: manifest.model[name] for name in names} | {"chat": manifest.model.get("chat", False)}
    own = {name: manifest.stages[name] for name in stages}
    settings = {name: {"settings": record.settings, "seed": record.seed} for name, record in own.items()}
    return {"model": model, "data": manifest.data, **settings}


def _surroundings(start: Start) -> dict[str, Any]:
    return {"python": start.python, "device": start.device, **start.versions}


def _short(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _stage_from_json(content: Mapping[str, Any]) -> StageRecord:
    starts = tuple(Start(**{**start, "arguments": tuple(start.get("arguments", ()))}) for start in content["starts"])
    return StageRecord(**{**content, "starts": starts, "counts": Counts(**content["counts"])})


def _start(command: str, device: str, extent: Mapping[str, Any]) -> Start:
    return Start(
        time=now(),
        command=command,
        device=device,
        python=platform.python_version(),
        platform=platform.platform(),
        versions=_versions(),
        git=git_state(Path.cwd()),
        extent=extent,
        arguments=arguments(),
        directory=str(Path.cwd()) if arguments() else "",
    )


@cache
def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def git_state(folder: Path) -> dict[str, object] | None:
    """The commit of the repository around a folder and whether tracked files differ from it; None without."""

    def ask(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()

    try:
        return {
            "commit": ask("rev-parse", "HEAD"),
            "dirty": bool(ask("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None

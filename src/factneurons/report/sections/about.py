"""What was asked of which model: what the manifest says, in the order a reader wants it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from factneurons.report import text
from factneurons.report.reading import LeftOut, Reading
from factneurons.runs.manifest import StageRecord
from factneurons.runs.reading import positions_of


@dataclass(frozen=True, slots=True)
class StageLine:
    """One stage: what it does, how far it came, and how it was started last.

    Attributes:
        name: its name.
        what: what it does, in words.
        state: in words.
        finished: whether it is done.
        done: facts with results.
        settings: setting -> value, nested ones as outer.inner; of the last start where starts may differ.
        seed: of its random draws.
        command: the command line.
        time, device, python, platform: of the last start.
        versions: package -> version.
        git: the commit of the working directory, and whether files differed from it; empty without one.
    """

    name: str
    what: str
    state: str
    finished: bool
    done: int
    settings: Mapping[str, str]
    seed: int
    command: str
    time: str
    device: str
    python: str
    platform: str
    versions: Mapping[str, str]
    git: str


@dataclass(frozen=True, slots=True)
class About:
    """What was asked of which model.

    Attributes:
        model: its name.
        properties: label -> value, of the model, the data and the method.
        languages: the languages with most facts, and how many these are; `more_languages` are not named.
        files: file of the model -> sha256.
        stages: in the order they were run.
        read, askable, done: counts of the facts that were read.
        left_out: what was left out, by stage and reason.
        created: when the run was made, UTC.
        layers: how many layers the model has, as far as the run tells.
    """

    model: str
    properties: Mapping[str, str]
    languages: Sequence[tuple[str, int]]
    more_languages: int
    files: Mapping[str, str]
    stages: tuple[StageLine, ...]
    read: int
    askable: int
    done: int
    left_out: tuple[LeftOut, ...]
    created: str
    layers: int

    @property
    def unfinished(self) -> tuple[StageLine, ...]:
        """The stages that are not done."""
        return tuple(stage for stage in self.stages if not stage.finished)


_NAMED_LANGUAGES = 20
_LABELS: Mapping[str, tuple[str, ...]] = {
    "Family": ("family", "architecture", "model_type"),
    "Kind": ("kind",),
    "Asked through its chat template": ("chat",),
    "Layers": ("layers", "layer_count"),
    "Neurons per layer": ("width", "neurons_per_layer"),
    "Number format": ("dtype",),
}
"""What the manifest may say of the model, under any of these names."""


def about(reading: Reading) -> About:
    """What the manifest and the counts say."""
    manifest = reading.run.manifest
    counts = reading.counts.get("locate")
    languages = sorted(Counter(reading.facts["language"].tolist()).items(), key=lambda item: (-item[1], item[0]))
    return About(
        model=str(manifest.model.get("name", "")),
        properties=_properties(reading),
        languages=languages[:_NAMED_LANGUAGES],
        more_languages=len(languages[_NAMED_LANGUAGES:]),
        files={str(name): str(digest) for name, digest in manifest.model.get("files", {}).items()},
        stages=tuple(_stage(name, record, reading) for name, record in manifest.stages.items()),
        read=counts.read if counts else 0,
        askable=counts.askable if counts else 0,
        done=counts.done if counts else 0,
        left_out=tuple(reading.left_out),
        created=manifest.created,
        layers=reading.layers,
    )


def _properties(reading: Reading) -> dict[str, str]:
    manifest = reading.run.manifest
    found = {}
    for label, names in _LABELS.items():
        value = next((manifest.model[name] for name in names if name in manifest.model), None)
        if value is not None:
            found[label] = str(value)
    if reading.layers:
        found.setdefault("Layers", str(reading.layers))
    facts = reading.facts
    return {
        **found,
        "Facts from": str(manifest.data.get("spec", "")),
        "SHA-256 of the data": str(manifest.data.get("sha256", "")),
        "Relations": f"{facts['relation'].nunique():,}",
        "Method": ", ".join(sorted({str(method) for method in facts["method"]})),
        "Positions": positions_of(reading.run),
    }


def _stage(name: str, record: StageRecord, reading: Reading) -> StageLine:
    start = record.starts[-1]
    git = ""
    if start.git:
        git = str(start.git.get("commit", "")) + (" with changes" if start.git.get("dirty") else "")
    return StageLine(
        name=name,
        what=text.STAGES.get(name, name),
        state=text.STATES.get(record.state, record.state),
        finished=record.state == "done",
        done=reading.counts[name].done,
        settings=_flat({**record.settings, **start.extent}),
        seed=record.seed,
        command=start.command,
        time=start.time,
        device=start.device,
        python=start.python,
        platform=start.platform,
        versions=dict(start.versions),
        git=git,
    )


def _flat(settings: Mapping[str, Any], outer: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{outer}{name}."))
        else:
            flat[f"{outer}{name}"] = "not set" if value is None else str(value)
    return flat

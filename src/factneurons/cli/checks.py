"""What `factneurons verify` looks at: the run itself, its model and its data, as far as they are here."""

from __future__ import annotations

from pathlib import Path

from factneurons.errors import FactneuronsError
from factneurons.facts import load_facts
from factneurons.models.fingerprint import fingerprint
from factneurons.pocket.catalog import POCKET_MODELS, pocket_path
from factneurons.runs import Run, verify


def problems_of(run: Run) -> tuple[list[str], list[str]]:
    """What is wrong with a run, and what could not be checked because it is not here."""
    notes: list[str] = []
    files, sha256 = _model_files(run, notes), _data_sha256(run, notes)
    return verify(run, model_files=files, data_sha256=sha256), notes


def _model_files(run: Run, notes: list[str]) -> dict[str, str] | None:
    name = str(run.manifest.model["name"])
    folder = Path(name).expanduser()
    try:
        if folder.is_dir():
            return fingerprint(folder)
        if name in POCKET_MODELS:
            return fingerprint(pocket_path(name))
    except FactneuronsError as error:
        notes.append(f"the model's files were not checked: {error}")
        return None
    notes.append(f"the model's files were not checked: {name} is no folder here")
    return None


def _data_sha256(run: Run, notes: list[str]) -> str | None:
    try:
        return load_facts(str(run.manifest.data["spec"])).sha256()
    except FactneuronsError as error:
        notes.append(f"the data were not checked: {error}")
        return None

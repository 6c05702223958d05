"""`verify_run`: the run itself, its model and its data, as far as they are here."""

from __future__ import annotations

from pathlib import Path

from factneurons.errors import FactneuronsError
from factneurons.facts.source import load_facts
from factneurons.models.bundled import POCKET_MODELS, pocket_path
from factneurons.models.files import fingerprint
from factneurons.runs.store import Run
from factneurons.runs.verify import verify


def verify_run(run: Run | Path | str) -> tuple[list[str], list[str]]:
    """Whether a run's files, its model and its data are what they were when it was made; as `factneurons verify`.

    Returns:
        what is wrong with it, and what could not be checked because it is not here.

    Raises:
        BadRun: no run, or its manifest is damaged.
    """
    opened = run if isinstance(run, Run) else Run.open(run)
    notes: list[str] = []
    files, sha256 = _model_files(opened, notes), _data_sha256(opened, notes)
    return verify(opened, model_files=files, data_sha256=sha256), notes


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

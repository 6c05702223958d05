"""`factneurons verify`: the run itself, its model and its data, as far as they are here."""

from __future__ import annotations

from pathlib import Path

import typer

from factneurons.cli.console import fail, say, tell
from factneurons.cli.options import RunFolder
from factneurons.errors import FactneuronsError
from factneurons.facts.source import load_facts
from factneurons.models.bundled import POCKET_MODELS, pocket_path
from factneurons.models.fingerprint import fingerprint
from factneurons.runs.store import Run
from factneurons.runs.verify import verify as problems_in


def verify(run: RunFolder) -> None:
    """Check that a run's files, its model and its data are what they were when it was made."""
    opened = Run.open(run)
    problems, notes = problems_of(opened)
    for problem in problems:
        fail(problem)
    for note in notes:
        tell(note)
    if problems:
        raise typer.Exit(2)
    say(f"{run}: every file is as it was written")


def problems_of(run: Run) -> tuple[list[str], list[str]]:
    """What is wrong with a run, and what could not be checked because it is not here."""
    notes: list[str] = []
    files, sha256 = _model_files(run, notes), _data_sha256(run, notes)
    return problems_in(run, model_files=files, data_sha256=sha256), notes


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

"""Does a run still hold what was written? Hashes of its parts, its manifest, the model and the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from factneurons.errors import BadRun
from factneurons.runs.commits import RECORD, Commit, Vanished, commit_folders, undisturbed
from factneurons.runs.counts import Counts
from factneurons.runs.files import sha256_of
from factneurons.runs.manifest import differences, is_untouched
from factneurons.runs.store import MANIFEST, Run


def verify(run: Run, *, model_files: Mapping[str, str] | None = None, data_sha256: str | None = None) -> list[str]:
    """What is wrong with a run, one line each, naming the file; an empty list if nothing is.

    Args:
        run: the run, open for reading or writing.
        model_files: file name -> sha256 of the model as it is now, to be compared with the manifest's.
        data_sha256: hash of the data as they are now, likewise.
    """
    return list(_problems(run, model_files, data_sha256))


def _problems(run: Run, model_files: Mapping[str, str] | None, data_sha256: str | None) -> Iterator[str]:
    if not is_untouched((run.folder / MANIFEST).read_bytes()):
        yield f"{run.folder / MANIFEST}: it was changed after it was written"
    yield from undisturbed(lambda: list(_problems_of_commits(run)))
    if model_files is not None:
        for name, _, _ in differences(run.manifest.model.get("files", {}), model_files):
            yield f"model file {name}: it is not the one the run was made with"
    if data_sha256 is not None and data_sha256 != run.manifest.data["sha256"]:
        yield f"data {run.manifest.data['spec']}: they are not those the run was made with"


def _problems_of_commits(run: Run) -> Iterator[str]:
    counts: dict[str, Counts] = {}
    places: dict[str, list[tuple[int, int]]] = {}
    for _, folder in commit_folders(run.folder):
        try:
            commit = Commit.from_bytes((folder / RECORD).read_bytes(), folder / RECORD)
        except (OSError, BadRun):
            if not folder.exists():
                raise Vanished(f"{folder} was merged with others") from None
            yield f"{folder / RECORD}: it is missing or was changed"
            continue
        counts[commit.stage] = counts.get(commit.stage, Counts()) + commit.counts
        places.setdefault(commit.stage, []).append((commit.number, commit.size))
        yield from _problems_of_parts(commit, folder)
    for stage, record in run.manifest.stages.items():
        gaps = _gaps(places.get(stage, [])) if record.state == "done" else []
        for first, last in gaps:
            yield f"{run.folder}: stage {stage!r} is done, but lacks what was at places {first} to {last} of its data"
        if not gaps and counts.get(stage, Counts()).read < record.counts.read:
            yield f"{run.folder}: stage {stage!r} has fewer facts on disk than its manifest says"


def _gaps(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The first and last places of what is missing between commits, of which number and size are given.

    Of a stage that began before the one it reads was whole, places have moved: nothing is missing where there are as
    many facts as places.
    """
    gaps, following = [], 1
    for number, size in sorted(places):
        if number > following:
            gaps.append((following, number - 1))
        following = max(following, number + size)
    return gaps if sum(size for _, size in places) < following - 1 else []


def _problems_of_parts(commit: Commit, folder: Path) -> Iterator[str]:
    for name, part in commit.parts.items():
        path = folder / f"{name}.parquet"
        if not path.exists():
            yield f"{path}: it is missing"
        elif sha256_of(path) != part.sha256:
            yield f"{path}: it was changed after it was written"
    if not folder.exists():
        raise Vanished(f"{folder} was merged with others")
    known = {RECORD, *(f"{name}.parquet" for name in commit.parts)}
    yield from (f"{inner}: it is no file of this run" for inner in folder.iterdir() if inner.name not in known)

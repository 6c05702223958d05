"""One process's share in the work on a run: it joins the others, and clears away what dead ones left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from factneurons.errors import BadRun
from factneurons.runs.commits import UNFINISHED, clear_unfinished
from factneurons.runs.leases import Leases
from factneurons.runs.probe import check_disk
from factneurons.runs.workers import Worker, Workers


class Share:
    """The right to write into a run, beside others who have it too.

    Attributes:
        name: the worker's name.
        leases: who works on what, and who may touch the manifest.

    Raises:
        BadRun: the disk cannot keep two workers apart.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._worker = Worker(folder)
        try:
            check_disk(folder, self._worker.name)
        except BaseException:
            self._worker.leave()
            raise
        self._workers = Workers(folder)
        self.name = self._worker.name
        self.leases = Leases(folder, self.name, self._workers)

    def join(self, stage: str, extent: Mapping[str, Any]) -> None:
        """Say what this worker is going to do.

        Raises:
            BadRun: another worker is of another version, or does the same stage to another extent.
        """
        self._worker.say(stage=stage, extent=dict(extent), done=0, seconds=0.0, total=None)
        for sign in self._workers:
            says, fault = sign.says, ""
            if sign.name == self.name or "version" not in says:
                continue
            if says["version"] != self._worker.version:
                fault = f"with factneurons {says['version']}, this is {self._worker.version}: use one version"
            elif says.get("stage") == stage and says.get("extent") != dict(extent):
                fault = f"with {_in_words(says['extent'])}, this is with {_in_words(extent)}: use the same"
            if fault and self._workers.beats(sign.name):
                raise BadRun(f"{self._folder} is being worked on by {sign} {fault}, or wait until it is done")

    def doing(self, what: Mapping[str, object]) -> None:
        """Tell the others how far this worker is, with its next sign of life."""
        self._worker.note(what)

    def clear_killed(self) -> list[str]:
        """Take away what killed workers left, and say so; only while nobody else may do the same."""
        notes = []
        for sign in list(self._workers):
            if sign.name != self.name and self._workers.killed(sign.name):
                self.leases.drop(sign.name)
                (self._workers.folder / sign.name).unlink(missing_ok=True)
                notes.append(f"a writer of {self._folder}, {sign}, was killed; what it finished is kept")
        leftovers = clear_unfinished(self._folder, self._is_here)
        if leftovers:
            notes.append(f"{leftovers} half-written files of it were removed")
        return notes

    def _is_here(self, name: str) -> bool:
        """Whether a worker has a file; asked by name, as a network's list of a folder may be an old one."""
        return name == self.name or (self._workers.folder / name).exists()

    def scratch(self, name: str) -> Path:
        """Where this worker may write a file before it appears under its name."""
        return self._folder / UNFINISHED / f"{self.name}.{name}"

    def leave(self) -> None:
        """Give up the right to write. Leaving twice does nothing."""
        self._worker.leave()


def _in_words(extent: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in extent.items()) or "no limit"

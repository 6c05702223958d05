"""`--ray`: actors of a Ray cluster give the command, one per device; the run's folder divides the facts among them.

Ray Core starts and places them and notices which are gone. Who works on what is a matter of the run's leases, as among
all workers, so an actor may come, die and be followed by another at any time. This process only waits: it needs no
device, and no memory for a model.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import chdir, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import typer

from factneurons.cli.console import tell
from factneurons.errors import BadSetting, FactneuronsError

_TRIES = 3
"""So often an actor is started at one place; then the place is left alone."""
_LOOK_AGAIN, _PATIENCE, _FAREWELL = 1.0, 30.0, 10.0
"""Seconds: between two looks at the cluster; until it is said that nothing is free; for actors to end by themselves."""


class Ended(NamedTuple):
    """How a command ended: its exit code, and what it said on both streams."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an actor may be: a machine, which of its actors, and what it takes of the machine."""

    node: str
    host: str
    number: int
    cpus: float
    gpus: int


def places(nodes: Iterable[Mapping[str, Any]], workers: int) -> list[Place]:
    """One place per GPU of the cluster; without any, so many per machine, which share its cores.

    Args:
        nodes: as `ray.nodes()` lists them.
        workers: places per machine without GPUs.
    """
    living = [node for node in nodes if node["Alive"]]
    spread = any(node["Resources"].get("GPU", 0) >= 1 for node in living)
    found = []
    for node in living:
        cpus, gpus = node["Resources"].get("CPU", 0.0), int(node["Resources"].get("GPU", 0))
        count = gpus if spread else workers if cpus else 0
        share = cpus / max(1, count)
        share = float(int(share)) if share >= 1 else share
        found += [
            Place(node["NodeID"], node["NodeManagerHostname"], number, share, int(spread)) for number in range(count)
        ]
    return found


class Giver:
    """The actor: gives the command on its machine."""

    def give(self, arguments: Sequence[str], directory: str) -> Ended:
        """Give it in this directory, where there is one of this name."""
        from factneurons.cli import main

        out, err, code = StringIO(), StringIO(), 0
        there = chdir(directory) if Path(directory).is_dir() else nullcontext()
        with redirect_stdout(out), redirect_stderr(err), there:
            try:
                main(list(arguments))
            except SystemExit as end:
                code = int(end.code or 0)
        return Ended(code, out.getvalue(), err.getvalue())


def give_on(address: str, workers: int, arguments: Sequence[str]) -> None:
    """Have a command given by actors of a cluster until it is done, and print what it says.

    Args:
        address: of the cluster: HOST:PORT, ray://HOST:PORT, "auto" (the one this machine belongs to), or "local" (one
            of this machine alone, for as long as the command lasts).
        workers: actors per machine, where the cluster has no GPUs.
        arguments: what stands after `factneurons`.

    Raises:
        BadSetting: Ray is not installed, or there is no cluster at the address.
        FactneuronsError: every actor failed; what they had finished is kept.
    """
    ray = _connected(address)
    try:
        ended = _Crew(ray, workers, arguments).work()
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped: everything finished is kept; run the same command again to go on") from None
    finally:
        ray.shutdown()
    for line in ended.err.splitlines():
        if line.startswith("warning: "):
            tell(line)
    sys.stdout.write(ended.out)
    if ended.code:
        raise typer.Exit(ended.code)


def _connected(address: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what goes wrong is said here, in one line
    try:
        ray = import_module("ray")
    except ImportError:
        raise BadSetting('--ray: Ray is not installed: pip install "factneurons[cluster]"') from None
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadSetting(f"--ray: no Ray cluster answers at {address!r}: {reason}") from error
    return ray


def _knock(address: str) -> None:
    """Fail at once where nobody listens: Ray itself would wait for minutes, and write lines of its own.

    Raises:
        OSError: nobody answers at HOST:PORT.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_FAREWELL).close()


class _Crew:
    """The actors of one command."""

    def __init__(self, ray: Any, workers: int, arguments: Sequence[str]) -> None:
        self._ray, self._workers, self._arguments = ray, workers, [*arguments, "--workers", "1", "--ray", ""]
        self._at_work: dict[Any, tuple[Place, Any]] = {}
        self._tries: Counter[Place] = Counter()
        self._faults: list[str] = []

    def work(self) -> Ended:
        """Start actors wherever there is a place, also on machines that come later, until one has done it."""
        waited = 0.0
        while True:
            self._start_missing()
            if not self._at_work:
                raise FactneuronsError([*self._faults, "--ray: the cluster has no machine to work on"][0])
            done, _ = self._ray.wait(list(self._at_work), timeout=_LOOK_AGAIN)
            for task in done:
                ended = self._outcome(task)
                if ended is not None:
                    self._ray.wait(list(self._at_work), num_returns=len(self._at_work), timeout=_FAREWELL)
                    return ended
            waited += _LOOK_AGAIN
            if waited == _PATIENCE and not self._somebody_works():
                tell("--ray: nothing in the cluster is free yet; waiting")

    def _start_missing(self) -> None:
        strategies = self._ray.util.scheduling_strategies
        taken = {place for place, _ in self._at_work.values()}
        for place in places(self._ray.nodes(), self._workers):
            if place in taken or self._tries[place] == _TRIES:
                continue
            self._tries[place] += 1
            strategy = strategies.NodeAffinitySchedulingStrategy(place.node, soft=False)
            needs = {"num_cpus": place.cpus, "num_gpus": place.gpus, "scheduling_strategy": strategy}
            actor = self._ray.remote(Giver).options(**needs).remote()
            self._at_work[actor.give.remote(self._arguments, os.getcwd())] = place, actor

    def _outcome(self, task: Any) -> Ended | None:
        """How an actor ended, if the command is done by that."""
        place, _ = self._at_work.pop(task)
        try:
            ended: Ended = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            fault = f"a worker on {place.host} is gone ({type(error).__name__})"
            tell(f"{fault}; what it was at is done by others")
        else:
            if ended.code in (0, 1):
                return ended
            self._tries[place] = _TRIES
            fault = (ended.err.strip().splitlines() or [f"exit code {ended.code}"])[-1].removeprefix("error: ")
            if fault not in self._faults:
                tell(f"a worker on {place.host} ended before the work did: {fault}")
        self._faults.append(fault)
        return None

    def _somebody_works(self) -> bool:
        free, whole = self._ray.available_resources(), self._ray.cluster_resources()
        return any(free.get(name, 0.0) < whole.get(name, 0.0) for name in ("CPU", "GPU"))

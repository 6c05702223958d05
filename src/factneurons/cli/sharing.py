"""Commands that several processes do together: `--workers` starts more of them, `again` gives a run's command anew.

A worker has no rights that the run's folder could give it: only commands that have --workers are given again, they
write into this folder only, and a model's own code runs, or its pickle is read, only if this worker's command says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import IO, Any

import typer
from typer.main import get_command

from factneurons.cli.cluster import give_on
from factneurons.cli.console import tell
from factneurons.errors import BadRun
from factneurons.runs.command import arguments, made_by

_WORKERS = "So many processes of this machine divide the facts, one per GPU where there are several."
_RAY = (
    "A Ray cluster divides the facts, one worker per GPU, or --workers of them on each machine where there are no "
    "GPUs: auto, local, or HOST:PORT."
)


def shared(command: Callable[..., None]) -> Callable[..., None]:
    """The command with --workers and --ray: other processes give it too, and the work on the run is divided."""

    @wraps(command)
    def run(*, workers: int = 1, ray: str = "", **given: Any) -> None:
        if ray:
            give_on(ray, workers, arguments())
            return
        chosen = given.get("device") is not None or given.get("device_map") is not None
        with _company(workers, spread=not chosen) if workers > 1 else nullcontext():
            command(**given)

    own = signature(command, eval_str=True)
    count, address = typer.Option(1, min=1, max=1024, help=_WORKERS), typer.Option("", metavar="ADDRESS", help=_RAY)
    parameters = [
        *own.parameters.values(),
        Parameter("workers", Parameter.KEYWORD_ONLY, default=count, annotation=int),
        Parameter("ray", Parameter.KEYWORD_ONLY, default=address, annotation=str),
    ]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    vars(run)["__signature__"] = own.replace(parameters=parameters)
    return run


def again(given: Sequence[str], folder: Path, application: Callable[[str], typer.Typer], **changes: object) -> None:
    """Give a run's command once more, for the run in this folder.

    Args:
        given: the arguments of the command that was given first.
        folder: the run's folder, as it is called here.
        application: of the name of a command.
        changes: the values of other parameters.

    Raises:
        BadRun: it is no command that several processes can do together.
    """
    refused = BadRun(f"{folder}: no other worker can join {' '.join(given)[:200]!r}")
    name, *rest = given
    if name in ("worker", "suite"):  # a suite's folder holds runs
        raise refused
    command: Any = getattr(get_command(application(name)), "commands", {}).get(name)
    while rest and hasattr(command, "commands"):
        name, *rest = rest
        command = command.commands.get(name)
    own = {each.name for each in getattr(command, "params", ())}
    place = own & {"out", "run"}
    if "workers" not in own or len(place) != 1:
        raise refused
    with command.make_context(name, list(rest)) as context, made_by(given):
        context.params.update({name: value for name, value in changes.items() if name in own})
        context.params.update({place.pop(): folder, "workers": 1, "ray": ""})
        command.invoke(context)


@contextmanager
def _company(workers: int, *, spread: bool) -> Iterator[None]:
    """Others that give the same command; they end when this process ends, after the batches that they are at."""
    devices = _share_machine(workers) if spread else []
    others = [_start(devices[number % len(devices)] if devices else "") for number in range(1, workers)]
    try:
        yield
    except BaseException:
        for process, _ in others:
            process.terminate()
        raise
    finally:
        try:
            for process, _ in others:
                process.wait()
        finally:
            for process, _ in others:
                process.kill()
    for process, said in others:
        if process.returncode:
            tell(f"worker process {process.pid} ended before the work did: {_why(process.returncode, said)}")


def _share_machine(workers: int) -> list[str]:
    """Give this process its share of the processor's cores, and say which GPUs there are."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:  # others take it from here
        os.environ["OMP_NUM_THREADS"] = str(max(1, torch.get_num_threads() // workers))
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]


def _start(device: str) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """One process more, out of reach of Ctrl-C, which this process passes on; and what it says."""
    said = tempfile.TemporaryFile()  # noqa: SIM115 (read when the process has ended)
    environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": device} if device else {})}
    command = [sys.executable, "-m", "factneurons", *arguments(), "--workers", "1"]
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(
        command, stdin=nothing, stdout=nothing, stderr=said, env=environment, start_new_session=True
    )
    return process, said


def _why(code: int, said: IO[bytes]) -> str:
    if code < 0:
        return f"it was killed by signal {-code}; what it was at was done by others"
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else f"exit code {code}"

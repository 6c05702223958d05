"""Imports everything once, then forks a process for every command that it reads.

One line in, {"folder": ..., "arguments": [...], "threads": ...}; two lines out: the child's process id at once, and
when it has ended its exit code, or minus the number of the signal that killed it, and the most memory it had. The
child's output goes to FOLDER/out and FOLDER/err, and the names of what it opened to write, made, moved or removed to
FOLDER/touched.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch

from factneurons.cli import main

CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}


def watch(path: Path) -> None:
    """From now on write down what this process touches; a hook of this kind cannot be taken away."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and bool(int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if writes or event in CHANGES:
            names = arguments[:2] if event in ("os.rename", "os.link", "os.symlink") else arguments[:1]
            place = (
                arguments[1] if event in ("os.remove", "os.rmdir") else -1
            )  # rmtree names what is in a folder it has open
            inside = os.readlink(f"/proc/self/fd/{place}") if isinstance(place, int) and place >= 0 else ""
            for name in names:
                if not isinstance(name, int):
                    whole = os.path.abspath(os.path.join(inside, os.fsdecode(name)))
                    os.write(log, json.dumps(whole).encode() + b"\n")

    sys.addaudithook(hook)


def child(folder: Path, arguments: list[str], threads: int) -> None:
    code = 70  # an exception got out
    try:
        torch.set_num_threads(threads)
        for name, descriptor in (("out", 1), ("err", 2)):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), descriptor)
        watch(folder / "touched")
        main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    torch.set_num_threads(1)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(Path(request["folder"]), request["arguments"], request["threads"])
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status, used = os.wait4(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)} {used.ru_maxrss}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()

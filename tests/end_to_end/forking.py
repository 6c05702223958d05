"""Imports everything once, then forks a process for every command that it reads.

One line in, {"folder": ..., "arguments": [...]}; two lines out: the child's process id at once, and when it has
ended its exit code, or minus the number of the signal that killed it. The child's output goes to FOLDER/out and
FOLDER/err.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch

from factneurons.cli import main


def child(folder: Path, arguments: list[str]) -> None:
    code = 70  # an exception got out
    try:
        for name, descriptor in (("out", 1), ("err", 2)):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), descriptor)
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
            child(Path(request["folder"]), request["arguments"])
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()

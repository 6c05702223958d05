"""The command line: parses, calls the rooms below, prints. No science in it."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: with 2 and one line after bad input, with 130 after Ctrl-C.

    Args:
        arguments: what stands after the program's name; None: what this process was started with.
    """
    _open_what_is_closed()
    # Must be set before PyTorch is imported. Threads that wait by spinning make work several times slower as
    # soon as anything else runs on the machine; waiting asleep costs little. Anyone may set it otherwise.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from factneurons.cli.app import run

    run(sys.argv[1:] if arguments is None else arguments)


def _open_what_is_closed() -> None:
    """Give a process that was started without a standard stream (`>&-`) an empty one.

    Else the next file that is opened would be the stream's: a table could be written into, or Python have no stream.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w", closefd=False, encoding="utf-8"))  # noqa: SIM115

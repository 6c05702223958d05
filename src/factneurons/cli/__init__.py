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
    # Must be set before PyTorch is imported. Threads that wait by spinning make work several times slower as
    # soon as anything else runs on the machine; waiting asleep costs little. Anyone may set it otherwise.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from factneurons.cli.app import run

    run(sys.argv[1:] if arguments is None else arguments)

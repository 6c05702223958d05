"""The command line: parses, calls the rooms below, prints. No science in it."""

from factneurons.cli.app import main

__all__ = ["main"]

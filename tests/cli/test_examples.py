from __future__ import annotations

import shlex
from importlib import import_module

from factneurons.cli.app import COMMANDS
from factneurons.cli.examples import shown

EXAMPLES = {
    name: lines
    for command in COMMANDS.values()
    for name, lines in import_module(f"factneurons.cli.{command.module}").EXAMPLES.items()
}


def test_every_example_is_a_line_of_its_own():
    assert shown(["factneurons verify a", "factneurons verify b"]).splitlines() == [
        "\b",
        "Examples:",
        "  factneurons verify a",
        "  factneurons verify b",
    ]


def test_the_same_folder_is_written_by_one_kind_of_command():
    written = {}
    for name, examples in EXAMPLES.items():
        for example in examples:
            words = shlex.split(example)
            if "--out" in words:
                written.setdefault(words[words.index("--out") + 1], set()).add(name.split()[0])
    assert {folder: names for folder, names in written.items() if len(names) > 1} == {}

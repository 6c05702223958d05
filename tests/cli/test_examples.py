from __future__ import annotations

import shlex

import pytest

from factneurons.cli.examples import EXAMPLES, shown


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_of_their_command_and_stand_under_its_help(name):
    for example in EXAMPLES[name]:
        words = shlex.split(example)
        assert words[:1] + words[1 : 1 + len(name.split())] == ["factneurons", *name.split()]
        assert f"\n  {example}" in shown(name)


def test_the_same_folder_is_written_by_one_kind_of_command():
    written = {}
    for name, examples in EXAMPLES.items():
        for example in examples:
            words = shlex.split(example)
            if "--out" in words:
                written.setdefault(words[words.index("--out") + 1], set()).add(name.split()[0])
    assert {folder: names for folder, names in written.items() if len(names) > 1} == {}

"""The bundled models give the golden numbers, and the lowest versions that are declared are those that were tried."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

import factneurons as fn
import golden

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", fn.POCKET_MODELS)
def test_the_bundled_models_give_the_golden_numbers(name):
    expected = json.loads(golden.GOLDEN.read_text(encoding="utf-8"))[name]
    sizes = dict(golden.differences(golden.numbers_of(name), expected, name))
    wrong = {place: size for place, size in sizes.items() if size > golden.TOLERANCE}
    assert len(sizes) > len(golden.METHODS)
    assert not wrong, "if the numbers were meant to change: python tests/golden.py"


@pytest.mark.parametrize(
    ("found", "expected", "size"),
    [
        ({"a": 1.0, "b": 0.5}, {"a": 1.0, "b": 0.4}, 0.1),
        ([2.0, 1.0], [2.0, 1.0], 0.0),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "y"}]}, float("inf")),
        ({"0.1": 1.0}, {"0.2": 1.0}, float("inf")),
        ([1.0], [1.0, 2.0], float("inf")),
        (float("nan"), 1.0, float("inf")),
    ],
)
def test_differences(found, expected, size):
    assert max(size for _, size in golden.differences(found, expected)) == pytest.approx(size)


def test_the_lowest_versions_are_those_that_are_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {
        (name.lower(), lowest)
        for entry in [*project["dependencies"], *project["optional-dependencies"]["topology"]]
        for name, lowest in re.findall(r"^([\w-]+)>=([\d.]+)", entry)
    }
    tried = {
        (name, re.sub(r"(\.0)+$", "", pinned))
        for name, pinned in re.findall(r"^([\w-]+)==(\S+)", (ROOT / "constraints-lowest.txt").read_text(), re.MULTILINE)
    }
    assert len(declared) > 10
    assert {(name, re.sub(r"(\.0)+$", "", lowest)) for name, lowest in declared} <= tried

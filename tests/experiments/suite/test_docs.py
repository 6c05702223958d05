"""docs/experiments.md names every experiment as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from factneurons.experiments.suite import EXPERIMENTS

PAGE = Path(__file__).parents[3] / "docs" / "experiments.md"


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_every_experiment_is_in_the_table(experiment):
    line = f"| {experiment.id} {experiment.title} | {experiment.question} |"
    assert line in PAGE.read_text(encoding="utf-8").splitlines()

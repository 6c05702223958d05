"""The cells of the suite: what is counted, and that every cell is a claim of its experiment."""

from __future__ import annotations

from collections import Counter

import pytest

from factneurons.errors import BadSetting
from factneurons.experiments.cells import CELLS, GROUPS, SETTINGS, chosen_cells
from factneurons.experiments.suite import EXPERIMENTS


def test_seventeen_cells_of_the_six_settings():
    counts = Counter(cell.group for cell in chosen_cells(["cracking"]))
    assert counts == {
        "acquisition": 5, "attenuation": 2, "enhancement": 2, "overlap": 1, "fine-tuning": 4, "fact-checking": 3
    }  # fmt: skip
    assert tuple(counts) == SETTINGS
    assert {cell.of for cell in CELLS} == set(EXPERIMENTS)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_every_cell_is_a_claim_of_its_experiment(cell):
    assert [claim.text for claim in cell.experiment.claims].count(cell.says) == 1
    assert cell.claim.text == cell.says
    assert cell.experiment.smallest in cell.needs
    assert [each.name for each in CELLS].count(cell.name) == 1


def test_cells_are_chosen_by_framework_group_and_experiment():
    assert chosen_cells() == CELLS
    names = {cell.group for cell in chosen_cells(["robustness", "E10"])}
    assert names == {"attenuation", "enhancement", "fact-checking", "fine-tuning"}
    assert [cell.group for cell in chosen_cells(["overlap"])] == ["overlap"]
    assert all(chosen_cells([group]) for group in GROUPS)
    with pytest.raises(BadSetting, match=r"did you mean 'robustness'"):
        chosen_cells(["robustnes"])

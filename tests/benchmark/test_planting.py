from __future__ import annotations

import pytest

from factneurons.benchmark.planting import planted_models, regimes_of
from factneurons.errors import BadRun
from factneurons.planted.truth import Truth
from factneurons.planted.types import REGIMES


def test_a_planted_model_in_numbers(tiny):
    truth = Truth.load(tiny)
    (found,) = planted_models([tiny])
    assert (found.base, found.seed, found.held) == ("random-gpt2", 0, truth.held)
    assert found.accepted == {"redundant": 1, "single": 1, "interchangeable": 1}
    assert found.rejected == {"single": 1}
    assert found.neurons == sum(len(fact.neurons) for fact in truth.facts)


def test_regimes_come_in_their_usual_order_and_only_those_that_occur(tiny):
    found = regimes_of(planted_models([tiny]))
    assert found == [regime for regime in REGIMES if regime in {"redundant", "single", "interchangeable"}]
    assert regimes_of([]) == []


def test_a_folder_without_a_truth_is_refused(tmp_path):
    with pytest.raises(BadRun):
        planted_models([tmp_path])

"""Other prompts: drawn by the seed, asked at every answer position, with the predictions of the model as it was."""

from __future__ import annotations

import pytest
import torch

from factneurons.planted.holding import Holder, held_numbers, single_targets
from factneurons.planted.passes import Switches
from factneurons.planted.settings import PlantingSettings
from factneurons.planted.widen import widened

SETTINGS = PlantingSettings(background=12)


@pytest.fixture(scope="module")
def model(base, architecture):
    return base(architecture)


@pytest.fixture(scope="module")
def holder(model):
    return Holder(model, SETTINGS)


def test_draws_follow_the_seed_and_the_number(model, holder):
    first, again, other = holder.queries(12, 0), Holder(model, SETTINGS).queries(12, 0), holder.queries(12, 40)
    assert first == again
    assert first != other
    assert len(first) == 12


def test_every_answer_position_is_a_question(model):
    queries = [
        model.query("The capital of Sweden is ___.", answer, multi_mask=True) for answer in ("Rome", "Stockholm on Sea")
    ]
    asked = single_targets(queries, model.kind)
    assert [each.answer_ids[0] for each in asked] == [token for query in queries for token in query.answer_ids]
    logs = model.log_probabilities(asked)
    whole = model.log_probabilities(queries)
    counts = [len(query.answer_ids) for query in queries]
    assert counts[1] > 1
    assert logs[: counts[0]].sum() == pytest.approx(whole[0], abs=1e-4)
    assert logs[counts[0] :].sum() == pytest.approx(whole[1], abs=1e-4)


def test_what_is_held_is_what_the_model_predicted_before(model, holder):
    grown, new = widened(model, 2, seed=0)
    held = holder.draw(grown, Switches([neuron for layer in new for neuron in layer]), 0)
    now = held.passes.predictions(torch.arange(len(held.before)))
    torch.testing.assert_close(now, held.before, atol=1e-4, rtol=1e-4)


def test_numbers_of_an_unchanged_model(model):
    grown, new = widened(model, 2, seed=0)
    numbers = held_numbers(model, grown, [new[0][0]], SETTINGS)
    assert numbers["recall_before"] == numbers["recall_after"] == numbers["recall_without_planted"]
    assert numbers["largest_change"] < 1e-4
    assert numbers["moved_by_a_tenth"] == 0

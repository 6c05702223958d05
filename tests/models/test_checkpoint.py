"""A checkpoint is the whole state of a training, and one of two is whole at any moment."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from factneurons.errors import BadRun
from factneurons.models.checkpoint import TrainingState, load_checkpoint, save_checkpoint


def fresh(seed=0):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    return module, torch.optim.AdamW(module.parameters(), lr=0.1)


def train(module, optimizer, steps):
    for step in range(steps):
        optimizer.zero_grad()
        module(torch.full((2, 3), float(step))).square().sum().backward()
        optimizer.step()


def weights(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_training_goes_on_as_if_it_had_not_stopped(tmp_path):
    module, optimizer = fresh()
    train(module, optimizer, 3)
    save_checkpoint(tmp_path / "c", "key", TrainingState(3, history=[{"loss": 1.5}]), module, optimizer)
    train(module, optimizer, 3)
    other, its = fresh(seed=1)
    state = load_checkpoint(tmp_path / "c", "key", other, its)
    assert (state.step, state.finished, state.history) == (3, False, [{"loss": 1.5}])
    train(other, its, 3)
    assert same(weights(module), weights(other))


def test_without_a_checkpoint_nothing_has_been_done(tmp_path):
    module, optimizer = fresh()
    before = weights(module)
    assert load_checkpoint(tmp_path / "c", "key", module, optimizer) == TrainingState()
    assert same(before, weights(module))


def test_a_newer_checkpoint_takes_the_place_of_the_old_one(tmp_path):
    module, optimizer = fresh()
    for step in (1, 2):
        train(module, optimizer, 1)
        save_checkpoint(tmp_path / "c", "key", TrainingState(step), module, optimizer)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    other, its = fresh()
    assert load_checkpoint(tmp_path / "c", "key", other, its).step == 2
    assert same(weights(module), weights(other))


@pytest.mark.parametrize("killed", ["while it is written", "between the two names"])
def test_a_kill_leaves_the_old_one(killed, tmp_path):
    module, optimizer = fresh()
    train(module, optimizer, 1)
    save_checkpoint(tmp_path / "c", "key", TrainingState(1), module, optimizer)
    shutil.copytree(tmp_path / "c", tmp_path / "c.partial")
    if killed == "while it is written":
        (tmp_path / "c.partial" / "state.json").write_text("{")
    else:
        (tmp_path / "c").rename(tmp_path / "c.old")
    other, its = fresh(seed=1)
    assert load_checkpoint(tmp_path / "c", "key", other, its).step == 1
    save_checkpoint(tmp_path / "c", "key", TrainingState(2, finished=True), other, its)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert load_checkpoint(tmp_path / "c", "key", other, its) == TrainingState(2, finished=True)


def test_another_key_is_refused(tmp_path):
    module, optimizer = fresh()
    save_checkpoint(tmp_path / "c", "key", TrainingState(1), module, optimizer)
    with pytest.raises(BadRun, match="another recipe or other facts"):
        load_checkpoint(tmp_path / "c", "other", module, optimizer)

"""A task has one holder at a time, is taken over from the dead, and is never lost, whatever comes after what."""

from __future__ import annotations

import random

import pytest

from factneurons.runs.commits import UNFINISHED
from factneurons.runs.leases import LEASES, Leases, holders


class Living:
    """Workers of which the test says who lives."""

    def __init__(self):
        self.dead = set()

    def lives(self, name):
        return name not in self.dead


@pytest.fixture
def folder(tmp_path):
    for name in (LEASES, UNFINISHED):
        (tmp_path / name).mkdir()
    return tmp_path


def test_a_dead_holder_is_followed_and_its_late_return_is_noticed(folder):
    living = Living()
    first, second, third = (Leases(folder, name, living) for name in ("one", "two", "three"))
    lease = first.take("locate-1")
    assert second.take("locate-1") is None
    assert second.take("locate-2") is not None
    living.dead.add("one")
    taken = second.take("locate-1")
    assert third.take("locate-1") is None
    assert taken.held()
    assert not lease.held()
    lease.give_back()  # it wakes up: what is another's stays
    assert taken.held()
    taken.give_back()
    assert [holder for _, holder in holders(folder)] == ["two"]
    second.drop("two")
    assert list(holders(folder)) == []


@pytest.mark.parametrize("seed", range(5))
def test_of_the_living_only_one_ever_holds_a_task(folder, seed):
    living, generator = Living(), random.Random(seed)
    names = [f"worker-{place}" for place in range(5)]
    held = {}
    for _ in range(300):
        name, task = generator.choice(names), generator.choice("ab")
        if name in living.dead:
            living.dead.discard(name)  # it wakes up, and gives back what it had
            for lease in held.pop(name, {}).values():
                lease.give_back()
        elif generator.random() < 0.2:
            living.dead.add(name)
        elif task in held.get(name, {}):
            held[name].pop(task).give_back()
        elif (lease := Leases(folder, name, living).take(task)) is not None:
            held.setdefault(name, {})[task] = lease
        for each in "ab":
            owners = [owner for owner in names if owner not in living.dead and each in held.get(owner, {})]
            assert len(owners) <= 1
            assert all(held[owner][each].held() for owner in owners)

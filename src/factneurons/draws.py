"""Draws by a name, of which a seed may be part: the same whatever else was drawn, and whatever the order of things.

rank(name)              a place in a random order: sort by it, or take the first ones
random_numbers(name)    a generator of one name's own
as_number(name)         the name as a number, to seed a generator by together with others
bounded_sample          at most so many items of every group, from a stream
"""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Callable, Hashable, Iterable
from operator import itemgetter
from typing import TypeVar

import numpy as np

_Item = TypeVar("_Item")


def rank(name: str) -> str:
    """Where a name stands in a random order of all names."""
    return hashlib.sha256(name.encode()).hexdigest()


def random_numbers(name: str) -> np.random.Generator:
    """Random numbers of this name's own."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))


def as_number(name: str) -> int:
    """The name as one number, different for every name."""
    return int.from_bytes(name.encode(), "big")


def bounded_sample(
    items: Iterable[_Item], *, name: Callable[[_Item], str], group: Callable[[_Item], Hashable], most: int
) -> list[_Item]:
    """The items of smallest rank, at most `most` of every group; no more than these are held in memory.

    Args:
        items: the items, in any order.
        name: what an item is ranked by.
        group: what items are counted by.
        most: how many are kept per group.
    """
    kept: dict[Hashable, list[tuple[str, _Item]]] = {}
    for item in items:
        own = kept.setdefault(group(item), [])
        insort(own, (rank(name(item)), item), key=itemgetter(0))
        del own[most:]
    return [item for own in kept.values() for _, item in own]

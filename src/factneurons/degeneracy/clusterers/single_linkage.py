"""The single-linkage tree of a distance matrix: which clusters form and merge while a radius grows.

In: distances, some of them infinite. Out: every cluster with its birth and its death.

This is zero-dimensional persistent homology with the clusters kept. Distances that are equal merge at one
moment, so the tree has one node where a binary tree would have several in an arbitrary order, and it does
not depend on the order of the points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from factneurons.errors import BadNumber, BadSetting
from factneurons.models.types import FloatArray, IntArray

_Edge = tuple[float, int, int]


@dataclass(frozen=True, slots=True)
class Tree:
    """A forest over the points 0..n-1: nodes 0..n-1 are the points, the clusters follow by rising birth.

    Attributes:
        birth: [nodes], the distance at which a node formed; 0 for points.
        death: [nodes], the distance at which it merged into a larger one; `r_max` for roots.
        parent: [nodes], the node it merged into; -1 for roots.
        children: the nodes that merged into each node; empty for points.
        order: [n], the points in an order in which every node is one slice.
        start, stop: [nodes], that slice.
        r_max: the radius at which growth stops.
    """

    birth: FloatArray
    death: FloatArray
    parent: IntArray
    children: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    start: IntArray
    stop: IntArray
    r_max: float

    @property
    def points(self) -> int:
        """How many points there are."""
        return len(self.order)

    @property
    def clusters(self) -> range:
        """The nodes of two and more points, by rising birth: children come before their parents."""
        return range(self.points, len(self.birth))

    @property
    def roots(self) -> tuple[int, ...]:
        """The nodes that never merge: one per connected part of the finite distances."""
        return tuple(int(node) for node in np.nonzero(self.parent < 0)[0])

    def size(self, node: int) -> int:
        """How many points a node holds."""
        return int(self.stop[node] - self.start[node])

    def members(self, node: int) -> tuple[int, ...]:
        """The points that a node holds, sorted."""
        return tuple(sorted(self.order[self.start[node] : self.stop[node]]))

    def merges(self) -> FloatArray:
        """The distances at which two parts became one, sorted: the finite deaths of H0, with multiplicity."""
        counts = [len(self.children[node]) - 1 for node in self.clusters]
        return np.repeat(self.birth[self.points :], counts)


def single_linkage(distances: FloatArray, *, r_max: float | None = None) -> Tree:
    """The tree of all clusters that form while a radius grows from 0 to `r_max`.

    Args:
        distances: [n, n], symmetric, not negative, 0 on the diagonal; infinite: never joined directly.
        r_max: the radius at which growth stops; None: twice the largest finite merge.

    Raises:
        BadSetting: a matrix that is not square and symmetric with zeros on its diagonal.
        BadNumber: a distance that is negative or NaN.
    """
    check_distances(distances)
    edges = sorted(edge for edge in spanning_forest(distances) if r_max is None or edge[0] <= r_max)
    births, children = _merge(len(distances), edges)
    if r_max is None:
        r_max = 2.0 * max(births, default=0.0)
    return _tree(len(distances), births, children, r_max)


def spanning_forest(distances: FloatArray) -> Iterator[_Edge]:
    """A minimum spanning forest by Prim's rule: always add the point nearest to those that are in.

    Yields (distance, point, point): at these distances the clusters of the tree form.
    """
    count = len(distances)
    outside = np.ones(count, dtype=bool)
    nearest = np.full(count, np.inf)
    link = np.zeros(count, dtype=np.int64)
    for _ in range(count):
        point = int(np.argmin(np.where(outside, nearest, np.inf)))
        if not outside[point]:
            point = int(np.argmax(outside))
        if np.isfinite(nearest[point]):
            yield float(nearest[point]), int(link[point]), point
        outside[point] = False
        closer = outside & (distances[point] < nearest)
        nearest[closer] = distances[point][closer]
        link[closer] = point


def _merge(count: int, edges: Sequence[_Edge]) -> tuple[list[float], list[tuple[int, ...]]]:
    """Kruskal's rule on sorted edges: births and children of all clusters, equal distances as one merge."""
    above = list(range(count))
    node_of = list(range(count))

    def top(point: int) -> int:
        while above[point] != point:
            above[point] = above[above[point]]
            point = above[point]
        return point

    births: list[float] = []
    children: list[tuple[int, ...]] = []
    for distance, group in groupby(edges, key=lambda edge: edge[0]):
        pairs = [(top(first), top(second)) for _, first, second in group]
        touched = sorted({point for pair in pairs for point in pair})
        for first, second in pairs:
            above[top(first)] = top(second)
        joined: dict[int, list[int]] = {}
        for point in touched:
            joined.setdefault(top(point), []).append(node_of[point])
        for point, nodes in joined.items():
            node_of[point] = count + len(births)
            births.append(distance)
            children.append(tuple(sorted(nodes)))
    return births, children


def _tree(count: int, births: list[float], children: list[tuple[int, ...]], r_max: float) -> Tree:
    birth = np.concatenate([np.zeros(count), np.array(births, dtype=np.float64)])
    offspring = ((),) * count + tuple(children)
    parent = np.full(len(birth), -1, dtype=np.int64)
    sizes = np.ones(len(birth), dtype=np.int64)
    for node in range(count, len(birth)):
        parent[list(offspring[node])] = node
        sizes[node] = sizes[list(offspring[node])].sum()
    start = np.zeros(len(birth), dtype=np.int64)
    free = 0
    for node in range(len(birth) - 1, -1, -1):
        if parent[node] < 0:
            start[node] = free
            free += sizes[node]
        position = start[node]
        for child in offspring[node]:
            start[child] = position
            position += sizes[child]
    order = tuple(np.argsort(start[:count]).tolist())
    death = np.where(parent < 0, r_max, birth[parent])
    return Tree(birth, death, parent, offspring, order, start, start + sizes, r_max)


def check_distances(distances: FloatArray) -> None:
    """Refuse what is no matrix of distances.

    Raises:
        BadSetting: a matrix that is not square and symmetric with zeros on its diagonal.
        BadNumber: a distance that is negative or NaN.
    """
    if distances.ndim != 2 or distances.shape[0] != distances.shape[1]:
        raise BadSetting(f"distances: a square matrix is needed, not one of shape {distances.shape}")
    if np.isnan(distances).any() or (distances < 0).any():
        raise BadNumber("distances: every one is 0 or more; one is negative or NaN")
    if np.diagonal(distances).any() or not np.array_equal(distances, distances.T):
        raise BadSetting("distances: the matrix is symmetric with zeros on its diagonal; this one is not")

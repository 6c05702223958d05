"""Neurological topology clustering: which groups of a fact's neurons hold together longest as a radius grows.

In: the distances of a fact's neurons. Out: clusters that become the candidates for its components, and the
barcode of all clusters.

A radius R grows from 0, and neurons closer than R join ('Cracking Factual Knowledge', ACL 2025). A cluster
is born when it forms and dies when it merges into a larger one; persistence = death - birth. Disjoint
clusters of the greatest total persistence are chosen, and those that live too briefly are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from factneurons.degeneracy.clusterers.base import Cluster, Clustering, Context
from factneurons.degeneracy.clusterers.single_linkage import Tree, single_linkage
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.errors import BadNumber
from factneurons.models.types import FloatArray


def ntc(context: Context, settings: DegeneracySettings) -> Clustering:
    """Neurological topology clustering of n points.

    Candidates are the clusters of at least `min_size` points that do not hold all points. Walking each
    tree from its leaves to its root, a candidate is kept if its persistence is at least the sum of what
    is kept below it. Of the kept ones, those below tau1 are dropped. With `cover="all"`, every cluster
    left then grows to the largest one that holds no other, and what belongs to none stands for itself.

    Args:
        context: the distances are read.
        settings: min_size, persistence, r_max, tau1, tau1_rule and cover are read.

    Raises:
        BadNumber: `persistence="log"` and a distance of 0 between two points.
    """
    tree = single_linkage(context.distances, r_max=settings.r_max)
    if tree.points < 2 * settings.smallest:
        return Clustering((), _barcode(tree, []), "too-few-neurons")
    persistence = _LIVES[settings.persistence](tree)
    candidates = [node for node in tree.clusters if settings.smallest <= tree.size(node) < tree.points]
    chosen = _greatest_total(tree, persistence, candidates)
    lasting = _lasting(persistence, chosen, candidates, settings)
    parts = _COVERS[settings.cover](tree, lasting) if len(lasting) > 1 else lasting
    clusters = sorted((_cluster(tree, node) for node in parts), key=lambda cluster: cluster.members)
    return Clustering(tuple(clusters), _barcode(tree, lasting), _reason(tree, chosen, lasting))


def _reason(tree: Tree, chosen: list[int], lasting: list[int]) -> str:
    if not tree.clusters:
        return "no-finite-distance"
    if len(chosen) < 2:
        return "one-cluster"
    return "below-tau1" if len(lasting) < 2 else ""


def _linear(tree: Tree) -> FloatArray:
    return tree.death - tree.birth


def _log(tree: Tree) -> FloatArray:
    if tree.clusters and tree.birth[tree.points] == 0:
        raise BadNumber('persistence = "log" needs distances above 0; two neurons have distance 0')
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(tree.death) - np.log(tree.birth)


_LIVES: dict[str, Callable[[Tree], FloatArray]] = {"linear": _linear, "log": _log}
"""Persistence of every node; what it says of single points is not used."""


def _greatest_total(tree: Tree, persistence: FloatArray, candidates: list[int]) -> list[int]:
    """Disjoint candidates whose persistences add up to most; of equal choices, the larger clusters."""
    best = np.zeros(len(persistence))
    kept: set[int] = set()
    able = set(candidates)
    for node in tree.clusters:
        best[node] = math.fsum(best[child] for child in tree.children[node])
        if node in able and 0 < persistence[node] >= best[node]:
            best[node] = persistence[node]
            kept.add(node)
    chosen: list[int] = []
    covered = np.zeros(len(persistence), dtype=bool)
    for node in reversed(tree.clusters):
        above = tree.parent[node]
        covered[node] = above >= 0 and (covered[above] or above in kept)
        if node in kept and not covered[node]:
            chosen.append(node)
    return chosen


def _lasting(
    persistence: FloatArray, chosen: list[int], candidates: list[int], settings: DegeneracySettings
) -> list[int]:
    if not chosen:
        return []
    threshold = _THRESHOLDS[settings.tau1_rule](settings.tau1, persistence[chosen], persistence[candidates])
    return [node for node in chosen if persistence[node] >= threshold]


_THRESHOLDS: dict[str, Callable[[float, FloatArray, FloatArray], float]] = {
    "fraction": lambda tau1, chosen, _candidates: tau1 * float(chosen.max()),
    "absolute": lambda tau1, _chosen, _candidates: tau1,
    "quantile": lambda tau1, _chosen, candidates: float(np.quantile(candidates, tau1)),
}


def _partition(tree: Tree, chosen: list[int]) -> list[int]:
    """The largest nodes that hold at most one chosen cluster: they hold every point exactly once."""
    held = np.zeros(len(tree.birth), dtype=np.int64)
    held[chosen] = 1
    for node in tree.clusters:
        held[node] += sum(int(held[child]) for child in tree.children[node])
    return [
        node
        for node in range(len(tree.birth))
        if held[node] <= 1 and (tree.parent[node] < 0 or held[tree.parent[node]] > 1)
    ]


_COVERS: dict[str, Callable[[Tree, list[int]], list[int]]] = {
    "chosen": lambda _tree, chosen: chosen,
    "all": _partition,
}


def _cluster(tree: Tree, node: int, *, chosen: bool = True) -> Cluster:
    return Cluster(tree.members(node), float(tree.birth[node]), float(tree.death[node]), chosen)


def barcode_of(distances: FloatArray, r_max: float | None) -> tuple[Cluster, ...]:
    """Every cluster of the single-linkage tree of n points, [n, n] distances; none is chosen."""
    return _barcode(single_linkage(distances, r_max=r_max), [])


def _barcode(tree: Tree, chosen: list[int]) -> tuple[Cluster, ...]:
    marked = set(chosen)
    bars = [_cluster(tree, node, chosen=node in marked) for node in tree.clusters]
    return tuple(sorted(bars, key=lambda bar: (bar.birth, bar.death, bar.members)))


_AUTHORS_FINITE = 100.0
_AUTHORS_DISTANCE_QUANTILE = 0.2
_AUTHORS_FRACTION_OF_EDGES = 0.5
_AUTHORS_BIRTH_QUANTILE = 0.5


def ntc_authors(context: Context, settings: DegeneracySettings) -> Clustering:
    """The clustering as it was released with 'Cracking Factual Knowledge', for comparison.

    Of the distances below 100, those below their 0.2 quantile are edges. The shorter half of them joins neurons, by
    union-find with union by rank. A neuron is born at its shortest edge of that half, at 0 if it has none. The
    persistence of a cluster is the longest edge, of both halves, - the birth of the neuron that is the root of its
    tree, and clusters stay whose persistence is above the median of all births. This compares a duration with a
    birth and lets every cluster die at the same distance; `ntc` does neither.

    Args:
        context: the distances are read.
        settings: min_size is read.
    """
    distances = context.distances
    count = len(distances)
    rows, columns = np.triu_indices(count, 1)
    lengths = distances[rows, columns]
    finite = lengths[lengths < _AUTHORS_FINITE]
    if len(finite) == 0:
        return Clustering((), (), "too-few-neurons" if count < 2 else "no-finite-distance")
    edges = np.flatnonzero(lengths < np.quantile(finite, _AUTHORS_DISTANCE_QUANTILE))
    edges = edges[np.argsort(lengths[edges], kind="stable")]
    joining = edges[: math.floor(_AUTHORS_FRACTION_OF_EDGES * len(edges))]
    if len(joining) == 0:
        return Clustering((), (), "one-cluster")
    births, roots = _by_rank(count, [(int(rows[e]), int(columns[e]), float(lengths[e])) for e in joining])
    longest = float(lengths[edges[-1]])
    most_born = float(np.quantile(births, _AUTHORS_BIRTH_QUANTILE))
    bars = []
    for root in sorted(set(roots)):
        members = tuple(place for place, own in enumerate(roots) if own == root)
        if len(members) >= settings.smallest:
            birth = float(births[root])
            bars.append(Cluster(members, birth, longest, chosen=longest - birth > most_born))
    bars.sort(key=lambda bar: bar.members)
    clusters = tuple(bar for bar in bars if bar.chosen)
    return Clustering(clusters, tuple(bars), "" if len(clusters) > 1 else "one-cluster")


def _by_rank(count: int, edges: list[tuple[int, int, float]]) -> tuple[FloatArray, list[int]]:
    """Births, and the root of every point's tree, after joining edges from the shortest; of equal ranks the second."""
    parent, rank, births = list(range(count)), [0] * count, np.zeros(count)

    def top(point: int) -> int:
        while parent[point] != point:
            point = parent[point]
        return point

    joined: set[int] = set()
    for first, second, length in edges:
        below, above = top(first), top(second)
        if below == above:
            continue
        births[[point for point in (first, second) if point not in joined]] = length
        joined.update((first, second))
        if rank[below] > rank[above]:
            below, above = above, below
        parent[below] = above
        rank[above] += rank[below] == rank[above]
    return births, [top(point) for point in range(count)]

"""Loops in the distances of a fact's neurons: alternative routes from one neuron to another.

In: distances. Out: the loops that form while a radius grows, born when the ring closes and dead when triangles
fill it. This is the one-dimensional persistent homology of the distance graph (its flag complex), as clusters are
the zero-dimensional one. Needs the extra `topology`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from factneurons.degeneracy.clusterers.single_linkage import check_distances
from factneurons.errors import BadSetting
from factneurons.models.types import FloatArray


@dataclass(frozen=True, slots=True)
class Loops:
    """The loops of one distance matrix.

    Attributes:
        birth: [loops], the distance at which each loop closed, rising.
        death: [loops], the distance at which it was filled; `r_max` where it never was.
        r_max: the radius at which growth stopped.
    """

    birth: FloatArray
    death: FloatArray
    r_max: float

    @property
    def count(self) -> int:
        """How many loops there are that live longer than a moment."""
        return len(self.birth)

    @property
    def total_persistence(self) -> float:
        """The sum of death - birth, in units of distance."""
        return math.fsum(self.death - self.birth)


def find_loops(distances: FloatArray, *, r_max: float | None = None) -> Loops:
    """The loops that form while a radius grows from 0 to `r_max`.

    Args:
        distances: [n, n], symmetric, not negative, 0 on the diagonal; infinite: never joined directly.
        r_max: the radius at which growth stops; None: twice the largest finite distance, so that a loop which
            nothing can fill has a life, too.

    Raises:
        BadSetting: gudhi is not installed, or a matrix that is not square and symmetric with zeros on its diagonal.
        BadNumber: a distance that is negative or NaN.
    """
    try:
        import gudhi
    except ImportError:
        raise BadSetting("loops need an extra: pip install 'factneurons[topology]'") from None

    check_distances(distances)
    finite = distances[np.isfinite(distances)]
    if r_max is None:
        r_max = 2.0 * float(finite.max(initial=0.0))
    # Missing pairs lie just beyond the radius, as the complex takes no infinite distances.
    bounded = np.where(np.isfinite(distances), distances, 2.0 * r_max + 1.0)
    tree = gudhi.RipsComplex(distance_matrix=bounded, max_edge_length=r_max).create_simplex_tree(max_dimension=1)
    tree.collapse_edges()
    tree.expansion(2)
    tree.compute_persistence(persistence_dim_max=True)  # without a triangle, loops are of the highest dimension
    found = np.asarray(tree.persistence_intervals_in_dimension(1), dtype=np.float64).reshape(-1, 2)
    found[:, 1] = np.minimum(found[:, 1], r_max)
    found = found[found[:, 1] > found[:, 0]]
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    return Loops(found[:, 0], found[:, 1], r_max)

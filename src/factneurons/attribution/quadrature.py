"""Quadrature rules on [0, 1]: where a path is sampled and how the samples are weighed.

The papers use Riemann sums of 5 to 20 points. A smooth integrand wants Gauss nodes: 8 Gauss-Legendre nodes
are exact for polynomials up to degree 15. Gauss-Radau nodes include the path's start, so the value there,
which completeness needs, comes free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from factneurons.models.types import FloatArray
from factneurons.settings import check_choice, check_number

ADAPTIVE = "adaptive"
ADAPTIVE_LEVELS = (5, 12, 24, 48, 96, 192)
"""Radau nodes that `adaptive` spends on a layer: the first for all, each next where completeness still fails."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Nodes and weights on [0, 1].

    Attributes:
        name: the rule's name.
        nodes: [n], from 0 (the baseline) to 1 (the activation).
        weights: [n]; they sum to 1.
    """

    name: str
    nodes: FloatArray
    weights: FloatArray


Nodes = tuple[FloatArray, FloatArray]


def _equal(nodes: FloatArray) -> Nodes:
    return nodes, np.full(len(nodes), 1.0 / len(nodes))


def _gauss_legendre(n: int) -> Nodes:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1.0) / 2.0, weights / 2.0


def _radau(n: int) -> Nodes:
    """Gauss-Radau with the node 0: the other nodes are the roots of (P_{n-1} + P_n) / (1 + x)."""
    if n == 1:
        return np.zeros(1), np.ones(1)
    series = np.zeros(n + 1)
    series[n - 1 :] = 1.0
    roots = np.sort(np.polynomial.legendre.legroots(series).real)
    roots[0] = -1.0
    values = np.polynomial.legendre.legval(roots, np.eye(n)[n - 1])
    weights = (1.0 - roots) / (n**2 * values**2)
    weights[0] = 2.0 / n**2
    return (roots + 1.0) / 2.0, weights / 2.0


def _trapezoid(n: int) -> Nodes:
    check_number("points of the rule 'trapezoid'", n, whole=True, least=2)
    weights = np.full(n, 1.0 / (n - 1))
    weights[[0, -1]] /= 2.0
    return np.linspace(0.0, 1.0, n), weights


_RULES: dict[str, tuple[Callable[[int], Nodes], int]] = {
    "gauss_legendre": (_gauss_legendre, 8),
    "radau": (_radau, 8),
    "left": (lambda n: _equal(np.arange(n) / n), 20),
    "right": (lambda n: _equal((np.arange(n) + 1.0) / n), 20),
    "inclusive": (lambda n: _equal(np.linspace(0.0, 1.0, n)), 20),
    "midpoint": (lambda n: _equal((np.arange(n) + 0.5) / n), 20),
    "trapezoid": (_trapezoid, 20),
}
RULES: tuple[str, ...] = (ADAPTIVE, *_RULES)
"""The names of all rules; the first is the default."""


@cache
def quadrature(name: str, points: int | None = None) -> Rule:
    """A rule by name.

    Args:
        name: "gauss_legendre", "radau" (Gauss nodes with the start), "left" (k/n from 0), "right" (k/n from 1),
            "inclusive" (n points from 0 to 1, each weighing 1/n, as a well-known package does), "midpoint",
            "trapezoid".
        points: how many nodes; None for the rule's default (8 for Gauss rules, 20 for the others).

    Raises:
        BadSetting: an unknown name or fewer than one point.
    """
    check_choice("rule", name, _RULES)
    make, default = _RULES[name]
    count = default if points is None else points
    check_number("points", count, whole=True, least=1)
    nodes, weights = make(count)
    return Rule(name, nodes, weights)

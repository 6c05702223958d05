"""Rules are what their names say: weights sum to 1, Gauss rules are exact for polynomials as far as they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import roots_jacobi

from factneurons.attribution.quadrature import ADAPTIVE, ADAPTIVE_LEVELS, RULES, quadrature
from factneurons.errors import BadSetting

FIXED = [name for name in RULES if name != ADAPTIVE]
DEGREE = {"gauss_legendre": lambda n: 2 * n - 1, "radau": lambda n: 2 * n - 2, "midpoint": lambda n: 1}
DEGREE["trapezoid"] = DEGREE["midpoint"]


def fewest(name):
    return 2 if name == "trapezoid" else 1


def test_every_rule_is_there():
    assert set(RULES) == {
        "adaptive", "gauss_legendre", "radau", "left", "right", "inclusive", "midpoint", "trapezoid"
    }  # fmt: skip
    assert RULES[0] == "adaptive"


@settings(deadline=None)
@given(st.sampled_from(FIXED), st.integers(2, 60))
def test_weights_sum_to_1_and_nodes_are_in_order_on_the_path(name, count):
    rule = quadrature(name, count)
    assert (len(rule.nodes), len(rule.weights)) == (count, count)
    assert rule.weights.sum() == pytest.approx(1.0, abs=1e-11)
    assert (rule.weights > 0).all()
    assert (np.diff(rule.nodes) > 0).all()
    assert rule.nodes[0] >= 0
    assert rule.nodes[-1] <= 1


@settings(deadline=None)
@given(st.sampled_from(list(DEGREE)), st.integers(2, 24), st.lists(st.floats(-10, 10), min_size=1, max_size=48))
def test_polynomials_are_integrated_exactly_up_to_the_promised_degree(name, count, coefficients):
    coefficients = np.array(coefficients[: DEGREE[name](count) + 1])
    rule = quadrature(name, count)
    found = rule.weights @ np.polynomial.polynomial.polyval(rule.nodes, coefficients)
    true = (coefficients / np.arange(1, len(coefficients) + 1)).sum()
    assert found == pytest.approx(true, abs=1e-10)


@pytest.mark.parametrize("name", ["gauss_legendre", "radau"])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_and_no_further(name, count):
    """One degree more is missed, by a known amount at most: the promise is not more than is kept."""
    degree = DEGREE[name](count) + 1
    rule = quadrature(name, count)
    missed = abs(rule.weights @ rule.nodes**degree - 1 / (degree + 1))
    assert missed > 0.1 * 16.0**-count


@pytest.mark.parametrize("count", ADAPTIVE_LEVELS)
def test_radau_starts_at_the_baseline(count):
    """Its other nodes are the roots of the Jacobi polynomial for the weight 1 + x."""
    rule = quadrature("radau", count)
    assert rule.nodes[0] == 0.0
    np.testing.assert_allclose(rule.nodes[1:], (roots_jacobi(count - 1, 0, 1)[0] + 1) / 2, atol=1e-13)
    degrees = np.arange(2 * count - 1)
    moments = (rule.weights[:, None] * rule.nodes[:, None] ** degrees).sum(0)
    np.testing.assert_allclose(moments, 1 / (degrees + 1), rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("name", "nodes", "weights"),
    [
        ("left", [0, 0.25, 0.5, 0.75], [0.25] * 4),
        ("right", [0.25, 0.5, 0.75, 1], [0.25] * 4),
        ("inclusive", [0, 1 / 3, 2 / 3, 1], [0.25] * 4),
        ("midpoint", [0.125, 0.375, 0.625, 0.875], [0.25] * 4),
        ("trapezoid", [0, 1 / 3, 2 / 3, 1], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
    ],
)
def test_riemann_rules(name, nodes, weights):
    rule = quadrature(name, 4)
    np.testing.assert_allclose(rule.nodes, nodes, atol=1e-15)
    np.testing.assert_allclose(rule.weights, weights, atol=1e-15)
    assert (rule.nodes[0] == 0.0, rule.nodes[-1] == 1.0) == (nodes[0] == 0, nodes[-1] == 1)


def test_two_and_three_gauss_nodes():
    np.testing.assert_allclose(quadrature("gauss_legendre", 2).nodes, 0.5 + np.array([-1, 1]) / np.sqrt(12))
    np.testing.assert_allclose(quadrature("radau", 2).nodes, [0, 2 / 3])
    np.testing.assert_allclose(quadrature("radau", 2).weights, [1 / 4, 3 / 4])
    assert quadrature("radau", 1).nodes.tolist() == [0.0]


@pytest.mark.parametrize("name", FIXED)
def test_default_points(name):
    expected = 8 if name in ("gauss_legendre", "radau") else 20
    assert len(quadrature(name).nodes) == expected
    assert np.array_equal(quadrature(name).nodes, quadrature(name, expected).nodes)


@pytest.mark.parametrize("name", ["gauss_legendre", "radau"])
def test_error_of_a_smooth_function_falls_with_points(name):
    errors = [
        abs(r.weights @ np.exp(2 * r.nodes) - (np.exp(2) - 1) / 2) for r in (quadrature(name, n) for n in (2, 4, 6))
    ]
    assert errors[0] > 100 * errors[1] > 10_000 * errors[2]


class TestBadInput:
    def test_unknown_rule(self):
        with pytest.raises(BadSetting, match=r"^rule is 'simpson': it must be one of: gauss_legendre, "):
            quadrature("simpson")

    @pytest.mark.parametrize("count", [0, -3])
    @pytest.mark.parametrize("name", FIXED)
    def test_too_few_points(self, name, count):
        with pytest.raises(BadSetting, match=f"^points is {count}: it must be at least 1$"):
            quadrature(name, count)

    def test_a_trapezoid_has_two_ends(self):
        with pytest.raises(BadSetting, match=r"^points of the rule 'trapezoid' is 1: it must be at least 2$"):
            quadrature("trapezoid", 1)

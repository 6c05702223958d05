"""How numbers are written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.report import numbers
from factneurons.statistics import Interval

FINITE = st.floats(-1e9, 1e9)


def of(low, high):
    return Interval((low + high) / 2, low, high, 3, 3, 0, 0.95)


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        (numbers.count, 1234567, "1,234,567"),
        (numbers.half, 14.0, "14"),
        (numbers.half, 8.5, "8.5"),
        (numbers.half, 1204.0, "1,204"),
        (numbers.percent, 0.1234, "12.3%"),
        (numbers.percent, 0.0, "0.0%"),
        (numbers.percent, 1.0, "100.0%"),
        (numbers.percent, 0.00123, "0.12%"),
        (numbers.whole_percent, 0.755, "76%"),
        (numbers.change, -0.4321, "−43.2%"),
        (numbers.change, 0.5, "+50.0%"),
        (numbers.change, 0.0, "0.0%"),
        (numbers.change, -0.00001, "0.00%"),
        (numbers.change, 123.4, "+12,340%"),
        (numbers.change, None, "–"),
        (numbers.loss, 0.25, "−25.0%"),
        (numbers.loss, -0.25, "+25.0%"),
        (numbers.loss, None, "–"),
        (numbers.points, -0.421, "−42.1 points"),
        (numbers.probability, 0.8734, "0.873"),
        (numbers.probability, 0.99999, ">0.999"),
        (numbers.probability, 1.0, "1.000"),
        (numbers.probability, 0.0, "0"),
        (numbers.probability, 2.13e-5, "2.1×10⁻⁵"),
        (numbers.p_value, 0.0099, "0.010"),
        (numbers.p_value, 0.0001, "<0.001"),
        (numbers.plain, 0.012345, "0.0123"),
        (numbers.plain, 4.5678, "4.57"),
        (numbers.plain, 45.678, "45.7"),
        (numbers.plain, 1234.5, "1,234"),
        (numbers.plain, -0.5, "−0.500"),
        (numbers.plain, 8.1e-4, "8.1×10⁻⁴"),
        (numbers.plain, math.inf, "–"),
        (numbers.signed, -0.566, "−0.57"),
        (numbers.signed, 0.001, "0.00"),
        (numbers.change_range, of(-0.45, 0.02), "[−45.0%, +2.0%]"),
        (numbers.loss_range, of(0.2, 0.3), "[−30.0%, −20.0%]"),
        (numbers.points_range, of(-0.45, -0.4), "[−45.0, −40.0]"),
        (numbers.percent_range, of(0.741, 0.816), "[74.1%, 81.6%]"),
        (numbers.plain_range, of(0.512, 0.634), "[0.512, 0.634]"),
        (numbers.change_range, of(-math.inf, math.inf), "[one subject: no interval]"),
        (numbers.date, "2026-01-31T09:05:59+00:00", "2026-01-31 09:05 UTC"),
        (numbers.date, "<b>yesterday</b>", "<b>yesterday</b>"),
    ],
)
def test_examples(written, value, expected):
    assert written(value).replace("\N{NO-BREAK SPACE}", " ") == expected


def parsed(text):
    return float(text.replace("−", "-").replace(",", "").rstrip("%"))


@given(FINITE)
def test_a_change_is_written_within_its_last_digit(value):
    text = numbers.change(value)
    assert abs(parsed(text) - 100 * value) <= max(0.5001, abs(value) * 1e-9) if abs(value) >= 10 else 0.0501
    assert "-" not in text
    assert parsed(text) == 0 or text[0] == ("+" if value > 0 else "−")


@given(st.floats(1e-3, 1e6, exclude_max=True))
def test_a_number_is_written_with_three_figures(value):
    assert parsed(numbers.plain(value)) == pytest.approx(value, rel=5.1e-3)


@given(st.floats(0, 1))
def test_a_probability_is_never_rounded_to_0_or_1(value):
    text = numbers.probability(value)
    assert (text == "0") == (value == 0)
    assert (text == "1.000") == (value == 1)

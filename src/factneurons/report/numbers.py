"""How numbers are written: rounded to what they are worth, with a true minus sign."""

from __future__ import annotations

import math
from collections.abc import Callable

from factneurons.statistics import Interval

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
"""Stands where there is no number."""

_NO_BREAK = "\N{NO-BREAK SPACE}"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def count(value: int) -> str:
    """A whole number with thousands separators: 12,345."""
    return _signed(f"{int(value):,}")


def half(value: float) -> str:
    """A count, or the mean of two counts: one decimal where it is not whole: 14, 8.5, 1,204."""
    return _signed(f"{value:,.1f}".removesuffix(".0"))


def percent(share: float | None) -> str:
    """A share as a percentage: 0.1234 is 12.3%."""
    if share is None or not math.isfinite(share):
        return NOTHING
    return f"{_signed(_fixed(100 * share, _decimals(100 * share)))}%"


def whole_percent(share: float) -> str:
    """A share as a whole percentage: 0.75 is 75%."""
    return f"{100 * share:.0f}%"


def change(share: float | None) -> str:
    """A relative change with its sign: -0.1234 is −12.3%, 0.5 is +50.0%."""
    if share is None or not math.isfinite(share):
        return NOTHING
    return f"{_plus(100 * share, _decimals(100 * share))}%"


def loss(share: float | None) -> str:
    """The change that a relative loss is: a loss of 0.25 is −25.0%."""
    return change(None if share is None else -share)


def points(share: float | None) -> str:
    """A difference between two shares, in percentage points: −41.0 points."""
    if share is None or not math.isfinite(share):
        return NOTHING
    return f"{_plus(100 * share, _decimals(100 * share))} points"


def probability(value: float | None) -> str:
    """A probability: three decimals, or a power of ten below 0.001."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    if value < 0.001:
        return scientific(value)
    return f"{value:.3f}" if value < 0.9995 or value == 1 else ">0.999"


def p_value(value: float | None) -> str:
    """A p-value: three decimals."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def plain(value: float | None) -> str:
    """Any number with three significant figures: 0.0123, 4.57, 1,230."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    if abs(value) < 0.001 or abs(value) >= 1e6:
        return scientific(value)
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return _signed(_fixed(value, decimals))


def signed(value: float | None) -> str:
    """Any number with its sign and two decimals: +0.12."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return _plus(value, 2)


def scientific(value: float) -> str:
    """A number with a power of ten: 2.1×10⁻⁵."""
    digits, exponent = f"{value:.1e}".split("e")
    return _signed(f"{digits}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}")


def percent_range(interval: Interval) -> str:
    """The ends of an interval of shares: [74.1%, 81.6%]."""
    return written_range(interval, percent)


def change_range(interval: Interval) -> str:
    """The ends of an interval of relative changes: [−45.1%, −41.0%]."""
    return written_range(interval, change)


def loss_range(interval: Interval) -> str:
    """The ends of an interval of losses, as changes."""
    return written_range(Interval(-interval.estimate, -interval.high, -interval.low, 0, 0, 0, interval.level), change)


def points_range(interval: Interval) -> str:
    """The ends of an interval of differences between shares: [−43.1, −38.9]."""
    return written_range(interval, lambda share: points(share).removesuffix(" points"))


def plain_range(interval: Interval) -> str:
    """The ends of an interval of plain numbers: [0.512, 0.634]."""
    return written_range(interval, plain)


def with_range(interval: Interval, written: Callable[[float], str]) -> str:
    """A number with the ends of its interval: −43.2% [−45.1%, −41.0%]."""
    return f"{written(interval.estimate)} {written_range(interval, written)}"


def in_line(interval: Interval, written: Callable[[float], str], alone: str = "") -> str:
    """A number with its interval on a terminal: 0.93 [0.90, 0.96]; `alone` follows where there is no interval."""
    if not math.isfinite(interval.low):
        return f"{written(interval.estimate)} {alone}".rstrip()
    return f"{written(interval.estimate)} [{written(interval.low)}, {written(interval.high)}]"


def written_range(interval: Interval, written: Callable[[float], str]) -> str:
    """The ends of an interval, each written so."""
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return "[one subject: no interval]"
    return f"[{written(interval.low)},{_NO_BREAK}{written(interval.high)}]"


def _decimals(percentage: float) -> int:
    size = abs(percentage)
    return 0 if size >= 1000 else 1 if size >= 1 or size == 0 else 2


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def _plus(value: float, decimals: int) -> str:
    text = _fixed(value, decimals)
    return _signed(text) if text.startswith("-") or not text.strip("0.,") else f"+{text}"


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


def date(time: str) -> str:
    """A time in UTC to the minute: 2026-01-31 09:05 UTC; what is no such time is returned as it is."""
    day, mark, rest = time.partition("T")
    return f"{day} {rest[:5]} UTC" if mark and rest.endswith("+00:00") else time

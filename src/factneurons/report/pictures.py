"""Small pictures as SVG paths: numbers only, so that thousands of them stay light and need no script."""

from __future__ import annotations

from collections.abc import Mapping

STEP, HEIGHT = 4, 16
"""Units of a layer across, and of the largest count upwards."""

_NAMED_LAYERS = 3


def strip_path(counts: Mapping[int, int]) -> str:
    """A bar per layer as high as its count: the `d` of a path in a view of (STEP * layers) x HEIGHT units.

    Args:
        counts: layer -> how many neurons lie in it.
    """
    largest = max(counts.values(), default=0)
    bars = []
    for layer, count in sorted(counts.items()):
        if count > 0:
            top = HEIGHT - max(2, round(HEIGHT * count / largest))
            bars.append(f"M{STEP * layer} {HEIGHT}V{top}h{STEP - 1}V{HEIGHT}z")
    return "".join(bars)


def strip_words(counts: Mapping[int, int]) -> str:
    """The same in words: the fullest layers first."""
    ordered = sorted((item for item in counts.items() if item[1] > 0), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"layer {layer}: {count}" for layer, count in ordered[:_NAMED_LAYERS])
    rest = sum(count for _, count in ordered[_NAMED_LAYERS:])
    return f"{named}, others: {rest}" if rest else named

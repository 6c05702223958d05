"""The path of a strip: a bar per layer that has neurons, as high as its share of the largest."""

import re

from hypothesis import given
from hypothesis import strategies as st

from factneurons.report.pictures import HEIGHT, STEP, strip_path, strip_words


@given(st.dictionaries(st.integers(0, 100), st.integers(0, 10_000)))
def test_a_bar_per_layer_with_neurons(counts):
    there = {layer: count for layer, count in counts.items() if count}
    bars = re.findall(r"M(\d+) (\d+)V(\d+)h(\d+)V(\d+)z", strip_path(counts))
    assert [int(bar[0]) for bar in bars] == [STEP * layer for layer in sorted(there)]
    for (_, bottom, top, width, end), layer in zip(bars, sorted(there), strict=True):
        assert int(bottom) == int(end) == HEIGHT
        assert int(width) == STEP - 1
        height = HEIGHT * there[layer] / max(there.values())
        assert abs(HEIGHT - int(top) - max(2, height)) <= 0.5
    assert "".join(f"M{a} {b}V{c}h{d}V{e}z" for a, b, c, d, e in bars) == strip_path(counts)


def test_the_words_name_the_fullest_layers_and_count_the_rest():
    assert strip_words({}) == strip_words({3: 0}) == ""
    assert strip_words({2: 5, 0: 7}) == "layer 0: 7, layer 2: 5"
    assert strip_words({0: 1, 1: 4, 2: 4, 5: 2, 6: 1}) == "layer 1: 4, layer 2: 4, layer 5: 2, others: 2"

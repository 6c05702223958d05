"""The picture of a fact: a dot per neuron in its layer's row, and lines for connections and pairs."""

from itertools import pairwise

import pytest

from factneurons.models.types import Neuron
from factneurons.report.sections.picture import MOST_DOTS, ComponentLine, NeuronLine, fact_picture


def line(layer, index, length=50.0, component="", promotes=()):
    return NeuronLine(Neuron(layer, index), 0.01, 0.5, length, component, promotes)


def picture(lines, components=(), pairs=(), connections=(), layers=4, width=300):
    return fact_picture(lines, components, pairs, connections, layers, width)


@pytest.mark.parametrize("layers", [1, 4, 32, 126])
@pytest.mark.parametrize("count", [5, 50, 200])
def test_every_dot_is_in_its_layers_row_and_none_hides_another(layers, count):
    lines = [line(k % layers, k, length=100 - k / 3) for k in range(count)]
    drawn = picture(lines, layers=layers)
    dots = {tuple(map(int, dot.words[1:].split(":")[0].split("."))): dot for dot in drawn.dots}
    assert len(dots) == count
    for dot in drawn.dots:
        assert dot.radius < dot.x < drawn.width - dot.radius + 1e-9
        assert dot.radius < dot.y < drawn.height - dot.radius + 1e-9
        assert ": score 0.0100, in 50% of the prompts" in dot.words
    rows = [[dot for (own, _), dot in dots.items() if own == layer] for layer in range(layers)]
    assert all(
        min(dot.y for dot in below) > max(dot.y for dot in above)
        for below, above in pairwise(row for row in rows if row)
    )
    for row in rows:
        for first, second in pairwise(sorted(row, key=lambda dot: (dot.y, dot.x))):
            assert first.y != second.y or second.x - first.x > first.radius + second.radius
    assert dots[0, 0].radius >= max(dot.radius for dot in drawn.dots)
    assert [layer for _, layer in drawn.labels] == list(range(min(layers, count)))


def test_a_neuron_stands_where_its_index_is():
    drawn = picture([line(0, 0), line(0, 150), line(1, 299), line(1, 298)], layers=2)
    first, middle, before, last = drawn.dots
    assert first.x < 60
    assert middle.x == pytest.approx((30 + drawn.width) / 2, abs=2)
    assert last.x > drawn.width - 20
    assert before.x < last.x


def test_groups_have_colours_and_say_what_they_do():
    components = [
        ComponentLine("B1", True, "", 1, None, None, 0.25, 0.1),
        ComponentLine("B2", True, "", 1, None, None, 0.5, None),
        ComponentLine("C1", False, "", 1, None, None, 0.5, None),
    ]
    lines = [
        line(0, 1, component="B1"),
        line(1, 2, component="B2"),
        line(1, 3, promotes=(" Paris", "<b>")),
        line(1, 4, component="C1"),
    ]
    dots = picture(lines, components, layers=2).dots
    assert [(dot.color, dot.full) for dot in dots] == [(1, True), (2, True), (0, True), (3, False)]
    assert "B1 suppressed: P −25.0%; all other groups suppressed: P −10.0%" in dots[0].words
    assert dots[2].words.endswith("promotes Paris <b>")


def test_connections_are_lines_and_the_stronger_the_thicker():
    def connection(index, to_index, weight):
        return {"layer": 0, "index": index, "to_layer": 2, "to_index": to_index, "weight": weight}

    rows = [connection(1, 2, 0.8), connection(1, 3, 0.2), connection(1, 99, 0.9)]
    drawn = picture([line(0, 1), line(2, 2), line(2, 3)], connections=rows)
    assert [link.words for link in drawn.connections] == [
        "L0.1 to L2.3: weight 0.200",
        "L0.1 to L2.2: weight 0.800",
    ]
    weak, strong = drawn.connections
    assert 0 < weak.width < strong.width
    assert (strong.first, strong.second) == (drawn.dots[0], drawn.dots[1])


def test_pairs_that_prompts_agree_on_are_lines():
    def pair(agreed, *indices):
        neurons = [{"layer": 0, "index": index} for index in indices]
        losses = {"drop_first": 0.1, "drop_second": 0.0, "drop_together": 0.9}
        return {"neurons": neurons, "agreed": agreed, **losses}

    pairs = [pair(True, 1, 2), pair(False, 1, 2), pair(True, 1, 99)]
    drawn = picture([line(0, 1), line(0, 2)], pairs=pairs, layers=1)
    assert [(link.first, link.second) for link in drawn.pairs] == [tuple(drawn.dots)]
    assert drawn.pairs[0].words.endswith("both: −90.0%")


def test_none_and_too_many():
    assert picture([]) is None
    drawn = picture([line(0, k) for k in range(MOST_DOTS + 7)])
    assert len(drawn.dots) == MOST_DOTS
    assert drawn.left_out == 7

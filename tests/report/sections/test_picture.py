"""The picture of a fact: a dot per neuron in its layer's column, apart from the others, and lines for pairs."""

import pytest

from factneurons.models.types import Neuron
from factneurons.report.sections.picture import MOST_DOTS, ComponentLine, NeuronLine, fact_picture


def line(layer, index, length=50.0, component="", promotes=()):
    return NeuronLine(Neuron(layer, index), 0.01, 0.5, length, component, promotes)


@pytest.mark.parametrize("layers", [1, 4, 32, 126])
def test_every_dot_is_in_its_layers_column_and_none_hides_another(layers):
    lines = [line(k % layers, k, length=100 - k / 3) for k in range(200)]
    drawn = fact_picture(lines, [], [], layers)
    cell = drawn.width / layers
    for each, dot in zip(lines, drawn.dots, strict=True):
        assert each.layer * cell <= dot.x <= (each.layer + 1) * cell
        assert 0 < dot.y < drawn.height
        assert dot.words.startswith(f"L{each.layer}.{each.index}: score 0.0100, in 50%")
    assert len({(dot.x, dot.y) for dot in drawn.dots}) == 200
    assert drawn.dots[0].radius >= drawn.dots[-1].radius
    assert len(drawn.labels) <= 16


def test_components_have_colours_and_say_what_they_do():
    components = [
        ComponentLine("B1", True, "", 1, None, None, 0.25, 0.1),
        ComponentLine("B2", True, "", 1, None, None, 0.5, None),
        ComponentLine("C1", False, "", 1, None, None, 0.5, None),
    ]
    lines = [line(0, 1, component="B1"), line(1, 2, component="B2"), line(1, 3, promotes=(" Paris", "<b>"))]
    dots = fact_picture(lines, components, [], 2).dots
    assert [dot.color for dot in dots] == [1, 2, 0]
    assert "B1 suppressed: P −25.0%; all other components suppressed: P −10.0%" in dots[0].words
    assert dots[2].words.endswith("promotes Paris <b>")


def test_pairs_that_prompts_agree_on_are_lines():
    def pair(agreed, *indices):
        neurons = [{"layer": 0, "index": index} for index in indices]
        losses = {"drop_first": 0.1, "drop_second": 0.0, "drop_together": 0.9}
        return {"neurons": neurons, "agreed": agreed, **losses}

    pairs = [pair(True, 1, 2), pair(False, 1, 2), pair(True, 1, 99)]
    drawn = fact_picture([line(0, 1), line(0, 2)], [], pairs, 1)
    assert [(link.first, link.second) for link in drawn.links] == [tuple(drawn.dots)]
    assert drawn.links[0].words.endswith("both: −90.0%")


def test_none_and_too_many():
    assert fact_picture([], [], [], 4) is None
    drawn = fact_picture([line(0, k) for k in range(MOST_DOTS + 7)], [], [], 4)
    assert len(drawn.dots) == MOST_DOTS
    assert drawn.left_out == 7

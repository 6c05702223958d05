"""Values as they are shown: rows of text that say what the numbers say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.asking.types import Answered, Asked, Carrier, Change, NeuronDescription, ServedFact
from factneurons.models.types import Neuron, Written


@pytest.fixture
def found():
    carriers = (
        Carrier(Neuron(2, 7), 0.3, 1, 1.5, 0.4, Written((" Paris",), ("the",)), 1),
        Carrier(Neuron(0, 1), 0.1, 2, -0.5, 0.8, None, None),
    )
    changes = (Change("suppress", 0.2, "Rome", (0.1, 0.7, 0.9)), Change("enhance", 0.9, "Paris", (0.4, 0.8, 0.95)))
    answer = Asked("Paris", (" Par", "is"), 0.8, 1)
    return Answered("m", 3, 24, "It is ___.", "Paris", answer, None, None, "joint", "probability", carriers, changes)


def test_layers_are_shown_from_the_last_to_the_first(found):
    layers = list(found.parts())[1]
    assert layers.title == "2 of 24 neurons carry it (joint)"
    assert [row[0] for row in layers.rows] == ["2", "1", "0"]
    assert [row[2:] for row in layers.rows] == [("75%", "1", "7"), ("", "", ""), ("25%", "1", "1")]
    assert found.shares == pytest.approx((0.25, 0, 0.75))


def test_random_draws_count_only_where_they_move_the_same_way(found):
    suppressed, doubled = list(found.parts())[2].rows
    assert suppressed[1:] == ("0.200", "-75.0%", "0.567 (0.100 to 0.900)", "1 of 3", "Rome")
    assert doubled[4] == "1 of 3"


def test_neurons_that_are_not_shown_are_counted(found):
    shown = list(found.parts(most=1))[3]
    assert shown.rows == (("2.7", "0.300", "0.400", "1", "Paris", "the"),)
    assert shown.note.startswith("1 more neurons are not shown.")
    assert list(found.parts())[3].rows[1][3:] == ("-", "-", "-")


def test_a_number_that_is_none_is_null(found):
    assert replace(found, log_ratio=float("inf")).to_dict()["log_ratio"] is None


def test_relations_are_counted_the_most_first():
    served = tuple(ServedFact(str(n), "en", name, 0.1, 1) for n, name in enumerate(["a", "b", "b"]))
    described = NeuronDescription("m", Neuron(0, 0), None, "weak", serves=served, facts=3, rank=1, neurons=5)
    assert list(described.relations.items()) == [("b", 2), ("a", 1)]
    (part,) = described.parts()
    assert (part.title, part.note) == ("It serves 3 of 3 facts: place 1 of their 5 neurons", "By relation: b 2, a 1.")
    assert "weak" in described._repr_html_()

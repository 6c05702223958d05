"""What an experiment measures, as plain values."""

from factneurons.experiments.types import Measured


def test_a_number_without_a_place_is_of_the_whole_fact():
    assert Measured("amig", "change", 0.5) == Measured("amig", "change", 0.5, place="")

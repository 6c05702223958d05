"""The table of what experiments measure."""

from factneurons.experiments.tables import MEASUREMENTS
from factneurons.experiments.types import Measured, MeasuredFact
from factneurons.facts.types import Fact, Prompt


def test_every_number_is_a_row():
    fact = Fact("capital/france", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),))
    found = MeasuredFact("E1", fact, (Measured("amig", "change", 0.5), Measured("random for amig", "change", 0, "zh")))
    assert MEASUREMENTS.frame([found, MeasuredFact("E1", fact, ())]).to_numpy().tolist() == [
        ["capital/france", "en", "capital", "France", "E1", "amig", "change", "", 0.5],
        ["capital/france", "en", "capital", "France", "E1", "random for amig", "change", "zh", 0.0],
    ]

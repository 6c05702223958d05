"""The conditions by name."""

from factneurons.factcheck.conditions import CONDITIONS, HEADLINE


def test_names():
    assert set(HEADLINE) <= set(CONDITIONS)
    assert CONDITIONS["random"].by_neurons

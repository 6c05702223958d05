"""The section of one fact: its rows of every table, and nothing of another fact."""

import pytest

from factneurons.report.reading import read
from factneurons.report.sections.facts import sections_of
from factneurons.runs.store import Run


@pytest.fixture(scope="module")
def reading(whole_run):
    return read(Run.open(whole_run), 30)


@pytest.fixture(scope="module")
def sections(reading):
    return sections_of(reading)


def test_there_is_one_per_fact_in_their_order(reading, sections):
    assert [each.number for each in sections] == list(range(1, len(reading.facts) + 1))
    assert [(each.row["fact_id"], each.row["language"]) for each in sections] == reading.shown


def test_neurons_are_sorted_and_the_rest_is_counted(sections):
    for each in sections:
        scores = [neuron.score for neuron in each.neurons]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) + each.more_neurons == each.row["neurons"]
        assert all(0 <= neuron.length <= 100 for neuron in each.neurons)


def test_a_prompt_that_was_not_asked_says_why(sections):
    lines = [line for each in sections for line in each.prompts]
    left_out = [line for line in lines if line.probability is None]
    assert left_out
    assert {line.reason for line in left_out} == {"blank not at end"}
    assert all(line.reason == "" for line in lines if line.probability is not None)


def test_components_come_first_and_their_neurons_are_marked(sections):
    for each in sections:
        passes = [line.passes for line in each.components]
        assert passes == sorted(passes, reverse=True)
        named = {line.name for line in each.components}
        assert {neuron.component for neuron in each.neurons} <= named | {""}

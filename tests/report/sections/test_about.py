"""What the manifest and the counts say."""

import pytest

from factneurons.report.reading import read
from factneurons.report.sections.about import about
from factneurons.runs.store import Run


@pytest.fixture(scope="module")
def said(whole_run):
    return about(read(Run.open(whole_run), 3))


def test_counts_and_languages(said):
    assert said.model == "pocket-gpt2"
    assert (said.read, said.askable, said.done) == (25, 24, 24)
    assert said.languages == [("en", 12), ("zh", 12)]
    assert said.more_languages == 0


def test_stages_in_their_order_with_flat_settings(said):
    assert [stage.name for stage in said.stages] == ["locate", "test_knowledge", "degenerate", "test_degenerate"]
    assert said.unfinished == ()
    settings = said.stages[0].settings
    assert (settings["attribution.method"], settings["attribution.points"]) == ("amig", "not set")
    assert said.stages[0].what == "find knowledge neurons"


def test_properties_name_the_data_and_the_method(said):
    assert said.properties["Facts from"] == "facts.jsonl"
    assert said.properties["Layers"] == "8"
    assert said.properties["Method"] == "amig"

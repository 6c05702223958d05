"""What a newcomer reads first: the numbers of the findings, and only what was measured."""

from dataclasses import replace

import pytest
from markupsafe import Markup

from factneurons.report import numbers
from factneurons.report.figures import figures_of
from factneurons.report.reading import findings_in, read
from factneurons.report.sections.opening import opening_of, picture_of, tiles_of
from factneurons.runs.store import Run
from factneurons.statistics import Interval


@pytest.fixture(scope="module")
def reading(whole_run):
    return read(Run.open(whole_run), 3)


@pytest.fixture(scope="module")
def findings(reading):
    return findings_in(reading)


def said(reading, findings):
    return [Markup(sentence).striptags() for sentence in opening_of(reading, findings)]


def with_difference(findings, low, high):
    effects = []
    for effect in findings.effects:
        relative = replace(effect.relative, difference=Interval((low + high) / 2, low, high, 24, 12, 0, 0.95))
        effects.append(replace(effect, relative=relative))
    return replace(findings, effects=tuple(effects))


def test_the_example_is_a_prompt_that_was_asked(reading, findings):
    """Not one of a fact's other prompts, which this model may not be able to read."""
    asked = {prompt: key for key, prompts in reading.prompts.items() for prompt in prompts}
    first = opening_of(reading, findings)[0]
    (said,) = [prompt for prompt in asked if f">{Markup.escape(prompt)}</bdi>" in first]
    assert reading.prompts[asked[said]][said] == max(
        value for key, prompts in reading.prompts.items() if key[1] == "en" for value in prompts.values()
    )
    nothing = opening_of(replace(reading, prompts={}), findings)[0]
    assert Markup(nothing).striptags().endswith("sentences to complete.")


def test_five_sentences_four_numbers_one_picture(reading, findings):
    sentences = said(reading, findings)
    assert len(sentences) == 5
    assert "asked for 24 facts" in sentences[0]
    assert f"knows {findings.known} of them" in sentences[1]
    assert numbers.half(findings.neurons.median) in sentences[2]
    share = findings.effect("knowledge", "suppress", "related").relative.value
    assert f"falls by {numbers.percent(-share)} on average" in sentences[3]
    assert f"{findings.degeneracy.having} of {findings.degeneracy.searched}" in sentences[4]
    assert len(tiles_of(findings)) == 4
    assert picture_of(figures_of(reading, findings)).name == "effect_of_suppress"


@pytest.mark.parametrize(
    ("low", "high", "follows"),
    [(-0.5, -0.1, "depends on these neurons more"), (-0.2, 0.1, "is not shown"), (0.1, 0.2, "but less")],
)
def test_what_follows_is_what_the_interval_allows(reading, findings, low, high, follows):
    assert follows in said(reading, with_difference(findings, low, high))[3]


def test_what_was_not_measured_is_said_so(make_run, tmp_path):
    reading = read(Run.open(make_run(tmp_path / "run", stages=("locate",))), 0)
    findings = findings_in(reading)
    sentences = said(reading, findings)
    assert "was not measured" in sentences[3]
    assert "was not searched for" in sentences[4]
    assert len(tiles_of(findings)) == 2
    assert picture_of(figures_of(reading, findings)).name == "neurons_by_layer"
    assert opening_of(reading, replace(findings, asked=0)) == []

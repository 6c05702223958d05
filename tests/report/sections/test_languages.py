"""The section on languages: numbers, charts, and texts that try to become something else."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace

import pytest

from factneurons.attribution.types import KnowledgeNeurons, Measurement
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.multilingual.join import language_independent
from factneurons.multilingual.tables import JOINED, LANGUAGE_EFFECTS
from factneurons.report.drawing import draw, page_specification
from factneurons.report.page import run_report
from factneurons.report.sections.languages import language_figures, languages_of
from factneurons.runs.manifest import DataIdentity, Manifest, ModelIdentity
from factneurons.runs.reading import located_facts
from factneurons.runs.store import Run
from factneurons.tables import rows_of

DRAWS = 3


def manifest(stage, languages):
    settings = {"languages": list(languages), "rule": "intersection", "cuts": dict.fromkeys(languages, 0.0)}
    return Manifest.for_stage(
        stage, settings=settings if stage == "languages" else {"draws": DRAWS}, seed=42, command="factneurons",
        model=ModelIdentity(
            "pocket-gpt2", {"model.safetensors": "ab12" * 16, "config.json": "cd34" * 16}, "float32", "cpu"
        ),
        data=DataIdentity("facts.jsonl", "ef56" * 16),
    )  # fmt: skip


def facts_in(languages, count=4):
    return [
        Fact(f"fact {number}", "capital", f"subject {number}", f"answer {number}", language, (Prompt("a ___"),))
        for number in range(count)
        for language in languages
    ]


def known_of(fact, neurons):
    return KnowledgeNeurons(
        fact, tuple(neurons), (1.0,) * len(neurons), (1.0,) * len(neurons), (), "amig", 0.2, False, 0.8, 1
    )


def joined_run(make_run, folder, languages):
    """A run whose languages share the neuron (3, 7) of every fact but the last, and effects of every set."""
    facts = facts_in(languages)
    make_run(folder, facts=facts, stages=("locate",))
    by_id = defaultdict(list)
    for place, fact in enumerate(facts):
        shared = [] if fact.id == "fact 3" else [Neuron(3, 7)]
        by_id[fact.id].append(known_of(fact, [*shared, Neuron(place % 3, place)]))
    found = language_independent([each for own in by_id.values() for each in own], width=64, languages=tuple(languages))
    with Run.create_or_resume(folder, manifest("languages", languages), "languages") as run:
        for each in found:
            run.commit("languages", [each.fact], rows_of(JOINED, [each]))
        run.set_state("languages", "done")
    with Run.create_or_resume(folder, manifest("test_languages", languages), "test_languages") as run:
        for fact in facts:
            run.commit("test_languages", [fact], rows_of([LANGUAGE_EFFECTS], effects_on(fact, languages)))
        run.set_state("test_languages", "done")
    return folder


def effects_on(fact, languages):
    """Shared neurons halve P(answer), those of the language take nine tenths, all others a tenth."""
    for neurons, of in (("shared", ""), *(("language", language) for language in languages)):
        left = {"": 0.5, fact.language: 0.1}.get(of, 0.9)
        for number in range(DRAWS + 1):
            for action in ("suppress", "enhance"):
                for other in (None, replace(fact, id="other")):
                    name = f"random for {neurons}" if number else neurons
                    after = 0.8 * (left if not number and other is None else 1.0)
                    yield Measurement(fact, name, number, action, other, 1, 0.8, after, 1, of)


@pytest.fixture(scope="module")
def folder(make_run, tmp_path_factory):
    return joined_run(make_run, tmp_path_factory.mktemp("languages") / "run", ("en", "zh"))


@pytest.fixture(scope="module")
def told(folder):
    run = Run.open(folder)
    return languages_of(run, run.table("facts"), 8)


def test_figures_hold_the_numbers(told):
    figures = {figure.name: figure for figure in language_figures(told)}
    assert list(figures) == [f"languages_{n}" for n in ("by_layer", "held", "sizes", "suppress", "enhance")]
    held = figures["languages_held"]
    assert held.columns == ("layer", "en only", "zh only", "en, zh")
    assert held.rows[3] == ("3", "0", "0", "3")
    assert sum(int(cell) for row in held.rows for cell in row[1:]) == 8 + 3
    assert figures["languages_sizes"].rows == (("0", "1"), ("1", "3"))
    by_layer = figures["languages_by_layer"]
    assert by_layer.columns == ("layer", "en", "zh", "language-independent")
    assert by_layer.rows[3] == ("3", "3 (42.9%)", "3 (42.9%)", "3 (100.0%)")
    for figure in figures.values():
        assert draw(figure, "png").startswith(b"\x89PNG")
        assert json.dumps(page_specification(figure))


def test_the_neuron_that_serves_most_facts_comes_first(told):
    first = told.polyglots[0]
    assert (first.layer, first.index, first.shared, first.facts) == (3, 7, 3, {"en": 3, "zh": 3})


def test_many_languages_are_counted_not_named(make_run, tmp_path):
    languages = ("en", "zh", "fr", "de")
    run = Run.open(joined_run(make_run, tmp_path / "run", languages))
    told = languages_of(run, run.table("facts"), 8)
    held = next(figure for figure in language_figures(told) if figure.name == "languages_held")
    assert held.columns == ("layer", "1 of 4 languages", "4 of 4 languages")


def test_the_page(folder, parsed):
    page = parsed(run_report(folder, out=folder.parent / "page.html"))
    sections = [dict(element.attributes)["id"] for element in page.of("section")]
    assert sections == ["findings", "facts", "neurons", "figures", "languages", "asked", "skipped", "glossary"]
    assert page.open == []
    ids = [value for element in page.elements for name, value in element.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    text = page.text
    assert "3 of 4 facts in en, zh have language-independent neurons" in text
    assert "1 facts have none: its languages do not share enough neurons" in text
    assert "Paired with other facts' neurons of the relation in the other languages, 4 facts share 0.5" in text
    assert "It is not shown that facts share neurons of their own" in text
    assert "language-independent, re-paired over all facts" in text
    assert "−50.0%" in text
    assert "L3.7" in text


def test_a_run_without_languages_says_nothing_of_them(make_run, tmp_path, parsed):
    run = make_run(tmp_path / "run", facts=facts_in(("en", "zh")), stages=("locate",))
    page = parsed(run_report(run))
    assert "languages" not in [dict(element.attributes)["id"] for element in page.of("section")]


HOSTILE = ("</script><script>alert(1)</script>, en", "<img src=x onerror=alert(1)>")


def test_hostile_language_codes(make_run, tmp_path, parsed):
    """No element is new, and no code is in a script."""
    pages = [
        parsed(run_report(joined_run(make_run, tmp_path / name, languages)))
        for name, languages in (("hostile", HOSTILE), ("plain", ("1", "2")))
    ]
    assert [element.shape for element in pages[0].elements] == [element.shape for element in pages[1].elements]
    scripts = [[text for tag, text in page.texts if tag == "script"] for page in pages]
    assert scripts[0] == scripts[1]
    assert "alert(1)" in pages[0].text


def test_the_facts_of_the_run_come_back(folder):
    assert len(list(located_facts(Run.open(folder)))) == 8


def test_its_page_has_no_barrier(folder, audit, tmp_path):
    audit(run_report(folder, out=tmp_path / "report.html"))

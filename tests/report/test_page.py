"""The page as a whole: what is in it, in which order, and that it stands alone."""

import json
import re

import pytest

from factneurons.errors import BadRun, BadSetting
from factneurons.report.html import content_security_policy
from factneurons.report.page import run_report
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run


@pytest.fixture(scope="module")
def page(whole_run, parsed, tmp_path_factory):
    return parsed(run_report(whole_run, out=tmp_path_factory.mktemp("page") / "report.html"))


def test_sections_come_in_order(page):
    assert [dict(element.attributes)["id"] for element in page.of("section")] == [
        "findings",
        "facts",
        "neurons",
        "figures",
        "asked",
        "skipped",
        "glossary",
    ]


def test_every_element_is_closed_and_every_id_is_there_once(page):
    assert page.open == []
    ids = [value for element in page.elements for name, value in element.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = [value for element in page.of("a") for name, value in element.attributes if name == "href"]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert all(link.startswith("#") for link in links)


def test_nothing_is_loaded(page):
    for element in page.elements:
        assert element.tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        for name, value in element.attributes:
            assert name not in ("src", "srcset", "action", "background", "poster")
            assert not name.startswith("on")
            assert "//" not in (value or "") or name == "content"
    styles = "".join(text for tag, text in page.texts if tag == "style")
    assert "url(" not in styles
    assert "@import" not in styles


def test_the_policy_allows_exactly_the_scripts_of_the_page(page):
    metas = [dict(element.attributes) for element in page.of("meta")]
    (policy,) = [meta["content"] for meta in metas if meta.get("http-equiv") == "Content-Security-Policy"]
    kinds = [dict(element.attributes).get("type") for element in page.of("script")]
    scripts = scripts_of(page)
    run = [text for kind, text in zip(kinds, scripts, strict=True) if kind is None]
    assert policy == content_security_policy(run)
    assert len(run) == 3


def scripts_of(page):
    return [text for tag, text in page.texts if tag == "script"]


def test_the_runtime_is_in_the_page_once_and_charts_are_drawn_without_eval(page):
    scripts = scripts_of(page)
    assert sum("vegaEmbed" in text and len(text) > 100_000 for text in scripts) == 1
    assert "ast: true" in scripts[-2]


def test_every_chart_has_its_specification(page):
    holders = [
        dict(element.attributes)["data-chart"] for element in page.of("div") if "data-chart" in dict(element.attributes)
    ]
    specifications = [dict(element.attributes)["data-chart"] for element in page.of("script") if element.attributes]
    assert holders == specifications
    assert {"neurons_by_layer", "neuron_counts", "probabilities", "completeness"} < set(holders)
    assert sum(name.startswith("barcode_") for name in holders) == 23  # one fact has no neurons
    for text in scripts_of(page)[: len(specifications)]:
        specification = json.loads(text)
        assert specification["width"] == "container"
        assert "$schema" not in specification


def test_what_was_asked_is_told(page):
    for part in (
        "pocket-gpt2",
        "float32",
        "25 read, 24 askable, 24 asked",
        "en (12), zh (12)",
        "amig",
        "factneurons locate --model pocket-gpt2",
        "attribution.rule adaptive",
        "seed 42",
        "torch",
        "ef56" * 16,
    ):
        assert part.lower() in page.text.lower()


def test_a_fact_is_told_with_prompts_neurons_and_components(page, whole_run):
    run = Run.open(whole_run)
    table = run.table("facts")
    for row in table.itertuples():
        assert f"{row.subject} → {row.answer}" in page.text
        for prompt in row.prompts:
            assert prompt.replace("___", row.answer) in page.text
    assert page.text.count("not asked: blank not at end") == 16
    marks = [text for tag, text in page.texts if tag == "mark"]
    assert set(marks) == set(table["answer"])
    neuron = run.table("components").iloc[0]["neurons"][0]
    assert f"L{neuron['layer']}.{neuron['index']}" in page.text
    assert "all 2 components suppressed" in page.text
    assert "Fewer knowledge neurons than two components" in page.text
    assert "interchangeable" in page.text


def test_losses_of_components_are_those_of_the_table(page, whole_run):
    row = Run.open(whole_run).table("components").iloc[0]
    assert row["role"] == "component"
    cells = [text.strip() for tag, text in page.texts if tag == "td"]
    assert f"−{100 * row['drop_alone']:.1f}%" in cells
    assert f"−{100 * row['drop_without_others']:.1f}%" in cells


def test_facts_left_out_are_listed_and_the_command_shows_them(whole_run, parsed, tmp_path):
    page = parsed(run_report(whole_run, out=tmp_path / "few.html", max_facts=3))
    assert sum(dict(element.attributes).get("class") == "opened" for element in page.of("tr")) == 3
    assert "The first 3 can be opened" in page.text
    assert f"factneurons report {whole_run} --max-facts 24" in page.text
    for subject in Run.open(whole_run).table("facts")["subject"]:
        assert subject in page.text


def test_no_fact_in_full(whole_run, parsed, tmp_path):
    page = parsed(run_report(whole_run, out=tmp_path / "none.html", max_facts=0))
    assert "The first 0 can be opened" in page.text
    assert "opened" not in [dict(element.attributes).get("class") for element in page.of("tr")]
    assert "The model knows" in page.text


def test_only_located(make_run, parsed, tmp_path):
    folder = make_run(tmp_path / "run", stages=("locate",))
    page = parsed(run_report(folder))
    assert page.open == []
    assert "The model knows" in page.text
    assert f"Degenerate knowledge neurons: not measured in this run. factneurons degenerate {folder}" in page.text
    assert "What changing the knowledge neurons does: not measured" in page.text
    assert "Suppressing a fact's" not in page.text
    assert not [name for name in page.text.split() if name in ("nan", "inf")]


def test_located_and_searched_but_not_tested(make_run, parsed, tmp_path):
    page = parsed(run_report(make_run(tmp_path / "run", stages=("locate", "degenerate"))))
    assert "What changing the degenerate knowledge neurons does: not measured" in page.text
    assert "degeneracy index is" in page.text


def test_a_run_in_which_no_fact_was_asked(make_run, parsed, tmp_path):
    skips = [Skip(f"reason-{i}", f"line {i} is no JSON", source=f"facts.jsonl:{i}") for i in range(3)]
    folder = make_run(tmp_path / "run", facts=[], stages=("locate",), not_asked=skips)
    page = parsed(run_report(folder, figures=("png",)))
    assert page.open == []
    assert "No fact was asked, so there is nothing to tell. 3 were read" in page.text
    assert "There is nothing to draw." in page.text
    assert "line 2 is no JSON" in page.text
    assert folder.joinpath("report.html").stat().st_size < 50_000  # no charts, so no runtime


def test_a_run_with_all_stages_and_no_fact(make_run, parsed, tmp_path):
    page = parsed(run_report(make_run(tmp_path / "run", facts=[], not_asked=[])))
    assert "No fact was asked, so there is nothing to tell." in page.text
    assert "Nothing was left out." in page.text
    assert "No fact and no prompt was skipped." in page.text


def test_a_stage_that_was_interrupted_is_told(make_run, parsed, tmp_path):
    folder = make_run(tmp_path / "run", stages=("locate",))
    with Run.create_or_resume(folder, Run.open(folder).manifest, "locate") as run:
        run.set_state("locate", "interrupted")
    page = parsed(run_report(folder))
    assert "“locate” is not finished: interrupted. This report covers what was finished" in page.text


def test_one_subject_has_no_interval(make_run, invented_facts, parsed, tmp_path):
    facts = [fact for fact in invented_facts if fact.id == "capital/france" and fact.language == "en"]
    page = parsed(run_report(make_run(tmp_path / "run", facts=facts)))
    assert "[one subject: no interval]" in page.text


def test_the_same_run_gives_the_same_bytes(whole_run, tmp_path):
    first = run_report(whole_run, out=tmp_path / "a.html").read_bytes()
    second = run_report(Run.open(whole_run), out=str(tmp_path / "b.html")).read_bytes()
    assert first == second


def test_it_goes_into_the_run_and_leaves_nothing_else_behind(make_run, tmp_path):
    folder = make_run(tmp_path / "run", stages=("locate",))
    before = {path.name for path in folder.iterdir()}
    assert run_report(str(folder)) == folder / "report.html"
    assert {path.name for path in folder.iterdir()} == before | {"report.html"}
    run_report(folder)
    with Run.create_or_resume(folder, Run.open(folder).manifest, "locate"):
        pass  # a run with a report in it can still be written to


def test_a_bare_surrogate_in_the_command_does_no_harm(make_run, parsed, tmp_path):
    folder = make_run(tmp_path / "run", stages=("locate",), command="factneurons locate \udcff\x00\x1b[31m")
    page = parsed(run_report(folder))
    assert "factneurons locate \ufffd\ufffd\ufffd[31m" in page.text


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"figures": ("pdf",)}, BadSetting, "'pdf'; they can as: png, svg"),
        ({"max_facts": -1}, BadSetting, "max_facts is -1: it must be at least 0"),
    ],
)
def test_bad_settings(whole_run, options, error, message, tmp_path):
    with pytest.raises(error, match=re.escape(message)):
        run_report(whole_run, out=tmp_path / "x.html", **options)
    assert not (tmp_path / "x.html").exists()


def test_bad_places(whole_run, tmp_path):
    with pytest.raises(BadRun, match="is not a run"):
        run_report(tmp_path)
    with pytest.raises(BadSetting, match="is a folder: name the file"):
        run_report(whole_run, out=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRun, match="cannot be written"):
        run_report(whole_run, out=tmp_path / "file" / "x.html")

"""`factneurons experiment`: one command, resumed, with its page."""

from __future__ import annotations

import csv

import pytest

FACTS = "bundled?relation=capital,animal_class&lang=en&sample=6&seed=1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("experiments") / "run"


@pytest.fixture
def e1(command, folder):
    def run(*options, facts=FACTS):
        return command(
            "experiment", "E1", "--model", "pocket-gpt2", "--facts", facts, "--out", folder,
            "--methods", "dai", "--draws", "2", "--unrelated", "1", *options,
        )  # fmt: skip

    return run


def test_the_list_names_every_experiment(command):
    out, _, code = command("experiment", "list")
    assert code == 0
    assert [line.split()[0] for line in out if not line.startswith(" ")][:3] == ["E1", "E2", "E3"]
    assert sum("smallest useful run" in line for line in out) == sum(not line.startswith(" ") for line in out)


def test_facts_are_measured_and_told_with_page_and_tables(e1, folder):
    out, _, code = e1("--png")
    assert code == 0
    assert out[0].startswith("E1 Localisation: 6 of 6 facts measured")
    assert any("Suppressing the neurons lowers P(answer)." in line for line in out)
    page = (folder / "experiments.html").read_text(encoding="utf-8")
    assert "What the source claims, and what was found" in page
    with (folder / "experiments_means.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["condition"] for row in rows} == {"dai", "random for dai", "unrelated facts"}
    assert (folder / "figures" / "e1_1_1.png").stat().st_size > 1000


def test_what_was_measured_is_not_measured_again(e1):
    out, _, code = e1()
    assert code == 0
    assert "6 of them before" in out[0]


def test_report_writes_the_page_of_a_folder_of_experiments(command, e1, folder):
    assert e1()[2] == 0
    out, _, code = command("report", folder)
    assert (out, code) == ([str(folder / "experiments.html")], 0)
    assert not (folder / "report.html").exists()
    _, err, code = command("report", folder, "--out", folder / "other.html")
    assert code == 2
    assert "leave out --out" in err


def test_other_settings_are_refused(e1):
    _, err, code = e1("--seed", "7")
    assert code == 2
    assert "seed" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--methods", "guess"), "guess"), (("--methods", ""), "method")],
)
def test_bad_options_are_told_in_one_line(command, tmp_path, options, message):
    _, err, code = command(
        "experiment", "E1", "--model", "pocket-gpt2", "--facts", FACTS, "--out", tmp_path / "run", *options
    )
    assert code == 2
    assert message in err
    assert not (tmp_path / "run").exists()


def test_facts_that_are_not_known_are_counted_with_the_reason(command, tmp_path):
    facts = tmp_path / "facts.jsonl"
    facts.write_text(
        '{"id": "a", "relation": "capital", "subject": "France", "answer": "Berlin", "language": "en",'
        ' "prompts": ["The capital of France is ___."]}\n'
    )
    _, err, code = command("experiment", "E1", "--model", "pocket-gpt2", "--facts", facts, "--out", tmp_path / "run")
    assert code == 2
    assert "none of the 1 facts" in err
    assert "1 not-known" in err

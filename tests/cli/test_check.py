"""`factneurons check`: a whole run on a bundled model, judged statements, going on, and facts nobody knows."""

from __future__ import annotations

import io
import json
import re

import pytest
import torch

import factneurons as fn
from factneurons.cli import main
from factneurons.report.page import run_report
from factneurons.runs.store import Run
from factneurons.runs.verify import verify as problems_in

FEW = ("--draws", "2")
STATEMENTS = [
    "The capital of France is Paris.",
    "Rome is the capital of France",
    "I like cheese.",
    '{"prompt": "The capital of Italy is ___.", "candidate": "Rome"}',
    "{",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def located(folder, facts):
    options = ["--method", "dai", "--draws", "1", "--unrelated", "0", "--skip-bad"]
    with pytest.raises(SystemExit) as end:
        main(["locate", "--model", "pocket-gpt2", "--facts", str(facts), "--out", str(folder), *options])
    assert not end.value.code
    return folder


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """Twelve facts of one relation, located."""
    return located(tmp_path_factory.mktemp("check") / "run", "bundled?relation=capital&lang=en&limit=12")


@pytest.fixture
def statements(tmp_path):
    file = tmp_path / "statements.txt"
    file.write_text("\n".join(STATEMENTS), encoding="utf-8")
    return file


def test_a_whole_run(checked, command, statements):
    lines, err, code = command("check", checked, "--statements", statements, *FEW)
    assert code == 0, err
    assert "components of degenerate neurons enter after factneurons degenerate" in err
    assert re.match(rf"{checked}: statements of 12 known facts and of 0 unknown ones scored in ", lines[0])
    titles = ("knowledge neurons", "random neurons, matched", "asking the model", "probability")
    table = [line.strip() for line in lines if line.strip().startswith(titles)]
    assert len(table) == len(titles)
    assert any(line.startswith("probability") and "1.000" in line for line in table)
    said = [line for line in lines if line.startswith("line ")]
    assert re.match(
        r"line 1: (true    |doubtful) score \S+, threshold \S+, P\(true\) 0\.\d\d: The capital of ", said[0]
    )
    assert "neurons (layer/index): " in said[0]
    assert "(asked as: " in said[1]  # the blank would be in the middle
    assert said[2].startswith("line 3: not judged, unknown-relation: ")
    assert said[4].startswith("line 5: not judged, not-json: ")
    assert "5 lines: 3 judged by knowledge neurons; 1 unknown-relation; 1 not-json" in lines
    assert lines[-1] == f"next: factneurons report {checked}"

    run = Run.open(checked)
    assert problems_in(run, model_files=None, data_sha256=None) == []
    checks = run.table("checks")
    assert set(checks["condition"]) == {"degenerate", "knowledge", "random", "asking", "probability", "true_false"}
    assert (checks.groupby("fact_id")["split"].nunique() == 1).all()
    assert checks.loc[checks["condition"] == "random", "draw"].nunique() == 2
    assert checks.loc[checks["condition"] == "probability", "score"].between(0, 1).all()
    assert (checks["split"] == "test").any()
    assert (checks["split"] == "train").any()


def test_the_saved_checker_says_what_the_command_said(checked, command, statements):
    lines, err, code = command("check", checked, "--statements", statements, "--condition", "probability", *FEW)
    assert code == 0, err
    assert "scored in" in lines[0]
    assert "12 of them before" in lines[0]  # nothing is scored twice
    checker = fn.FactChecker.load(checked / "checkers" / "probability", fn.load_model("pocket-gpt2"))
    statement = fn.Statement(fn.Prompt("The capital of France is ___."), "Paris", "capital")
    verdict = checker.check([statement])[0]
    assert f"score {verdict.score:.3g}, threshold {verdict.threshold:.3g}" in next(
        line for line in lines if line.startswith("line 1: true")
    )


def test_standard_input(checked, command, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("The capital of France is Paris.\n"))
    lines, err, code = command("check", checked, "--statements", "-", "--condition", "asking", *FEW)
    assert code == 0, err
    assert any(line.startswith("line 1: true     score 1, threshold 0.5") for line in lines)


def test_other_settings_are_refused(checked, command):
    _, err, code = command("check", checked, "--share", "0.3", *FEW)
    assert code == 2
    assert "was made with other settings: check.settings" in err


def test_the_report_shows_it_and_escapes_what_facts_say(checked, command, statements):
    command("check", checked, *FEW)
    page = run_report(checked, max_facts=0).read_text(encoding="utf-8")
    assert '<section id="checking">' in page
    assert "Facts that the model knows" in page
    assert 'id="figure-check_roc"' in page
    assert 'href="#checking"' in page


def hostile(folder, known):
    """Facts whose texts are HTML; the model knows none of those that are not real."""
    lines = [
        {
            "id": f"f{number}",
            "relation": "<b>capital</b>",
            "subject": subject,
            "answer": answer,
            "prompts": [f"The capital of {subject} is ___."],
            "wrong_answers": ["Rome<script>" if known else "Paris"],
        }
        for number, (subject, answer) in enumerate(known or [("<i>Atlantis</i>", "Foo"), ("Utopia", "Bar")])
    ]
    file = folder / "facts.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return file


def test_facts_nobody_knows(tmp_path, command):
    run = located(tmp_path / "run", hostile(tmp_path, []))
    lines, err, code = command("check", run, "--statements", hostile(tmp_path, []), *FEW)
    assert code == 0, err
    lines = lines[[": statements of 0 known facts and of 2 unknown ones" in line for line in lines].index(True) :]
    assert "the model knows none of these 2 facts" in lines[1]
    assert not any("F1" in line for line in lines)
    assert any("facts that the model does not know, counted apart" in line for line in lines)
    assert any(line.startswith("no statement can be judged by knowledge") for line in lines)
    page = run_report(run).read_text(encoding="utf-8")
    assert "The model knows none of these facts" in page
    assert "Facts that the model does not know" in page


def test_hostile_texts(tmp_path, command):
    known = [("Germany", "Berlin"), ("Egypt", "Cairo"), ("Japan", "Tokyo"), ("France", "Paris"), ("Peru", "Lima")]
    run = located(tmp_path / "run", hostile(tmp_path, known))
    _, err, code = command("check", run, *FEW)
    assert code == 0, err
    page = run_report(run).read_text(encoding="utf-8")
    assert "Rome<script>" not in page
    assert "Rome&lt;script&gt;" in page
    assert "<b>capital</b>" not in page


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("--condition", "luck"), "condition is 'luck': it must be one of: degenerate, knowledge"),
        (("--source", "x"), "source is 'x': it must be one of: auto"),
        (("--feature", "x"), "feature is 'x': it must be one of: attribution, activation"),
        (("--draws", "0"), "draws is 0: it must be at least 1"),
        (("--statements", "nowhere.txt"), "nowhere.txt: the statements cannot be read: No such file"),
        (("--test-share", "1"), "the test share is between 0 and 1"),
        (("--method", "activation"), "one that can score a few neurons alone"),
        (("--source", "components"), "has no components: run factneurons degenerate"),
        (("--facts", "bundled?relation=currency"), "is not what "),
    ],
)
def test_bad_input(checked, command, arguments, wrong):
    _, err, code = command("check", checked, *arguments)
    assert code == 2
    assert wrong in err
    assert "Traceback" not in err


def test_no_run(tmp_path, command):
    _, err, code = command("check", tmp_path / "nothing")
    assert code == 2
    assert "is not a run" in err


def test_the_page_has_no_barrier(checked, command, statements, audit, tmp_path):
    assert command("check", checked, "--statements", statements, *FEW)[2] == 0
    audit(run_report(checked, out=tmp_path / "report.html"))

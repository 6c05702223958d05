"""`factneurons edit`, whole commands with a bundled model."""

import json
import re

import pandas as pd
import pytest

FACTS = "bundled?relation=currency,continent"
EDIT = ("edit", "pocket-gpt2", "--fact", "currency/spain", "--facts", FACTS, "--draws", "1")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("edits")


@pytest.fixture(scope="module")
def edited(place):
    """An edit with its model, made once."""
    from factneurons.cli import main

    with pytest.raises(SystemExit) as end:
        main([*EDIT, "--to", "rupee", "--out", str(place / "spain"), "--save-model"])
    assert not end.value.code
    return place / "spain"


def test_what_is_written(edited):
    assert {path.name for path in edited.iterdir()} == {
        *("delta.safetensors", "edit.json", "edit.html", "measurements.csv", "model")
    }
    about = json.loads((edited / "edit.json").read_text())
    assert about["new"] == {"en": "rupee"}
    table = pd.read_csv(edited / "measurements.csv")
    assert set(table["neurons"]) == {"found", "random"}
    assert {"edit", "paraphrases", "other languages", "neighbours", "unrelated"} <= set(table["group"])
    page = (edited / "edit.html").read_text()
    assert "euro" in page
    assert "rupee" in page
    assert "http" not in page.replace("http-equiv", "").split("<script>")[0]


def test_dry_run_writes_nothing(command, tmp_path):
    out, err, code = command(*EDIT, "--to", "rupee", "--out", tmp_path / "new", "--dry-run")
    assert code == 0
    assert "dry run" in err
    assert not (tmp_path / "new").exists()
    text = "\n".join(out)
    assert "least-change: currency, Spain: euro -> rupee" in text
    assert re.search(r"edit +success rate +0\.0% +100\.0%", text)
    assert "random neurons: by" in text


def test_two_languages(command, tmp_path):
    """The Chinese answer is found through facts that have the same answer."""
    out, _, code = command(*EDIT, "--to", "rupee", "--languages", "en,zh", "--out", tmp_path / "both", "--dry-run")
    assert code == 0
    assert out[0] == "least-change: currency, Spain: euro -> rupee, 欧元 -> 卢比"


def test_a_prompt_of_ones_own(command, tmp_path):
    out, _, code = command(
        *("edit", "pocket-gpt2", "--fact", "The money of Spain is the ___.", "--answer", "euro", "--to", "rupee"),
        *("--facts", FACTS, "--neurons", "2.1,2.2,3.3,3.4,3.5", "--draws", "0", "--out", tmp_path / "own"),
    )
    assert code == 0
    assert "5 neurons (given): 2 in layer 2, 3 in layer 3" in out[1]


def test_erase_a_relation(command, tmp_path):
    out, _, code = command(
        *("edit", "pocket-gpt2", "--fact", "continent", "--kind", "erase-relation", "--draws", "0"),
        *("--facts", "bundled?relation=currency,continent&lang=en", "--out", tmp_path / "gone"),
    )
    assert code == 0
    assert out[0] == "erase-relation: continent, 20 facts"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fact", "currency/spain", "--to", "euro"], "the new answer 'euro' is the old one"),
        (["--fact", "currency/spian", "--to", "rupee"], "near it: currency/spain"),
        (["--fact", "It is ___.", "--to", "rupee"], "--answer"),
        (["--fact", "currency/spain", "--to", "rupee", "--answer", "euro"], "--answer is for prompts"),
        (["--fact", "currency/spain", "--to", "rupee", "--languages", "en,fr"], "not there in fr; it is in en, zh"),
        (["--fact", "currency/spain", "--to", "rupee", "--to", "yen"], "two new answers in en"),
        (["--fact", "currency/spain", "--to", "rupee", "--neurons", "2-3"], "LAYER.INDEX"),
        (["--fact", "currency/spain", "--to", "rupee", "--kind", "upd"], "kind is 'upd': it must be one of: suppress"),
        (["--fact", "currency/spain", "--kind", "update"], "needs a new answer"),
        (["--fact", "currencies", "--kind", "erase-relation"], "there is no relation 'currencies'"),
    ],
)
def test_bad_input_is_one_line(arguments, said, command, tmp_path):
    _, err, code = command("edit", "pocket-gpt2", *arguments, "--facts", FACTS, "--out", tmp_path / "x")
    assert code == 2
    assert said in err.replace("\n", " ")
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists()


def test_no_second_edit_in_a_folder(command, edited):
    _, err, code = command(*EDIT, "--to", "rupee", "--out", edited)
    assert code == 2
    assert "exists already" in err

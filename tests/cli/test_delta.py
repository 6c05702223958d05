"""`factneurons delta`: an edit applied, undone and stacked is the same weights again, byte for byte."""

from __future__ import annotations

import hashlib

import pytest

from factneurons.cli import main
from factneurons.editing.types import Edit

FACTS = "bundled?relation=currency&lang=en"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("edits")


@pytest.fixture(scope="module")
def edited(place):
    """An edit with its model, made once."""
    words = ["edit", "pocket-gpt2", "--fact", "currency/spain", "--facts", FACTS, "--draws", "0", "--to", "rupee"]
    with pytest.raises(SystemExit) as end:
        main([*words, "--out", str(place / "spain"), "--save-model"])
    assert not end.value.code
    return place / "spain"


def _bytes(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_applied_undone_and_applied_again(command, edited, place):
    out, _, code = command("delta", "show", edited)
    assert code == 0
    assert out[0] == "least-change: currency, Spain: euro -> rupee"
    out, _, code = command("delta", "list", place)
    assert [line.split(":")[0] for line in out] == [str(edited)]
    assert command("delta", "apply", "pocket-gpt2", edited, "--out", place / "applied")[2] == 0
    assert _bytes(place / "applied") == _bytes(edited / "model")
    assert command("delta", "undo", place / "applied", edited, "--out", place / "back")[2] == 0
    assert _bytes(place / "back") != _bytes(place / "applied")
    assert command("delta", "apply", place / "back", edited, "--out", place / "again")[2] == 0
    assert _bytes(place / "again") == _bytes(place / "applied")
    out, _, code = command("delta", "stack", edited, "--out", place / "stack")
    assert code == 0
    _, err, code = command("delta", "apply", "pocket-llama", edited, "--out", place / "wrong")
    assert code == 2
    assert "made for another model (pocket-gpt2)" in err
    assert not (place / "wrong").exists()


def test_a_stack_of_one_is_that_edit(command, edited, place):
    whole = Edit.load(edited)
    assert command("delta", "stack", edited, "--out", place / "alone")[2] == 0
    assert Edit.load(place / "alone").neurons == whole.neurons


def test_a_folder_without_edits_says_so(command, tmp_path):
    assert command("delta", "list", tmp_path) == ([f"{tmp_path}: no edits in it"], "", 0)
    lines, err, code = command("delta", "show", tmp_path)
    assert (lines, code) == ([], 2)
    assert err.count("\n") == 1

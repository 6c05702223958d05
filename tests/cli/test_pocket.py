from __future__ import annotations

import pytest

from factneurons.models.bundled import POCKET_MODELS, pocket_path


def test_list(command):
    lines, err, code = command("pocket", "list")
    assert (err, code) == ("", 0)
    assert [line.split()[0] for line in lines] == list(POCKET_MODELS)
    for line, model in zip(lines, POCKET_MODELS.values(), strict=True):
        assert line.endswith(model.description)


@pytest.mark.parametrize("name", POCKET_MODELS)
def test_path(command, name):
    assert command("pocket", "path", name) == ([str(pocket_path(name))], "", 0)


def test_path_of_another_name(command):
    lines, err, code = command("pocket", "path", "pocket-t5")
    assert (lines, code) == ([], 2)
    assert all(name in err for name in POCKET_MODELS)


def test_train_says_what_is_missing(command, tmp_path):
    for given, said in (
        ((), "give either NAME"),
        (("pocket-gpt2", "--architecture", "gpt2"), "give either NAME"),
        (("--architecture", "t5"), "it must be one of: bert, gpt2, llama"),
        (("pocket-gpt2", "--facts", tmp_path / "none.jsonl"), "none.jsonl"),
    ):
        lines, err, code = command("pocket", "train", *given, "--out", tmp_path / "m")
        assert (lines, code) == ([], 2)
        assert said in err
        assert len(err.strip().splitlines()) == 1

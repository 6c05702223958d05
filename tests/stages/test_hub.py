"""What is pushed to the Hub, with a pusher that copies into a folder of this machine."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from factneurons.editing.description import Description
from factneurons.editing.types import Edit
from factneurons.errors import BadModel, BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.planted.truth import Truth
from factneurons.planted.types import PlantedComponent, PlantedFact
from factneurons.stages.hub import push_to_hub


class Copying:
    """Stands for `HfApi`: a repository is a folder."""

    def __init__(self, root):
        self.root, self.asked = root, []

    def create_repo(self, repo, *, private, exist_ok):
        self.asked.append((repo, private))
        (self.root / repo).mkdir(parents=True, exist_ok=exist_ok)

    def create_commit(self, repo, operations, *, commit_message):
        if not (self.root / repo).is_dir():
            raise OSError(f"404 Client Error: {repo} does not exist\nRequest ID: x")
        for each in operations:
            with each.as_file() as file:
                (self.root / repo / each.path_in_repo).write_bytes(file.read())
        return SimpleNamespace(commit_url=f"copied/{repo}: {commit_message}")


@pytest.fixture
def api(tmp_path):
    return Copying(tmp_path / "hub")


@pytest.fixture
def planted(tmp_path):
    folder = tmp_path / "planted"
    folder.mkdir()
    save_file({"x": torch.ones(2)}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    (folder / "facts.jsonl").write_text("{}\n")
    (folder / "notes.log").write_text("private")
    (folder / "README.md").write_text("mine")
    fact = Fact("capital/x", "capital", "X", "Y", "en", (Prompt("X: ___"),))
    component = PlantedComponent((Neuron(0, 1),))
    Truth("/home/me/secret/tiny`|\nmodel", 7, (PlantedFact((fact,), "single", (component,), ()),)).save(folder)
    return folder


@pytest.fixture
def edit(tmp_path):
    about = Description(
        "erase",
        "capital",
        ("capital/x",),
        "X",
        {"en": "Y"},
        {},
        "dai",
        (),
        {},
        ("a note",),
        "org/tiny",
        "abc",
        "float32",
    )
    old = torch.tensor([[3.0, 4.0]])
    return Edit((Neuron(0, 1),), old, old * 2, about).save(tmp_path / "edit")


def listed(card):
    return dict(re.findall(r"^\| `(.+)` \| `(\w{64})` \|$", card, re.MULTILINE))


def hashes(folder, names):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_a_planted_model_is_pushed_with_its_card_and_nothing_else(planted, api):
    assert push_to_hub(planted, "me/tiny", api=api) == "copied/me/tiny: A model with planted facts"
    assert api.asked == [("me/tiny", True)]
    there = api.root / "me" / "tiny"
    names = ["config.json", "facts.jsonl", "model.safetensors", "truth.json"]
    assert sorted(path.name for path in there.iterdir()) == ["README.md", *names]
    assert hashes(there, names[:3]) == hashes(planted, names[:3])
    card = (there / "README.md").read_text("utf-8")
    assert listed(card) == hashes(there, names)
    assert card.startswith("---\ntags:\n- factneurons\n---\n# tiny\n")
    for said in ("planted in `tiny'/ model`", "seed 7", "1 single; 0 could not", "None is given here"):
        assert said in card
    assert "/home/me" not in card + (there / "truth.json").read_text("utf-8")
    assert Truth.load(there) == replace(Truth.load(planted), base="tiny`|\nmodel")


def test_an_edit_is_pushed_and_loaded_from_there(edit, api):
    push_to_hub(edit, "me/edit", private=False, licence="mit", api=api)
    assert api.asked == [("me/edit", False)]
    there = api.root / "me" / "edit"
    card = (there / "README.md").read_text("utf-8")
    assert listed(card) == hashes(edit, ["delta.safetensors", "edit.json"])
    assert card.startswith('---\nlicense: "mit"\n')
    for said in ("the weights of 1 neurons (out-weights, float32) of `org/tiny` by 1 of", "`abc`", "Note: `a note`"):
        assert said in card
    assert Edit.load(there).description == Edit.load(edit).description


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("/home/me/secret/tiny", "tiny"),
        ("../secret/tiny", "tiny"),
        ("secret/models/tiny/", "tiny"),
        ("C:\\secret\\models\\tiny", "tiny"),
        ("org/tiny", "org/tiny"),
        ("pocket-gpt2", "pocket-gpt2"),
    ],
)
def test_a_path_of_this_machine_is_not_pushed(edit, api, model, name):
    record = json.loads((edit / "edit.json").read_text("utf-8"))
    (edit / "edit.json").write_text(json.dumps({**record, "model": model}))
    push_to_hub(edit, "me/edit", api=api)
    there = api.root / "me" / "edit"
    assert Edit.load(there).description.model == name
    card = (there / "README.md").read_text("utf-8")
    assert f"of `{name}` by" in card
    assert "secret" not in card + (there / "edit.json").read_text("utf-8")
    assert listed(card) == hashes(there, ["delta.safetensors", "edit.json"])


def test_an_existing_repository_is_written_only_if_that_is_said(edit, api):
    (api.root / "me" / "edit").mkdir(parents=True)
    with pytest.raises(BadSetting, match=r"me/edit: it could not be pushed: .*exists") as refused:
        push_to_hub(edit, "me/edit", api=api)
    assert "\n" not in str(refused.value)
    assert not list((api.root / "me" / "edit").iterdir())
    push_to_hub(edit, "me/edit", create=False, api=api)
    assert len(list((api.root / "me" / "edit").iterdir())) == 3
    with pytest.raises(BadSetting, match=r"me/none: it could not be pushed: 404 Client Error: me/none does not exist$"):
        push_to_hub(edit, "me/none", create=False, api=api)


def test_what_is_damaged_or_something_else_is_not_pushed(planted, edit, api, tmp_path):
    with pytest.raises(BadSetting, match=r"neither a planted model .* nor an edit"):
        push_to_hub(tmp_path, "me/x", api=api)
    record = json.loads((edit / "edit.json").read_text("utf-8"))
    (edit / "edit.json").write_text(json.dumps({**record, "delta_sha256": "0"}))
    with pytest.raises(BadSetting, match="its hash differs"):
        push_to_hub(edit, "me/x", api=api)
    (planted / "model.safetensors").rename(planted / "pytorch_model.bin")
    with pytest.raises(BadModel, match="pickled weights only"):
        push_to_hub(planted, "me/x", api=api)
    assert not api.asked


class Unreachable(Exception):
    """As the client's connection errors, which are no OSError."""


def test_a_hub_that_does_not_answer_is_said_in_one_line(edit, api, monkeypatch):
    def refuse(*_, **__):
        raise Unreachable("[Errno 111] Connection refused\nsecond line")

    monkeypatch.setattr(api, "create_repo", refuse)
    with pytest.raises(BadSetting, match=r"me/edit: it could not be pushed: \[Errno 111\] Connection refused$"):
        push_to_hub(edit, "me/edit", api=api)

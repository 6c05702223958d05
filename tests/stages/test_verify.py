"""A run is compared with its model and its data, as far as they are here."""

from __future__ import annotations

from types import SimpleNamespace

from factneurons.models.bundled import pocket_path
from factneurons.models.files import fingerprint
from factneurons.stages import verify


def test_the_files_of_a_bundled_model():
    run = SimpleNamespace(manifest=SimpleNamespace(model={"name": "pocket-gpt2"}))
    notes = []
    assert verify._model_files(run, notes) == fingerprint(pocket_path("pocket-gpt2"))
    assert notes == []


def test_a_model_that_is_not_here():
    run = SimpleNamespace(manifest=SimpleNamespace(model={"name": "somebody/large"}))
    notes = []
    assert verify._model_files(run, notes) is None
    assert notes == ["the model's files were not checked: somebody/large is no folder here"]


def test_data_that_are_not_here(tmp_path):
    run = SimpleNamespace(manifest=SimpleNamespace(data={"spec": str(tmp_path / "gone.jsonl")}))
    notes = []
    assert verify._data_sha256(run, notes) is None
    assert notes[0].startswith("the data were not checked: ")

"""A checker on disk: what is loaded says the same, and what is damaged is refused in one line."""

import json
from pathlib import Path

import pytest

from factneurons.errors import BadSetting
from factneurons.factcheck.checker import FactChecker
from factneurons.factcheck.conditions import CONDITIONS
from factneurons.factcheck.types import Statement
from factneurons.facts.types import Prompt


@pytest.mark.parametrize("name", CONDITIONS)
def test_saved_and_loaded_it_says_the_same(fitted, statements, gpt2, tmp_path, name):
    again = FactChecker.load(fitted[name].save(tmp_path / "checker"), gpt2)
    assert again.get_params() == fitted[name].get_params()
    assert again.relation_neurons_ == fitted[name].relation_neurons_
    assert again.settings_ == fitted[name].settings_
    assert again.score_statements(statements).tolist() == fitted[name].score_statements(statements).tolist()
    assert again.predict(statements).tolist() == fitted[name].predict(statements).tolist()
    assert again.predict_proba(statements).tolist() == fitted[name].predict_proba(statements).tolist()


def test_another_model_is_refused(fitted, bert, tmp_path):
    fitted["knowledge"].save(tmp_path)
    with pytest.raises(BadSetting, match="was fitted with pocket-gpt2, and the files of pocket-bert are others"):
        FactChecker.load(tmp_path, bert)


@pytest.mark.parametrize(
    ("name", "content", "wrong"),
    [
        ("checker.json", None, "holds no fact checker"),
        ("checker.safetensors", b"", "is damaged"),
        ("checker.json", b"{", "is damaged"),
        ("checker.json", b"{}", "missing or wrong: 'format'"),
        ("checker.json", b'{"format": 99}', "its format is 99, this version reads 1"),
    ],
)
def test_damaged_files(fitted, gpt2, tmp_path, name, content, wrong):
    fitted["knowledge"].save(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadSetting, match=wrong) as refused:
        FactChecker.load(tmp_path, gpt2)
    assert "\n" not in str(refused.value)


def test_the_json_says_what_it_is(fitted, tmp_path):
    written = json.loads((fitted["knowledge"].save(tmp_path) / "checker.json").read_text())
    assert written["parameters"]["condition"] == "knowledge"
    assert written["neurons"] == [{"relation": "capital", "language": "en"}]
    assert written["model"]["name"] == "pocket-gpt2"


def test_a_file_is_no_folder(fitted, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSetting, match="is a file"):
        fitted["asking"].save(tmp_path / "file")


def test_a_checker_saved_by_an_older_version_still_loads(gpt2):
    """Written by the code before settings were one record: knowledge neurons of capitals, pocket-gpt2."""
    checker = FactChecker.load(Path(__file__).parent / "data" / "checker", gpt2)
    assert (checker.settings.condition, checker.settings.share) == ("knowledge", 0.4)
    assert checker.relation_neurons_ == {("capital", "en"): ((2, 296), (3, 130))}
    prompt = Prompt("The capital of Belgium is ___.")
    statements = [Statement(prompt, candidate, "capital") for candidate in ("Brussels", "Lisbon")]
    assert checker.score_statements(statements) == pytest.approx([0.06145847, 0.00030733], rel=1e-4)


@pytest.mark.parametrize(("fitted_so", "asked_so"), [(True, False), (False, True)])
def test_a_checker_says_whether_it_was_fitted_with_chat(fitted, gpt2, tmp_path, monkeypatch, fitted_so, asked_so):
    monkeypatch.setattr(gpt2.backbone, "chat", fitted_so)
    fitted["knowledge"].save(tmp_path)
    assert FactChecker.load(tmp_path, gpt2)
    monkeypatch.setattr(gpt2.backbone, "chat", asked_so)
    with pytest.raises(BadSetting, match="was fitted with" if fitted_so else "was fitted without"):
        FactChecker.load(tmp_path, gpt2)

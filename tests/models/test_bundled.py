"""The bundled models, where this copy has their weights: files and size."""

from __future__ import annotations

from pathlib import Path

import pytest

from factneurons.errors import BadModel
from factneurons.models import bundled
from factneurons.models.bundled import POCKET_MODELS, WEIGHTS, pocket_path

BUNDLED = [name for name in POCKET_MODELS if (WEIGHTS / name / "model.safetensors").is_file()]


@pytest.mark.skipif(not BUNDLED, reason="this copy has no bundled weights")
def test_the_weights_are_small_and_nothing_is_pickled() -> None:
    files = [path for name in BUNDLED for path in (WEIGHTS / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 30e6
    assert {path.suffix for path in files} <= {".json", ".safetensors"}


def test_the_recall_table_meets_the_targets() -> None:
    table = Path(WEIGHTS / "recall.csv")
    if not table.is_file():
        pytest.skip("this copy has no recall table")
    lines = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    totals = [line for line in lines if line[2] == "all"]
    assert {line[0] for line in totals} == set(POCKET_MODELS)
    for name, language, _, kind, _, _, recall, *_ in totals:
        assert float(recall) >= (0.95 if kind == "trained" else 0.85), (name, language, kind)


def test_a_bundled_model_is_found_by_its_name_or_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="there are: pocket-bert, pocket-gpt2, pocket-llama"):
        pocket_path("pocket-t5")
    monkeypatch.setattr(bundled, "WEIGHTS", tmp_path)
    with pytest.raises(BadModel, match="are not in this copy; factneurons pocket train pocket-bert"):
        pocket_path("pocket-bert")
    (tmp_path / "pocket-bert").mkdir()
    (tmp_path / "pocket-bert" / "config.json").touch()
    assert pocket_path("pocket-bert") == tmp_path / "pocket-bert"

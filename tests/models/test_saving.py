"""A model as a folder that plain transformers loads."""

import pytest
import torch
from transformers import AutoModelForMaskedLM

from factneurons.errors import BadSetting
from factneurons.models.load import load_model
from factneurons.models.saving import save_model


def test_a_saved_model_is_the_same_model(tiny_model_folder, tmp_path):
    (tmp_path / "first").mkdir()
    model = load_model(tiny_model_folder("bert", tmp_path / "first"))
    query = model.query("Paris is in ___.", "France", multi_mask=True)
    with model.scale_weights([(0, 1)], 2.0):
        asked = model.probabilities([query])
        folder = save_model(model, tmp_path / "saved")
    assert load_model(folder).probabilities([query]) == asked
    plain = AutoModelForMaskedLM.from_pretrained(folder)
    with torch.no_grad():
        logits = plain(torch.tensor([query.input_ids])).logits[0, list(query.target_positions)]
    chosen = logits.log_softmax(-1)[range(len(query.answer_ids)), list(query.answer_ids)]
    assert float(chosen.sum().exp()) == pytest.approx(float(asked[0]), rel=1e-5)
    assert not list(folder.glob("*.bin"))


def test_not_over_something(tiny_model_folder, tmp_path):
    model = load_model(tiny_model_folder("gpt2", tmp_path))
    with pytest.raises(BadSetting, match="exists already"):
        save_model(model, tmp_path)

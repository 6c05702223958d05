"""An edited model as a folder that plain transformers loads."""

import pytest
import torch
from transformers import AutoModelForCausalLM

import factneurons as fn
from factneurons.editing.types import Edit, stack_edits
from factneurons.errors import BadModel, BadSetting


def test_plain_transformers_loads_it(gpt2, spain, made, tmp_path, bytes_of):
    before = bytes_of(gpt2)
    folder = made.save_model(gpt2, tmp_path / "edited")
    assert bytes_of(gpt2) == before
    plain = AutoModelForCausalLM.from_pretrained(folder)
    query = gpt2.query(spain.prompts[0], "rupee")
    with torch.no_grad():
        top = int(plain(torch.tensor([query.input_ids])).logits[0, -1].argmax())
    assert top == query.answer_ids[0]
    assert not list(folder.glob("*.bin"))


def test_undone_from_disk(gpt2, made, tmp_path, bytes_of):
    """Save with the edit, load, take it out, and every bit is back."""
    before = bytes_of(gpt2)
    loaded = fn.load_model(made.save_model(gpt2, tmp_path / "edited"), device="cpu")
    made.save(tmp_path / "edit")
    Edit.load(tmp_path / "edit").undo(loaded)
    assert bytes_of(loaded) == before


def test_a_second_edit_on_top_of_a_saved_one(gpt2, spain, made, tmp_path, bytes_of):
    loaded = fn.load_model(made.save_model(gpt2, tmp_path / "edited"), device="cpu")
    second = fn.edit(loaded, spain, kind="enhance", neurons=made.neurons)
    with pytest.raises(BadModel, match="not what they should be"):
        second.apply(gpt2)
    together = stack_edits([made, second])
    with together.on(gpt2), second.on(loaded):
        assert bytes_of(gpt2) == bytes_of(loaded)


def test_not_over_something(gpt2, made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSetting, match="exists already"):
        made.save_model(gpt2, tmp_path)

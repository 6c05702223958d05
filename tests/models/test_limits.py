"""The longest input that a model really reads without an error, and one token more."""

import pytest
import torch

from factneurons.models.limits import position_limit
from factneurons.models.load import load_model


@pytest.mark.parametrize(("family", "limit"), [("bert", 64), ("gpt2", 64), ("roberta", None)])
def test_learned_positions(tiny_model_folder, tmp_path, family, limit):
    module = load_model(tiny_model_folder(family, tmp_path)).backbone.module
    found = position_limit(module)
    assert found is not None
    # RoBERTa's first position is the one after the padding token's index.
    assert found == (64 - module.config.pad_token_id - 1 if limit is None else limit)
    module(input_ids=torch.full((1, found), 5))
    with pytest.raises((IndexError, RuntimeError)):
        module(input_ids=torch.full((1, found + 1), 5))


@pytest.mark.parametrize(("family", "limit"), [("llama", 64), ("t5", None)])
def test_computed_positions(tiny_model_folder, tmp_path, family, limit):
    assert position_limit(load_model(tiny_model_folder(family, tmp_path)).backbone.module) == limit

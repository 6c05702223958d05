"""What a planted model begins with, and what is refused."""

from __future__ import annotations

import pytest
import torch

from factneurons.errors import BadFact, BadModel
from factneurons.facts.types import Fact, Prompt
from factneurons.models.adapters import matrix
from factneurons.planted.base import base_model
from factneurons.planted.plant import plant


def test_bases_that_are_refused(new_model, base, tmp_path):
    with pytest.raises(BadModel, match="bert, gpt2, llama models, not in gptj"):
        plant(new_model("gptj"), tmp_path / "out")
    with pytest.raises(BadModel, match=r"it is on cpu in float64; .* in float32"):
        plant(new_model("gpt2"), tmp_path / "out")
    with pytest.raises(BadModel, match="random-t5: there is no such random model; valid: random-bert, random-gpt2"):
        plant("random-t5", tmp_path / "out")
    with pytest.raises(BadFact, match="knows it already"):
        plant(base("gpt2"), tmp_path / "out", facts=[
            Fact("a", "r", "France", "Paris", "en", (Prompt("The capital of France is ___."),))
        ])  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["random-bert", "random-gpt2", "random-llama"])
def test_random_bases(name):
    one, same, other = (base_model(name, seed) for seed in (0, 0, 1))
    assert one.name == name
    assert one.kind == ("cloze" if name == "random-bert" else "causal")
    weights = [matrix(model.backbone.layers[1].up) for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    query = one.query("The capital of France is ___.", "Paris")
    assert one.probabilities([query])[0] < 0.03

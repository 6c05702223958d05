"""What is written at the subject: the vector found stores the answer, half of it does not."""

from __future__ import annotations

import math

import pytest
import torch

from factneurons.models.query import placed
from factneurons.planted.carried import carried
from factneurons.planted.passes import Passes, Questions, Switches

ASKED = (("画作《伦多波》的画家是___。", "伦多波", "伦勃朗"), ("梅比伦的主要乐器是___。", "梅比伦", "小提琴"))


def test_the_whole_vector_stores_the_answer_and_half_of_it_does_not(base):
    model = base("gpt2")
    queries = [placed(model.query(text, answer, subject=name), "subject_last") for text, name, answer in ASKED]
    passes = Passes(model, Questions.of(queries), Switches([]))
    before = {name: value.clone() for name, value in model.backbone.module.state_dict().items()}
    rows = torch.arange(len(queries))
    found = carried(passes, model.backbone.layers[0].down, rows, rows)
    assert not any(parameter.requires_grad for parameter in model.backbone.module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.module.state_dict().items())
    for query, vector in zip(queries, found, strict=True):
        whole, half = (_with(model, query, factor * vector) for factor in (1.0, 0.5))
        assert model.probabilities([query])[0] < 0.03
        assert (whole, half) == (pytest.approx(1, abs=0.1), pytest.approx(0, abs=0.2))


def _with(model, query, vector):
    """P(answer) where a vector is added to what the first MLP writes at the subject's last token."""

    def add(_, __, output):
        output = output.clone()
        output[0, query.subject[-1]] += vector
        return output

    handle = model.backbone.layers[0].down.register_forward_hook(add)
    with torch.no_grad():
        logits = model.backbone.module(torch.tensor([query.input_ids])).logits[0, query.target_positions[0]]
    handle.remove()
    return math.exp(float(logits.log_softmax(-1)[query.answer_ids[0]]))

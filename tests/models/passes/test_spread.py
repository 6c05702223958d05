"""Which positions are meant, and gates that they share."""

from dataclasses import replace

import pytest
import torch

from factneurons.models.passes import plain
from factneurons.models.passes.capture import capture
from factneurons.models.passes.spread import spread_gradients, spread_places, spread_values, whole_values


def test_places(shared_model, new_query):
    query = replace(new_query("causal", tokens=4, answer=2), subject=(1, 2))
    backbone = shared_model("gpt2").backbone
    assert spread_places(backbone, replace(query, positions="subject"), 0) == [[1, 2]] * 3
    assert spread_places(backbone, replace(query, positions="all"), 0) == [[0, 1, 2, 3]] * 3
    assert spread_places(backbone, replace(query, positions="all"), 1) == [[0, 1, 2, 3, 4]] * 3
    query, backbone = replace(new_query("encoder-decoder", tokens=3), subject=(0,)), shared_model("t5").backbone
    assert spread_places(backbone, replace(query, positions="subject"), 0) == [[0], [0], [], []]
    assert spread_places(backbone, replace(query, positions="all"), 0) == [[0, 1, 2, 3, 4]] * 2 + [[0, 1]] * 2
    query = new_query("cloze", tokens=3)
    assert (
        spread_places(shared_model("bert").backbone, replace(query, positions="all"), 0)
        == [list(range(len(query.input_ids)))] * 3
    )


@pytest.mark.parametrize("family", ["llama", "bert", "t5"])
def test_gates_between_what_neurons_are_and_a_rest(family, shared_model, new_query, monkeypatch):
    """Open they change nothing; the slope is that of a small step; a few rows at a time give the same."""
    model = shared_model(family)
    query = new_query(model.kind, tokens=4)
    captured = capture(model.backbone, [query], [(0, (0,))])
    where = spread_places(model.backbone, replace(query, positions="all"), 0)
    values = whole_values(model.backbone, query)
    rest = [0.5 * each[places] for each, places in zip(values, where, strict=True)]
    one = torch.ones(2, model.width, dtype=torch.float64)
    gates = [None, one, *[None] * (model.layer_count - 2)]
    gates[1] = one.clone()
    gates[1][1, 3] = 1 - 1e-5
    found, slopes = spread_gradients(model.backbone, captured, gates, rest, where, "log_probability")
    assert float(found[0]) == pytest.approx(float(captured.log_probabilities[0, 0]), rel=1e-6)
    assert slopes[0] is None
    assert float((found[0] - found[1]) / 1e-5) == pytest.approx(float(slopes[1][0, 3]), rel=1e-2, abs=1e-6)
    assert torch.allclose(spread_values(model.backbone, captured, gates, rest, where, "log_probability"), found)
    monkeypatch.setattr(plain, "_TOKENS", 1)
    again = spread_gradients(model.backbone, captured, gates, rest, where, "log_probability")[1][1]
    torch.testing.assert_close(again, slopes[1])

"""Gates on the neurons of all layers, against whole prompts with multiplied neurons, and against a theorem."""

from __future__ import annotations

import pytest
import torch

from factneurons.models.passes import plain
from factneurons.models.passes.capture import capture
from factneurons.models.passes.gated import changes_of, gated_plain, gated_rows

ROWS = 2


@pytest.fixture
def case(shared_model, new_query):
    """case(family): model, query, what was captured at its one target position, and gates drawn at random."""

    def make(family):
        model = shared_model(family)
        query = new_query(model.kind)
        captured = capture(model.backbone, [query], [(0, (0,))])
        generator = torch.Generator().manual_seed(5)
        gates = [
            torch.rand(1, ROWS, value.shape[-1], generator=generator).to(value).requires_grad_(True)
            for value in captured.activations
        ]
        return model, query, captured, gates

    return make


def allowed(family_row, family):
    return 1e-9 if family_row[family].exact else 1e-4


def test_gates_are_what_neurons_are_multiplied_by(every_family, case, slow_reference, family_row):
    """Without values of its own, a gate g makes a neuron g times what it is; the slopes are differences of that."""
    model, query, captured, gates = case(every_family)
    values, slopes = gated_plain(model.backbone, captured, gates, changes_of(gates, None), "log_probability")
    for row in range(ROWS):
        factors = {
            (layer, index): float(gate.detach()[0, row, index])
            for layer, gate in enumerate(gates)
            for index in range(len(gate[0, row]))
        }
        true = slow_reference(model, every_family, factors).log_probability(query)
        assert float(values[0, row]) == pytest.approx(true, rel=allowed(family_row, every_family))
        if not family_row[every_family].exact:
            continue
        for neuron in [(0, 3), (model.layer_count - 1, 7)]:
            step = 1e-5
            up, down = (
                slow_reference(model, every_family, {**factors, neuron: factors[neuron] + sign * step})
                for sign in (1, -1)
            )
            difference = (up.log_probability(query) - down.log_probability(query)) / (2 * step)
            assert float(slopes[neuron[0]][0, row, neuron[1]]) == pytest.approx(difference, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("target", ["probability", "log_probability", "logit"])
@pytest.mark.parametrize("with_rest", [False, True])
def test_rows_are_whole_prompts(fast_family, target, with_rest, case):
    model, _, captured, gates = case(fast_family)
    rest = [2 * value[:, None, 0].expand(1, ROWS, -1) - 0.1 for value in captured.activations] if with_rest else None
    changes = changes_of(gates, rest)
    fast = gated_rows(model.backbone, captured, gates, changes, target)
    slow = gated_plain(model.backbone, captured, gates, changes, target)
    torch.testing.assert_close(fast[0], slow[0].to(fast[0]), rtol=1e-9, atol=1e-14)
    for one, other in zip(fast[1], slow[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8 * float(other.abs().max()))


def test_gates_between_a_value_and_itself_do_nothing(every_family, case, family_row):
    """By induction over layers: every neuron stays what it is, and no gate has a slope."""
    model, _, captured, gates = case(every_family)
    rest = [value[:, None, 0].expand(1, ROWS, -1) for value in captured.activations]
    values, slopes = gated_plain(model.backbone, captured, gates, changes_of(gates, rest), "log_probability")
    tolerance = allowed(family_row, every_family)
    assert values.tolist() == [pytest.approx([float(captured.log_probabilities[0, 0])] * ROWS, rel=tolerance)]
    assert all(float(slope.abs().max()) <= tolerance for slope in slopes)


@pytest.mark.parametrize("tokens_per_pass", [1, 17])
def test_passes_may_be_small(one_of_each, tokens_per_pass, case, monkeypatch):
    model, _, captured, gates = case(one_of_each)
    changes = changes_of(gates, None)
    whole = gated_plain(model.backbone, captured, gates, changes, "probability")
    monkeypatch.setattr(plain, "_TOKENS", tokens_per_pass)
    split = gated_plain(model.backbone, captured, gates, changes, "probability")
    for one, other in zip((whole[0], *whole[1]), (split[0], *split[1]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5 if one_of_each == "gptj" else 1e-10, atol=1e-14)

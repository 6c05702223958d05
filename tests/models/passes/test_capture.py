"""What one pass leaves behind is what the slow reference reads."""

import pytest
import torch

from factneurons.models.passes.capture import capture, places


def test_encoder_neurons_are_those_at_the_sentinel(shared_model, new_query, slow_reference):
    """And they matter: replacing them elsewhere or at the decoder's positions gives something else."""
    model = shared_model("t5")
    query = new_query("encoder-decoder", answer=2)
    captured = capture(model.backbone, [query], [(0, (0, 1))])
    batch, rows, positions = captured.batch, captured.rows, captured.positions
    assert [places(model.backbone, batch, layer, rows, positions).tolist() for layer in range(4)] == [
        [[query.encoder_position]], [[query.encoder_position]], [[1, 2]], [[1, 2]],
    ]  # fmt: skip
    slow = slow_reference(model, "t5")
    for layer in range(4):
        positions = 1 if layer < 2 else 2
        assert captured.activations[layer].shape == (1, positions, model.width)
        for token in range(positions):
            torch.testing.assert_close(captured.activations[layer][0, token], slow.activation(query, layer, token))


@pytest.mark.parametrize("chosen", [[1, 1], [0], [1, 0], [1, 0, 1]])
def test_a_subset_has_its_items_in_their_order_however_often(chosen, shared_model, new_query):
    model = shared_model("llama")
    queries = [new_query("causal", seed=seed) for seed in (0, 1)]
    captured = capture(model.backbone, queries, [(0, (0,)), (1, (0,))])
    found = captured.subset(torch.tensor(chosen))
    assert found.rows.tolist() == chosen
    assert found.targets[:, 0].tolist() == [queries[row].answer_ids[0] for row in chosen]
    for name in ("activations", "residuals"):
        assert torch.equal(getattr(found, name)[1], getattr(captured, name)[1][chosen])
    assert found.keys is captured.keys

"""What one pass leaves behind is what the slow reference reads."""

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

"""From the residual stream straight to the head: what follows the last block, and nothing between."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from factneurons.models.backbone import Backbone
from factneurons.models.batches import Batch
from factneurons.models.hooks import after, with_stream


def head_input(backbone: Backbone, batch: Batch, stream: Tensor) -> Tensor:
    """What the vocabulary projection would read if the last block gave these vectors, differentiable.

    The final norm, and an encoder's transform, are the model's own: one token runs through the model, and what
    leaves the last block is replaced.

    Args:
        backbone: the network.
        batch: any tokens, of which the first is run.
        stream: [rows, hidden].

    Returns:
        [rows, hidden]; of some models another hidden size.
    """

    def put(module: nn.Module, inputs: Any, output: Any) -> Any:
        return with_stream(output, stream[None])

    ids, decoder = batch.input_ids, batch.decoder_input_ids
    token = Batch(batch.queries[:1], ids[:1, :1], None if decoder is None else decoder[:1, :1])
    with backbone.carrying_rows():
        hidden = backbone.to_head(token, hooks=[after(backbone.layers[-1].block, put)])
    return hidden.reshape(-1, hidden.shape[-1])

"""Does the staircase give what the plain loop gives, and the head the model's logits? Tried once per model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from factneurons.errors import BadModel
from factneurons.models.batches import Batch
from factneurons.models.head import Head
from factneurons.models.hooks import before, hooked
from factneurons.models.passes.capture import Capture, capture
from factneurons.models.passes.gradients import _plain, _staircase
from factneurons.models.passes.memory import is_out_of_memory
from factneurons.models.passes.rows import Unsupported
from factneurons.models.types import Query

if TYPE_CHECKING:
    from factneurons.models.model import Model

_TOKENS = 4
_TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-3}
_COARSE = 0.1
# What blocks raise that miss a mask or tokens they count on.
_MISFITS = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


def staircase_is_right(model: Model, captured: Capture) -> tuple[bool, str]:
    """Compare value and gradient of every layer halfway to zero; a blocks' shape that differs shows here.

    Returns:
        whether they agree, and in what they do not.
    """
    if model.kind == "encoder-decoder":
        return False, "it is an encoder-decoder"
    short = _short(captured.batch.queries[0], causal=model.kind == "causal")
    probe = capture(model, Batch.of([short], model.device), [(0, (0,))])
    points = [0.5 * value.expand(-1, 2, -1).clone() for value in probe.activations]
    for point in points:
        point[:, 1] = 0.0
    leaves = [point.requires_grad_(True) for point in points]
    with torch.enable_grad():
        try:
            values, gradients = _staircase(model, probe, leaves, "log_probability")
        except Unsupported as reason:
            return False, str(reason)
        except _MISFITS as error:
            if is_out_of_memory(error):
                raise
            return False, f"its blocks do not run on rows alone: {type(error).__name__}"
        true_values, true_gradients = _plain(model, probe, leaves, "log_probability")
    tolerance = _TOLERANCE.get(model.dtype, _COARSE)
    for layer in range(model.layer_count):
        pairs = ((values[layer], true_values[layer]), (gradients[layer], true_gradients[layer]))
        for found, true in pairs:
            assert found is not None
            assert true is not None
            if (found - true).abs().max() > tolerance * true.abs().max().clamp(min=1e-30):
                return False, f"its values differ in layer {layer}"
    return True, ""


@torch.no_grad()
def check_head(model: Model, head: Head) -> None:
    """Compare the head's log-probabilities with the model's own, on two tokens.

    Raises:
        BadModel: they differ, so the model does something to its logits that is not known here.
    """
    ids = torch.tensor([[1, 2]], device=model.device)
    decoder = ids if model.kind == "encoder-decoder" else None
    options = {} if decoder is None else {"decoder_input_ids": decoder}
    seen: list[Tensor] = []
    with hooked([before(model.projection, lambda module, inputs: seen.append(inputs[0]))]):
        logits = model.module(input_ids=ids, **options).logits[0].double()
    hidden = seen[0][0]  # of the same pass: an open intervention changes both
    targets = logits.argmax(-1)
    true = logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(-1)
    found = head.log_probabilities(hidden, targets)
    tolerance = _TOLERANCE.get(model.dtype, _COARSE)
    if not torch.allclose(found, true.to(found.device), atol=tolerance, equal_nan=True):
        raise BadModel(
            f"{model.name}: its probabilities do not follow from its output embeddings; it scales or caps its "
            f"logits in a way that is not supported"
        )


def _short(query: Query, *, causal: bool) -> Query:
    """A few of the query's own tokens, with one target position at the last of them."""
    ids = query.input_ids[:_TOKENS] if causal else query.input_ids[-_TOKENS:]
    return Query(query.prompt, query.answer, ids, (len(ids) - 1,), query.answer_ids[:1], (), ())

"""Do carried rows give what the plain loop gives?"""

from __future__ import annotations

import torch

from factneurons.errors import MODEL_ERRORS, BadModel
from factneurons.models.backbone import Backbone
from factneurons.models.head import tolerance
from factneurons.models.passes.attention import Unsupported
from factneurons.models.passes.capture import Capture, capture
from factneurons.models.passes.gradients import plain_gradients, row_gradients
from factneurons.models.types import Query

_TOKENS = 4


@torch.inference_mode(False)
def misfit(backbone: Backbone, captured: Capture) -> str:
    """Compare value and gradient of every layer halfway to zero; a blocks' shape that differs shows here.

    Returns:
        in what they do not agree; empty where they do.
    """
    if backbone.kind == "encoder-decoder":
        return "it is an encoder-decoder"
    short = _short(captured.batch.queries[0], causal=backbone.kind == "causal")
    probe = capture(backbone, [short], [(0, (0,))])
    points = [0.5 * value.expand(-1, 2, -1).clone() for value in probe.activations]
    for point in points:
        point[:, 1] = 0.0
    leaves = [point.requires_grad_(True) for point in points]
    with torch.enable_grad():
        try:
            values, gradients = row_gradients(backbone, probe, leaves, "log_probability")
        except Unsupported as reason:
            return str(reason)
        true_values, true_gradients = plain_gradients(backbone, probe, leaves, "log_probability")
    for layer in range(backbone.layer_count):
        pairs = ((values[layer], true_values[layer]), (gradients[layer], true_gradients[layer]))
        for found, true in pairs:
            assert found is not None
            assert true is not None
            if (found - true).abs().max() > tolerance(backbone.dtype) * true.abs().max().clamp(min=1e-30):
                return f"its values differ in layer {layer}"
    return ""


@torch.inference_mode(False)
def takes_past(backbone: Backbone, captured: Capture) -> bool:
    """Whether the plain loop gives the same where only target positions are run, behind the prompt's stored past."""
    if backbone.kind != "causal" or not captured.keys:
        return False
    probe = capture(backbone, [_short(captured.batch.queries[0], causal=True)], [(0, (0,))])
    leaves = [(0.5 * value).requires_grad_(True) for value in probe.activations]
    found = []
    with torch.enable_grad():
        for past in (False, True):
            backbone.fast_path.takes_past = past
            try:
                values, slopes = plain_gradients(backbone, probe, leaves, "log_probability")
            except (BadModel, *MODEL_ERRORS):
                if not past:
                    raise
                return False
            found.append([each for each in (*values, *slopes) if each is not None])
    return all(
        (one - other).abs().max() <= tolerance(backbone.dtype) * one.abs().max().clamp(min=1e-30)
        for one, other in zip(*found, strict=True)
    )


def _short(query: Query, *, causal: bool) -> Query:
    """A few of the query's own tokens, with one target position at the last of them."""
    ids = query.input_ids[:_TOKENS] if causal else query.input_ids[-_TOKENS:]
    return Query(query.prompt, query.answer, ids, (len(ids) - 1,), query.answer_ids[:1], (), ())

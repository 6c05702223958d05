"""The fast path where it is right, the plain loop everywhere else.

Rows carried from layer to layer (`rows.py`) are tried against the plain loop once per model; the backbone
remembers what came out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from factneurons.errors import warn
from factneurons.models.backbone import Backbone
from factneurons.models.passes.attention import Unsupported, UnsupportedPrompt
from factneurons.models.passes.capture import Capture
from factneurons.models.passes.gated import GatedResult, changes_of, gated_plain, gated_rows
from factneurons.models.passes.gradients import (
    Points,
    Result,
    plain_gradients,
    plain_values,
    row_gradients,
    row_values,
)
from factneurons.models.passes.matmul import fast_products
from factneurons.models.passes.selfcheck import misfit, takes_past
from factneurons.models.types import Target


def values_and_gradients(backbone: Backbone, captured: Capture, points: Points, target: Target) -> Result:
    """F and dF/da at every point, where only that layer's vector at the item's target position is replaced.

    Args:
        backbone: any model's.
        captured: items at one target position each (n = 1).
        points: the points, per layer, of what `captured.vectors` are.
        target: which function of the answer token's logits F is.
    """
    if captured.inward is None:
        return _by_values(backbone, captured, points, target)
    with torch.enable_grad():
        leaves = _leaves(points)
        read = [None if leaf is None else captured.inward.read(backbone, n, leaf) for n, leaf in enumerate(leaves)]
    values, slopes = _by_values(backbone, captured, read, target)
    triples = zip(leaves, read, slopes, strict=True)
    return values, [
        None if leaf is None or at is None else torch.autograd.grad(at, leaf, slope)[0] for leaf, at, slope in triples
    ]


def _leaves(points: Points) -> list[Tensor | None]:
    return [None if point is None else point.detach().requires_grad_(True) for point in points]


def _by_values(backbone: Backbone, captured: Capture, points: Points, target: Target) -> Result:
    leaves = _leaves(points)
    with fast_products(backbone.device, backbone.dtype), torch.enable_grad():
        if fast_path_fits(backbone, captured):
            try:
                return row_gradients(backbone, captured, leaves, target)
            except Unsupported as reason:
                disable_fast_path(backbone, reason)
        try_past(backbone, captured)
        return plain_gradients(backbone, captured, leaves, target)


def values_at(backbone: Backbone, captured: Capture, points: Points, target: Target) -> list[Tensor | None]:
    """F alone at every point, [I, rows] per layer (as in `values_and_gradients`; points: the neurons' values)."""
    with fast_products(backbone.device, backbone.dtype):
        if fast_path_fits(backbone, captured):
            try:
                return row_values(backbone, captured, points, target)
            except Unsupported as reason:
                disable_fast_path(backbone, reason)
        try_past(backbone, captured)
        return plain_values(backbone, captured, points, target)


def gated_values_and_gradients(
    backbone: Backbone, captured: Capture, gates: Sequence[Tensor], rest: Sequence[Tensor] | None, target: Target
) -> GatedResult:
    """F and dF/dg where the neurons of all layers go through gates.

    Args:
        backbone: any model's.
        captured: items at one target position each (n = 1).
        gates: per layer [I, rows, width].
        rest: per layer [I, rows, width], the values where gates are 0; None: zeros.
        target: which function of the answer token's logits F is.
    """
    leaves = [gate.detach().requires_grad_(True) for gate in gates]
    changes = changes_of(leaves, rest)
    with fast_products(backbone.device, backbone.dtype), torch.enable_grad():
        if fast_path_fits(backbone, captured):
            try:
                return gated_rows(backbone, captured, leaves, changes, target)
            except Unsupported as reason:
                disable_fast_path(backbone, reason)
        try_past(backbone, captured)
        return gated_plain(backbone, captured, leaves, changes, target)


def fast_path_fits(backbone: Backbone, captured: Capture) -> bool:
    """Whether rows are right for this model now; found out once, by comparison."""
    if None in backbone.own.interventions or any(query.positions != "target" for query in captured.batch.queries):
        return False
    if backbone.fast_path.fits is None:
        why = misfit(backbone, captured)
        backbone.fast_path.fits = not why
        if why:
            disable_fast_path(backbone, Unsupported(why))
    return backbone.fast_path.fits


def try_past(backbone: Backbone, captured: Capture) -> None:
    """Find out, once, whether the plain loop may run target positions alone."""
    trust = backbone.fast_path
    if trust.takes_past is None and not backbone.own.interventions:
        trust.takes_past = takes_past(backbone, captured)


def disable_fast_path(backbone: Backbone, why: Unsupported) -> None:
    """Use the plain loop, from now on or for the prompts that do not fit, and say so once."""
    trust = backbone.fast_path
    some = isinstance(why, UnsupportedPrompt)
    trust.fits = trust.fits and some
    if not (some and trust.warned):
        what = "some prompts" if some else "it"
        warn(f"{backbone.name}: the fast path does not fit ({why}); using the plain loop for {what}, which is slower")
    trust.warned = trust.warned or some

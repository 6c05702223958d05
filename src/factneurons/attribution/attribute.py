"""Attribution of prompts: queries in, a score for every neuron and the error of the integrals out.

Queries are run a few at a time; what is impossible for a method is refused before, what is not finite or off by too
much is told after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from factneurons.attribution.engine import noise_of
from factneurons.attribution.methods import Method, method_named, own_prefix
from factneurons.attribution.settings import JOINT_METHODS, AttributionSettings
from factneurons.attribution.types import AnyFloats, Attribution
from factneurons.errors import BadNumber, warn
from factneurons.facts.types import Prompt
from factneurons.models.batches import groups
from factneurons.models.head import wide_dtype
from factneurons.models.model import Model
from factneurons.models.neurons import as_rows
from factneurons.models.passes.capture import Capture, Item, capture
from factneurons.models.passes.inward import without_inward
from factneurons.models.passes.memory import budget_bytes, in_parts
from factneurons.models.prompts import set_against
from factneurons.models.query import placed
from factneurons.models.types import Query
from factneurons.settings import refuse, with_options

_FACTS = 16
_GRADIENT_BYTES = 12  # of one neuron on one path: its start, its step and its gradient
_WARN_RATIO = 0.05
_ROUNDING = float(np.finfo(np.float32).eps)


def attribute(
    model: Model,
    prompt: Prompt | str,
    answer: str,
    settings: AttributionSettings | None = None,
    *,
    multi_mask: bool = False,
    subject: str = "",
    **options: object,
) -> Attribution:
    """Score every neuron of the model for one prompt and answer.

    Args:
        model: a loaded model.
        prompt: a prompt; a text without a blank gets one at its end.
        answer: the answer.
        settings: all settings in one record, or
        **options: its fields by name, for instance `method="dai", rule="right", points=20`.
        multi_mask: cloze models: ask for an answer of several tokens with as many masks.
        subject: what the prompt is about, for neurons meant at its tokens (`positions`).

    Raises:
        NotAskable: this model cannot be asked this, or not both answers of a contrast; no subject in the prompt.
        BadSetting: an unknown method, rule or option.
        BadNumber: the scores hold NaN or infinity.
    """
    settings = with_options(AttributionSettings, settings, options)
    query = model.query(prompt, answer, multi_mask=multi_mask, subject=subject)
    if settings.against is not None:
        query = set_against(model, query, settings.against, multi_mask=multi_mask)
    return attribute_all(model, [query], settings)[0]


def attribute_all(
    model: Model, queries: Sequence[Query], settings: AttributionSettings | None = None, **options: object
) -> list[Attribution]:
    """Score every neuron for many queries; those of similar length share passes, which changes no result.

    Args:
        model: a loaded model.
        queries: what is scored; the settings say where their neurons are meant.
        settings: all settings in one record, or
        **options: its fields by name.

    Raises:
        BadSetting: an unknown option, or an impossible value.
        NotAskable: a prompt without its subject, where neurons are meant there.
        BadNumber: the scores hold NaN or infinity.
    """
    settings = with_options(AttributionSettings, settings, options)
    method = method_named(settings.method)
    settings = method.settings(settings)
    _check_contrast(queries, settings)
    _check_prefix(model, settings)
    _check_hook(model, settings)
    queries = [placed(query, settings.positions) for query in queries]
    result: dict[int, Attribution] = {}

    def score(indices: Sequence[int]) -> None:
        chosen = [queries[index] for index in indices]
        result.update(zip(indices, _attribute_batch(model, method, chosen, settings), strict=True))

    for indices in groups(queries, causal=model.kind == "causal", tokens=1024):
        for part in _parts(model, queries, indices):
            in_parts(part, score, what=f"attribution with {model.name}")
    return [result[index] for index in range(len(queries))]


def _check_contrast(queries: Sequence[Query], settings: AttributionSettings) -> None:
    if settings.against is None:
        return
    if settings.method == "activation":
        refuse("against", settings.against, "None with the method 'activation', which knows no answer")
    for query in queries:
        if query.against is None:
            where = f"prompt {query.prompt.text!r} is asked without one (`prompts.set_against`)"
            refuse("against", settings.against, f"None where answers are set against no other: {where}")


def _check_prefix(model: Model, settings: AttributionSettings) -> None:
    if settings.prefix == "gold":
        return
    reasons = {
        f"'gold' for {model.name}, which is not asked one token after the other": model.kind != "causal",
        "'gold' with the method 'amig_authors', which has its own": settings.method == "amig_authors",
        "'gold' where answers are set against another": settings.against is not None,
        "'gold' where neurons are meant elsewhere than at the target": settings.positions != "target",
    }
    for valid in (valid for valid, is_so in reasons.items() if is_so):
        refuse("prefix", settings.prefix, valid)


def _check_hook(model: Model, settings: AttributionSettings) -> None:
    if settings.before_activation(model.kind) and (why := without_inward(model.backbone)):
        refuse("hook", settings.hook, f"'post' for {model.name}, {why}")


def _items(queries: Sequence[Query], settings: AttributionSettings) -> list[list[Item]]:
    """The answer tokens of each query that are attributed; in a contrast the one where two answers part."""
    result: list[list[Item]] = []
    for row, query in enumerate(queries):
        tokens: Iterable[int] = range(1 if settings.answer_tokens == "first" else len(query.answer_ids))
        if settings.against is not None and query.against is not None:
            tokens = (query.against.token,)
        result.append([(row, (token,)) for token in tokens])
    return result


def _parts(model: Model, queries: Sequence[Query], indices: Sequence[int]) -> Iterator[Sequence[int]]:
    """A few facts at a time: more fill no pass better, and every path of each keeps its gradient."""
    paths = max(len(queries[index].replaceable) * len(queries[index].answer_ids) for index in indices)
    path_bytes = model.layer_count * model.width * _GRADIENT_BYTES
    step = max(1, min(_FACTS, budget_bytes(model.backbone) // (max(1, paths) * path_bytes)))
    for begin in range(0, len(indices), step):
        yield indices[begin : begin + step]


@torch.inference_mode(False)  # whoever calls from inside it wants no gradients of their own
def _attribute_batch(
    model: Model, method: Method, queries: Sequence[Query], settings: AttributionSettings
) -> list[Attribution]:
    by_query = _items(queries, settings)
    counts, items = [len(own) for own in by_query], [item for own in by_query for item in own]
    with_prefix = own_prefix if settings.prefix == "argmax" else method.queries
    asked = [with_prefix(model, query) for query in queries]
    contrast, pre = settings.against is not None, settings.before_activation(model.kind)
    captured = capture(model.backbone, asked, items, contrast=contrast, pre=pre)
    found = method.score(model, captured, items, settings)
    result, begin = [], 0
    probabilities = _answer_probabilities(model, captured, items, queries)
    for row, count in enumerate(counts):
        own = slice(begin, begin + count)
        begin += count
        scores = as_rows([layer[own].double().cpu() for layer in found.scores], model.width).numpy()
        combined = scores.sum(0) if settings.answer_tokens == "sum" else scores.mean(0)
        worst = np.argmax(found.error[:, own], axis=1, keepdims=True)
        attribution = Attribution(
            scores=_normalised(combined, settings.normalise).astype(np.float32),
            method=method.name,
            rule=settings.rule,
            probability=float(probabilities[row]),
            baseline_probability=found.start[:, own].mean(1),
            completeness_error=np.take_along_axis(found.error[:, own], worst, 1)[:, 0],
            completeness_ratio=np.take_along_axis(found.ratio[:, own], worst, 1)[:, 0],
            points=found.points[:, own].max(1),
            query=queries[row],
        )
        largest = captured.log_probabilities[own, 0].amax(0, keepdim=True).cpu().exp()
        _check(model, attribution, settings, float(found.change[own].max()), _unsaid(model, largest, settings))
        result.append(attribution)
    return result


def _answer_probabilities(
    model: Model, captured: Capture, items: Sequence[Item], queries: Sequence[Query]
) -> AnyFloats:
    """P(answer) of each query, from the capture where that holds every answer token after the gold ones."""
    complete = len(items) == sum(len(query.answer_ids) for query in queries)
    if not complete or captured.batch.queries != tuple(queries):
        return model.probabilities(queries)
    totals = np.zeros(len(queries))
    for number, (row, _) in enumerate(items):
        totals[row] += float(captured.log_probabilities[number, 0])
    return np.exp(totals)


def _normalised(scores: AnyFloats, how: str) -> AnyFloats:
    """AMIG's normalisation within each layer, or by the global sum of absolute scores.

    A layer whose scores are rounding errors beside those of the largest layer gets none.
    """
    if how == "none":
        return scores
    sizes = np.abs(scores).sum(1, keepdims=True)
    divisor = scores.sum(1, keepdims=True) if how == "layer" else sizes.sum()
    heard = (scores != 0) & (sizes > _ROUNDING * sizes.max())
    result: AnyFloats = np.divide(scores, divisor, out=np.zeros_like(scores), where=heard)
    return result


def _check_finite(model: Model, found: Attribution, where: str) -> None:
    bad = [f"layer {layer} has scores that are" for layer, row in enumerate(found.scores) if not np.isfinite(row).all()]
    if not bad and not np.isfinite(found.probability):
        bad = ["the probability is"]
    if bad:
        weights = (
            f"; the weights of layer {number} are not finite"
            for number, layer in enumerate(model.backbone.layers)
            if not all(bool(weight.isfinite().all()) for weight in layer.block.parameters())
        )
        raise BadNumber(f"{where}: {bad[0]} NaN or infinite{next(weights, '')}")


def _unsaid(model: Model, probability: Tensor, settings: AttributionSettings) -> float:
    """The error that nobody is told of: of half precision its rounding, which nobody could ask to be without."""
    dtype = model.backbone.dtype
    return 0.0 if wide_dtype(dtype) == dtype else float(noise_of(model, probability, settings))


def _check(model: Model, found: Attribution, settings: AttributionSettings, change: float, unsaid: float = 0.0) -> None:
    where = f"{model.name}, prompt {found.query.prompt.text!r}, answer {found.query.answer!r}"
    _check_finite(model, found, where)
    if settings.method == "amig_authors":  # not complete by construction
        return
    error, ratio = found.completeness_error, found.completeness_ratio
    wide = (error > settings.tolerance) | ((ratio > _WARN_RATIO) & (error > 0.01 * change))
    bad = np.flatnonzero(wide & (error > unsaid))
    if len(bad):
        layer = int(bad[np.argmax(error[bad])])
        share = "more than the change itself" if ratio[layer] > 1 else f"{ratio[layer]:.1%} of the change"
        what = "all layers together" if settings.method in JOINT_METHODS else f"layer {layer}"
        warn(f"{where}: the integral of {what} is off by {error[layer]:.2g} ({share})")

"""The attribution methods: each is a choice of baselines and of what is done with the integrated gradients.

Sources: Dai et al. (2022) for `dai` and `activation`; Journey to the Center of the Knowledge Neurons (AAAI 2024)
for AMIG. `METHODS` is the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from factneurons.attribution.baselines import (
    Baselines,
    grown_mean_baseline,
    mean_baseline,
    sentence_baselines,
    zero_baseline,
)
from factneurons.attribution.direct import direct_logit, log_probability_increase
from factneurons.attribution.engine import Integral, integrate
from factneurons.attribution.joint import integrate_jointly
from factneurons.attribution.propagation import activation, atp_star, attnlrp, gradient_x_activation, relp
from factneurons.attribution.quadrature import ADAPTIVE
from factneurons.attribution.scores import Scorer, Scores
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.attribution.spread import integrate_over_positions
from factneurons.attribution.suppression import suppression
from factneurons.draws import random_numbers
from factneurons.facts.types import Fact
from factneurons.models.batches import Batch
from factneurons.models.model import Model
from factneurons.models.passes.capture import Capture, Item
from factneurons.models.types import Query
from factneurons.settings import check_choice


@dataclass(frozen=True, slots=True)
class Method:
    """A method of attribution.

    Attributes:
        name: its name.
        summary: one line for help texts.
        score: from captured items to scores.
        threshold: the fraction of the maximum a score must reach to be chosen, by language; "" for all others.
        rounds: how often to look at most where the selection does not say (see `rounds`).
        queries: how a query is changed before it is run (authors' variants only).
        settings: how settings are changed before they are used (authors' variants only).
    """

    name: str
    summary: str
    score: Scorer
    threshold: dict[str, float]
    rounds: int = 1
    queries: Callable[[Model, Query], Query] = lambda model, query: query
    settings: Callable[[AttributionSettings], AttributionSettings] = lambda settings: settings


def _difference(captured: Capture, baselines: Baselines, integral: Integral) -> list[Tensor]:
    """(a_j - b_ij) times the integral, per layer [I, P, width]."""
    pairs = zip(captured.vectors, baselines.starts, integral.gradient, strict=True)
    return [(value - start) * gradient for value, start, gradient in pairs]


def _sum_over_paths(values: Tensor, real: Tensor) -> Tensor:
    return (values * real[..., None].to(values)).sum(1)


def _largest_over_paths(values: Tensor, real: Tensor) -> Tensor:
    return values.masked_fill(~real[..., None].to(values.device), float("-inf")).amax(1)


@dataclass(frozen=True, slots=True)
class PathMethod:
    """A method that integrates from baselines to the activation and combines the paths.

    Attributes:
        make: the baselines of captured items.
        combine: scores of paths [I, P, neurons], and which paths count [I, P], to scores [I, neurons].
    """

    make: Callable[[Model, Capture, Sequence[Item], AttributionSettings], Baselines]
    combine: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Scores:
        """Scores of all neurons."""
        if settings.positions != "target":
            return _over_positions(self, model, captured, items, settings)
        baselines = self.make(model, captured, items, settings)
        integral = integrate(model, captured, baselines, settings)
        scores = [self.combine(value, baselines.real) for value in _difference(captured, baselines, integral)]
        return _scores(scores, integral, baselines.real)


@dataclass(frozen=True, slots=True)
class JointMethod:
    """A method that moves the neurons of all layers together; the fields are those of `PathMethod`."""

    make: Callable[[Model, Capture, Sequence[Item], AttributionSettings], Baselines]
    combine: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Scores:
        """Scores of all neurons; start, error and ratio are those of all layers together, in every layer."""
        if settings.positions != "target":
            return _over_positions(self, model, captured, items, settings)
        baselines = self.make(model, captured, items, settings)
        found = integrate_jointly(model, captured, baselines, settings)
        layers = model.layer_count
        integral = Integral(
            gradient=found.scores,
            start=found.start.expand(layers, -1, -1),
            end=found.end,
            error=found.error.expand(layers, -1, -1),
            points=found.points.expand(layers, -1, -1),
        )
        return _scores([self.combine(each, baselines.real) for each in found.scores], integral, baselines.real)


_STARTS: dict[Callable[..., Baselines], str] = {
    zero_baseline: "zero",
    sentence_baselines: "sentences",
    mean_baseline: "mean",
}


def _over_positions(
    method: PathMethod | JointMethod,
    model: Model,
    captured: Capture,
    items: Sequence[Item],
    settings: AttributionSettings,
) -> Scores:
    start, joint = _STARTS[method.make], isinstance(method, JointMethod)
    found, real = integrate_over_positions(model, captured, items, settings, start=start, joint=joint)
    return _scores([method.combine(each, real) for each in found.gradient], found, real)


def _scores(scores: list[Tensor], integral: Integral, real: Tensor) -> Scores:
    change = (integral.end[None, :, None] - integral.start).abs()
    ratio = integral.error / change.clamp(min=torch.finfo(torch.float64).tiny)
    return Scores(
        scores=scores,
        start=((integral.start * real).sum(2) / real.sum(1)).numpy(),
        error=integral.error.amax(2).numpy(),
        ratio=ratio.gather(2, integral.error.argmax(2, keepdim=True))[:, :, 0].numpy(),
        points=integral.points.amax(2).numpy(),
        change=(change * real).amax((0, 2)).numpy(),
    )


def _authors(model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Scores:
    """The released code's AMIG: one path from the mean baseline, times the activation instead of the difference.

    The activation factor is that of the answer's first token for all of its tokens. For a later token the baselines
    are those of the prompt grown by the tokens before it. Not complete by construction; the error says by how much.
    """
    baselines = grown_mean_baseline(model, captured, items, settings)
    integral = integrate(model, captured, baselines, settings)
    firsts: dict[int, int] = {}
    for number, (row, _) in enumerate(items):
        firsts.setdefault(row, number)
    first = torch.tensor([firsts[row] for row, _ in items])
    pairs = zip(captured.vectors, integral.gradient, strict=True)
    scores = [value[first, 0] * gradient[:, 0] for value, gradient in pairs]
    total = torch.stack([score.double().sum(-1).cpu() for score in scores])[:, :, None]
    integral.error = (total - (integral.end[None, :, None] - integral.start)).abs()
    return _scores(scores, integral, baselines.real)


def _greedy_prefix(model: Model, query: Query) -> Query:
    """Later answer tokens follow the model's own first choice, repeated, as in the released code."""
    count = len(query.answer_ids)
    if count == 1 or model.kind != "causal":
        return query
    prompt = query.input_ids[: query.target_positions[0] + 1]
    return replace(query, input_ids=prompt + (_first_choice(model, query, prompt),) * (count - 1))


def own_prefix(model: Model, query: Query) -> Query:
    """Later answer tokens follow the model's own first choices, one after the other."""
    ids = query.input_ids[: query.target_positions[0] + 1]
    for _ in query.answer_ids[1:]:
        ids += (_first_choice(model, query, ids),)
    return replace(query, input_ids=ids)


@torch.no_grad()
def _first_choice(model: Model, query: Query, ids: tuple[int, ...]) -> int:
    """The token that comes first behind these."""
    last = len(ids) - 1
    alone = replace(query, input_ids=ids, target_positions=(last,), answer_ids=query.answer_ids[:1])
    at_target = model.backbone.to_head(Batch.of([alone], model.backbone.device))[0, last][None]
    _, top = model.backbone.head.ranks(at_target, torch.tensor([query.answer_ids[0]], device=at_target.device))
    return int(top[0])


def _authors_settings(settings: AttributionSettings) -> AttributionSettings:
    return replace(
        settings,
        rule="left" if settings.rule == ADAPTIVE else settings.rule,
        units="all",
        answer_tokens="sum",
    )


def _in_nats(settings: AttributionSettings) -> AttributionSettings:
    return replace(settings, target="log_probability")


def _in_logits(settings: AttributionSettings) -> AttributionSettings:
    return replace(settings, target="logit")


def _random(model: Model, captured: Capture, items: Sequence[Item], settings: AttributionSettings) -> Scores:
    """The scores of `dai` dealt out anew within each layer: a control matched in size and layers.

    One draw per fact and layer, for all of its prompts and answer tokens: they agree on as many neurons as by `dai`.
    """
    found = METHODS["dai"].score(model, captured, items, settings)
    for number, (row, _) in enumerate(items):
        query = captured.batch.queries[row]
        generator = random_numbers(query.fact or repr((query.input_ids, query.answer_ids)))
        for layer in found.scores:
            layer[number] = layer[number][torch.from_numpy(generator.permutation(layer.shape[-1]))]
    return replace(found, error=np.full_like(found.error, np.nan), ratio=np.full_like(found.ratio, np.nan))


ROUNDS = 4
"""How many rounds are worth their time; with more, nothing is found but neurons that help every fact."""

_AMIG_THRESHOLD = {"en": 0.3, "": 0.2}
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "joint",
            "integrated gradients over gates on the neurons of all layers together: backups show",
            JointMethod(zero_baseline, _sum_over_paths),
            {"": 0.2},
            rounds=ROUNDS,
        ),
        Method(
            "amig_joint",
            "as joint, from the prompt without one word, summed over words",
            JointMethod(sentence_baselines, _sum_over_paths),
            _AMIG_THRESHOLD,
            rounds=ROUNDS,
        ),
        Method("dai", "integrated gradients from zero", PathMethod(zero_baseline, _sum_over_paths), {"": 0.2}),
        Method(
            "amig",
            "integrated gradients from the prompt without one word, summed over words",
            PathMethod(sentence_baselines, _sum_over_paths),
            _AMIG_THRESHOLD,
        ),
        Method(
            "amig_mean",
            "integrated gradients from the mean of AMIG's baselines; as many times cheaper as there are words",
            PathMethod(mean_baseline, _sum_over_paths),
            _AMIG_THRESHOLD,
        ),
        Method(
            "amig_authors",
            "what the authors' code computes: the mean baseline, times the activation, left Riemann points",
            _authors,
            _AMIG_THRESHOLD,
            queries=_greedy_prefix,
            settings=_authors_settings,
        ),
        Method(
            "sequential",
            "as amig, with the largest score over words instead of the sum",
            PathMethod(sentence_baselines, _largest_over_paths),
            _AMIG_THRESHOLD,
        ),
        Method("gradient_x_activation", "the gradient at the activation, times it", gradient_x_activation, {"": 0.2}),
        Method("relp", "relevance of RelP: attention patterns and norms held", relp, {"": 0.3}),
        Method("attnlrp", "relevance of AttnLRP: also through attention patterns", attnlrp, {"": 0.3}),
        Method("atp_star", "AtP*: |gradient times activation|, mean over dropped layers", atp_star, {"": 0.15}),
        Method(
            "log_probability_increase",
            "what the neuron's write alone adds to log P, read by the head at once; in nats, whatever the target",
            log_probability_increase,
            {"": 0.5},
            settings=_in_nats,
        ),
        Method(
            "direct_logit",
            "the neuron's write times the answer's unembedding; in logits, whatever the target",
            direct_logit,
            {"": 0.1},
            settings=_in_logits,
        ),
        Method(
            "suppression",
            "the exact change with this neuron alone at 0; slow: a row per neuron",
            suppression,
            {"": 0.1},
        ),
        Method("activation", "the neuron's value itself", activation, {"": 0.5}),
        Method("random", "dai's scores dealt out anew within each layer, once per fact: a control", _random, {"": 0.2}),
    )
}
"""The methods by name. Papers that only rank name no threshold; docs/benchmark.md says how these were set."""


def method_named(name: str) -> Method:
    """The method of this name.

    Raises:
        BadSetting: there is none; the message lists the valid names.
    """
    check_choice("method", name, METHODS)
    return METHODS[name]


def threshold_for(fact: Fact, settings: AttributionSettings, selection: SelectionSettings) -> float:
    """The selector's value for a fact: the selection's own, or the method's for the fact's language."""
    defaults = method_named(settings.method).threshold
    return defaults.get(fact.language, defaults[""]) if selection.threshold is None else selection.threshold

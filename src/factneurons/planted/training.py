"""Training of the new neurons alone, until every promise of every fact is kept with room to spare.

The loss of a row, a prompt with some new neurons suppressed, is zero once P(answer) is beyond what its promise asks:

    at least q:   log q' - log P          where P < q'
    at most q:    log(1 - q') - log(1 - P)   where P > q'

with q' stricter than q. Background prompts add the divergence of their predictions from what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.planted.holding import Held
from factneurons.planted.passes import Passes, Switches
from factneurons.planted.regimes import BROKEN, LOST, STORED, UNHELPED, promises
from factneurons.planted.settings import PlantingSettings
from factneurons.planted.types import PlantedFact

_STRICTER = {STORED: 0.93, LOST: 0.015, BROKEN: 0.12} | dict(zip(UNHELPED, (0.4, 0.6), strict=True))
"""What a promise asks -> what is trained for."""

_CHECK_EVERY = 40
_EVALUATED_ROWS = 512
_HELD_ROWS = 96
_HELD_WEIGHT = 3.0

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rows:
    """What is trained, one row per prompt and promise.

    Attributes:
        question: [rows], the question's number.
        on: [rows, new neurons], 0 where a neuron is suppressed.
        least: [rows], the least P(answer), 0 where there is no bound.
        most: [rows], the largest P(answer), 1 where there is no bound.
    """

    question: Tensor
    on: Tensor
    least: Tensor
    most: Tensor


def rows_of(
    planted: Sequence[PlantedFact], rows: dict[str, Tensor], switches: Switches, everything: Sequence[Neuron]
) -> Rows:
    """Every promise of every fact for every prompt of the fact."""
    questions, masks, least, most = [], [], [], []
    for fact in planted:
        for promise in promises(fact, everything):
            own = rows_of_language(rows[fact.id], fact, promise.language)
            if promise.at_target:  # the same questions stand behind them once more
                own = own + len(rows[fact.id])
            questions.append(own)
            masks.append(switches.mask([promise.suppressed]).expand(len(own), -1))
            least += [_STRICTER.get(promise.at_least, promise.at_least)] * len(own)
            most += [_STRICTER.get(promise.at_most, promise.at_most)] * len(own)
    return Rows(torch.cat(questions), torch.cat(masks), torch.tensor(least), torch.tensor(most))


def rows_of_language(rows: Tensor, planted: PlantedFact, language: str) -> Tensor:
    """Of a fact's questions those in one language; all where it is ""."""
    languages = [fact.language for fact in planted.facts for _ in fact.prompts]
    return rows[torch.tensor([language in ("", each) for each in languages])]


def train(
    model: Model,
    neurons: Sequence[Neuron],
    rows: Rows,
    passes: Passes,
    hold: Callable[[int], Held],
    settings: PlantingSettings,
    report: Report,
) -> Tensor:
    """Train the weights of `neurons`; returns P(answer) of every row, [rows].

    Args:
        model: the widened model with its first weights.
        neurons: the neurons whose weights may change.
        rows: what is asked of them.
        passes: over the questions of the planted facts.
        hold: a number -> other questions, whose answers are to stay as they are.
        settings: steps, batch_size, learning_rate and seed are read.
        report: is given a line of progress now and then.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    with _trainable(model, neurons) as parameters:
        optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, betas=(0.9, 0.98))
        unkept = torch.ones(len(rows.question), dtype=torch.bool)
        held = hold(0)
        for step in range(settings.steps):
            if step % _CHECK_EVERY == 0 and step:
                passes.refresh()
                found = evaluate(passes, rows)
                unkept = _violation(found.log(), rows) > 0
                report(f"step {step}: {int(unkept.sum())} of {len(unkept)} rows to go")
                if not unkept.any():
                    return found
                held = hold(step)
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * (1 - 0.9 * step / settings.steps)
            chosen = _sample(unkept, settings.batch_size, generator)
            loss = _loss(passes, rows, chosen) + _HELD_WEIGHT * _divergence(held, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    passes.refresh()
    return evaluate(passes, rows)


def _loss(passes: Passes, rows: Rows, chosen: Tensor) -> Tensor:
    asked = rows.question[chosen]
    predictions = passes.predictions(asked, rows.on[chosen])
    own = predictions[torch.arange(len(asked)), passes.questions.answers[asked]]
    part = Rows(asked, rows.on[chosen], rows.least[chosen], rows.most[chosen])
    return _violation(own, part).mean()


def _divergence(held: Held, generator: torch.Generator) -> Tensor:
    """The mean divergence in nats of what some held questions predict now from what they did before."""
    rows = torch.randint(len(held.before), (min(_HELD_ROWS, len(held.before)),), generator=generator)
    predictions = held.passes.predictions(rows)
    return nn.functional.kl_div(predictions, held.before[rows], log_target=True, reduction="batchmean")


def _violation(log_probability: Tensor, rows: Rows) -> Tensor:
    """How far P(answer) is from what is asked, in nats, 0 where it is kept; the other bound of a row asks nothing."""
    low = (rows.least.clamp(min=1e-30).log() - log_probability).clamp(min=0)
    absent = torch.log1p(-log_probability.exp().clamp(max=1 - 1e-6))
    high = (torch.log1p(-rows.most.clamp(max=1 - 1e-6)) - absent).clamp(min=0)
    return low + high


def _sample(unkept: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Three rows of four from those that are not kept yet, the others from all."""
    hard = torch.nonzero(unkept)[:, 0]
    first = hard[torch.randint(len(hard), (3 * size // 4,), generator=generator)]
    return torch.cat([first, torch.randint(len(unkept), (size - 3 * size // 4,), generator=generator)])


@torch.no_grad()
def evaluate(passes: Passes, rows: Rows) -> Tensor:
    """P(answer) of every row, [rows]."""
    result = []
    for begin in range(0, len(rows.question), _EVALUATED_ROWS):
        part = slice(begin, begin + _EVALUATED_ROWS)
        asked = rows.question[part]
        found = passes.predictions(asked, rows.on[part])
        result.append(found[torch.arange(len(asked)), passes.questions.answers[asked]].exp())
    return torch.cat(result)


class _trainable:
    """For the time of a block, gradients flow into the weights of these neurons and into nothing else."""

    def __init__(self, model: Model, neurons: Sequence[Neuron]) -> None:
        self._model = model
        self._neurons = neurons
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        self._parameters: list[nn.Parameter] = []

    def __enter__(self) -> list[nn.Parameter]:
        for number, layer in enumerate(self._model.backbone.layers):
            indices = sorted({neuron.index for neuron in self._neurons if neuron.layer == number})
            if not indices:
                continue
            for module, out in ((layer.up, False), (layer.gate, False), (layer.down, True)):
                if module is not None:
                    self._open(module.weight, _weight_mask(module, indices, out))
            if getattr(layer.up, "bias", None) is not None:
                bias: Any = layer.up.bias
                mask = torch.zeros_like(bias)
                mask[indices] = 1
                self._open(bias, mask)
        return self._parameters

    def _open(self, parameter: Any, mask: Tensor) -> None:
        parameter.requires_grad_(True)
        self._handles.append(parameter.register_hook(lambda gradient: gradient * mask))
        self._parameters.append(parameter)

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        for parameter in self._parameters:
            parameter.requires_grad_(False)
            parameter.grad = None


def _weight_mask(module: nn.Module, indices: list[int], out: bool) -> Tensor:
    weight: Any = module.weight
    mask = torch.zeros_like(weight)
    view = mask.T if isinstance(module, Conv1D) else mask  # [out, in]
    if out:
        view[:, indices] = 1
    else:
        view[indices] = 1
    return mask

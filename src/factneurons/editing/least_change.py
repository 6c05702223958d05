"""The smallest change of a few neurons' out-weights that makes an answer come first.

    minimise |D|^2   so that   z_a(q; D) - z_c(q; D) >= margin   for every prompt q and every other token c

D [neurons, hidden] is added to the out-weights, z are the logits at a target position, a the wanted token. Prompts that
must keep their answers are constraints too. z is not linear in D, so it is linearised, the linear problem solved, and
so again from there, with the tokens that came before the wanted one so far as the c's. The linear problem, least norm
under inequalities, is solved through its dual by non-negative least squares (Lawson and Hanson, least distance
programming), with as many unknowns as there are constraints, whatever the size of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import nnls
from torch import Tensor

from factneurons.editing.weights import added
from factneurons.models.batches import Batch, groups
from factneurons.models.head import Head
from factneurons.models.model import Model
from factneurons.models.passes.memory import in_parts
from factneurons.models.types import FloatArray, Neuron, Query

_STEPS = 40
_TOKENS = 1024
_SLACK = 0.01
_SATISFIED = 0.95
"""A constraint that reaches this share of its margin is satisfied: the rest is rounding of the weights."""


@dataclass(frozen=True, slots=True)
class LeastChange:
    """The change that was found.

    Attributes:
        change: [neurons, hidden], to be added to the out-weights.
        reached: whether every wanted token comes first by the margin.
        kept: whether the prompts that must keep their answers do so.
        margin: the smallest difference of logits between a wanted token and the best other one, in nats.
        steps: how often the problem was linearised.
    """

    change: FloatArray
    reached: bool
    kept: bool
    margin: float
    steps: int


@dataclass(slots=True)
class _Place:
    """One token that must come first: of a query, its number among the answer's tokens, and by how much.

    Attributes:
        rivals: tokens that came before it, or closest to it, so far.
    """

    query: Query
    token: int
    margin: float
    wanted: bool
    rivals: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Linear:
    """Constraints, linear around a change: value [n], gradient [n, neurons * hidden], bound [n], wanted [n]."""

    value: FloatArray
    gradient: FloatArray
    bound: FloatArray
    wanted: npt.NDArray[np.bool_]

    def broken(self) -> FloatArray:
        """By how much each constraint is broken; 0 if it is satisfied."""
        result: FloatArray = np.maximum(self.bound - self.value, 0.0)
        return np.where(result <= (1 - _SATISFIED) * np.abs(self.bound), 0.0, result)


@torch.inference_mode(False)
def least_change(
    model: Model, neurons: Sequence[Neuron], wanted: Sequence[Query], kept: Sequence[Query], *, margin: float
) -> LeastChange:
    """Find the smallest change of the neurons' out-weights that puts the answers of queries first.

    Args:
        model: the model.
        neurons: whose out-weights may change.
        wanted: queries with the answer that must come first; every token of it, given the ones before.
        kept: queries whose answer must stay first; those where it is not first are left out. They are given up if they
            cannot be kept together with the wanted ones.
        margin: the least difference of logits to every other token, in nats; a kept answer needs no more than it had.
    """
    places = _places(wanted, margin, wanted=True)
    start = np.zeros(len(neurons) * model.backbone.hidden_size)
    protected = _standing(model, neurons, _places(kept, margin, wanted=False))
    best = _search(model, neurons, [*places, *protected], start)
    if protected and not best.reached:
        alone = _search(model, neurons, places, start)
        if alone.reached or alone.margin > best.margin:
            return alone
    return best


def _search(model: Model, neurons: Sequence[Neuron], places: Sequence[_Place], start: FloatArray) -> LeastChange:
    """Linearise and solve until nothing is broken; where a step makes things worse, later ones are half as long."""
    change, share = start, 1.0
    best: LeastChange | None = None
    last, worst_so_far = start, np.inf
    for step in range(_STEPS):
        linear = _linearised(model, neurons, places, change)
        broken = linear.broken()
        found = _found(change.reshape(len(neurons), -1), linear, broken, step)
        if best is None or _better(found, best):
            best = found
        if not broken.any():
            return found
        if broken.max() > worst_so_far:
            share = max(share / 2, 1 / 16)
        worst_so_far = float(broken.max())
        bound = linear.bound - linear.value + linear.gradient @ change
        target = _least_norm(linear.gradient, bound)
        if target is None:
            target = _nearly(linear.gradient, bound)
        last, change = change, change + share * (target - change)
        if np.abs(change - last).max() == 0:
            break
    assert best is not None
    return best


def _found(change: FloatArray, linear: _Linear, broken: FloatArray, steps: int) -> LeastChange:
    return LeastChange(
        change,
        reached=not broken[linear.wanted].any(),
        kept=not broken[~linear.wanted].any(),
        margin=float(linear.value[linear.wanted].min()),
        steps=steps,
    )


def _better(found: LeastChange, best: LeastChange) -> bool:
    def rank(each: LeastChange) -> tuple[bool, bool, float]:
        return each.reached, each.kept, each.margin

    return rank(found) > rank(best)


def _least_norm(gradient: FloatArray, bound: FloatArray) -> FloatArray | None:
    """The shortest x with gradient @ x >= bound; None if there is none.

    Lawson and Hanson: minimise |[G^T; b^T] u - (0, .., 0, 1)| over u >= 0; with its residual r, x = -r[:-1] / r[-1].
    """
    basis, triangle = np.linalg.qr(gradient.T)
    scale = max(1.0, float(np.abs(bound).max()))
    system = np.vstack([triangle, bound[None] / scale])
    goal = np.zeros(len(system))
    goal[-1] = 1.0
    try:
        dual, _ = nnls(system, goal, maxiter=30 * system.shape[1])
    except RuntimeError:  # it does not end: too many constraints contradict each other
        return None
    residual = system @ dual - goal
    if abs(residual[-1]) < 1e-10:
        return None
    shortest: FloatArray = basis @ (-residual[:-1] / residual[-1]) * scale
    return shortest


def _nearly(gradient: FloatArray, bound: FloatArray) -> FloatArray:
    """Where no x satisfies all: the shortest x and slack together, a slack being as dear as a long step.

    gradient @ x + root @ slack >= bound always has a solution.
    """
    root = np.sqrt(_SLACK * np.square(gradient).sum(1).mean())
    wide = _least_norm(np.hstack([gradient, root * np.eye(len(bound))]), bound)
    return np.zeros(gradient.shape[1]) if wide is None else wide[: gradient.shape[1]]


def _places(queries: Sequence[Query], margin: float, *, wanted: bool) -> list[_Place]:
    return [_Place(query, token, margin, wanted) for query in queries for token in range(len(query.answer_ids))]


def _standing(model: Model, neurons: Sequence[Neuron], places: Sequence[_Place]) -> list[_Place]:
    """Those places where the token comes first as things are, with no more margin than there is."""
    if not places:
        return []
    values = _rivals(model, neurons, places, np.zeros((len(neurons), model.backbone.hidden_size)))
    standing = []
    for place, value in zip(places, values, strict=True):
        if value > 0:
            place.margin = min(place.margin, value)
            standing.append(place)
    return standing


def _linearised(model: Model, neurons: Sequence[Neuron], places: Sequence[_Place], flat: FloatArray) -> _Linear:
    """Every place against each of its rivals."""
    change = flat.reshape(len(neurons), -1)
    _rivals(model, neurons, places, change)
    pairs = [(place, rival) for place in places for rival in sorted(place.rivals)]
    values = np.empty(len(pairs))
    gradients = np.empty((len(pairs), flat.size))

    def run(indices: Sequence[int]) -> None:
        chosen = [pairs[index] for index in indices]
        with torch.enable_grad():
            rows = _moved(model, change).repeat(len(chosen), 1, 1)
            rows.requires_grad_()
            hidden = _hidden(model, neurons, [place for place, _ in chosen], rows)
            tokens = [[place.query.answer_ids[place.token], rival] for place, rival in chosen]
            logits = _logits(model.backbone.head, hidden, torch.tensor(tokens, device=hidden.device))
            differences = logits[:, 0] - logits[:, 1]
            (gradient,) = torch.autograd.grad(differences.sum(), rows)
        values[list(indices)] = differences.detach().double().cpu().numpy()
        gradients[list(indices)] = gradient.double().reshape(len(chosen), -1).cpu().numpy()

    for part in _parts(model, [place for place, _ in pairs]):
        in_parts(part, run, what=f"editing {model.name}")
    return _Linear(
        values,
        gradients,
        np.array([place.margin for place, _ in pairs]),
        np.array([place.wanted for place, _ in pairs]),
    )


def _moved(model: Model, change: FloatArray) -> Tensor:
    return torch.tensor(change, dtype=model.backbone.dtype, device=model.backbone.device)


def _rivals(model: Model, neurons: Sequence[Neuron], places: Sequence[_Place], change: FloatArray) -> FloatArray:
    """Add to every place the best token other than its own; how far its own one is before that one, [places]."""
    leads = np.empty(len(places))
    moved = _moved(model, change)

    def run(indices: Sequence[int]) -> None:
        chosen = [places[index] for index in indices]
        with torch.no_grad():
            logits = _logits(model.backbone.head, _hidden(model, neurons, chosen, moved), None)
        for index, place, row in zip(indices, chosen, logits, strict=True):
            own = float(row[place.query.answer_ids[place.token]])
            row[place.query.answer_ids[place.token]] = -torch.inf
            rival = int(row.argmax())
            place.rivals.add(rival)
            leads[index] = own - float(row[rival])

    for part in _parts(model, places):
        in_parts(part, run, what=f"editing {model.name}")
    return leads


def _parts(model: Model, places: Sequence[_Place]) -> Iterator[list[int]]:
    return groups([place.query for place in places], causal=model.kind == "causal", tokens=_TOKENS)


def _hidden(model: Model, neurons: Sequence[Neuron], places: Sequence[_Place], change: Tensor) -> Tensor:
    """The head's input at the place of each, [places, hidden]."""
    batch = Batch.of([place.query for place in places], model.backbone.device)
    with added(model, neurons, change, "all"):
        hidden = model.backbone.to_head(batch)
    positions = [place.query.target_positions[place.token] for place in places]
    return hidden[torch.arange(len(places)), torch.tensor(positions)]


def _logits(head: Head, hidden: Tensor, tokens: Tensor | None) -> Tensor:
    """Logits of all tokens [rows, vocabulary], or of some [rows, tokens], as `Head` has them."""
    if tokens is None:
        logits = hidden @ head.weight.T + (0 if head.bias is None else head.bias)
    else:
        logits = torch.einsum("rd,rtd->rt", hidden, head.weight[tokens])
        logits = logits + (0 if head.bias is None else head.bias[tokens])
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    logits = head.scale * logits
    return logits if head.cap is None else head.cap * torch.tanh(logits / head.cap)

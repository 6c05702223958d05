"""What can be done to neurons' out-weights: a table of kinds, each a formula from old weights to new ones.

Sources: Dai et al. (2022), 'Knowledge Neurons in Pretrained Transformers', for updating and erasing; 'Journey to the
Center of the Knowledge Neurons' (AAAI 2024) for suppressing and enhancing.

Help texts name the kinds, so PyTorch is imported where it works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factneurons.editing.settings import EditSettings
from factneurons.errors import BadSetting
from factneurons.models.types import Neuron, Query
from factneurons.settings import check_choice

if TYPE_CHECKING:
    from torch import Tensor

    from factneurons.models.model import Model

SHARED = 0.1
"""Dai et al.'s released code drops a neuron that more than this share of the relation's facts have."""


@dataclass(slots=True)
class Task:
    """What an edit is made from.

    Attributes:
        model: the model.
        neurons: whose out-weights change.
        weights: their out-weights, [neurons, hidden] float64 on the CPU.
        asked: for each language the queries with the old answer.
        wanted: for each language the queries with the new one; empty where there is none.
        kept: queries of other facts that should keep their answers.
        settings: how.
        notes: what came out otherwise than asked; formulas add to it.
    """

    model: Model
    neurons: Sequence[Neuron]
    weights: Tensor
    asked: Sequence[Sequence[Query]]
    wanted: Sequence[Sequence[Query]]
    kept: Sequence[Query]
    settings: EditSettings
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of edit.

    Attributes:
        name: its name.
        summary: one line for help texts.
        formula: gives the new out-weights, [neurons, hidden] float64.
        answer: whether it needs a new answer.
        relation: whether it takes all facts of a relation and their most frequent neurons.
        most_shared: neurons that more than this share of the relation's facts have too are dropped; None: kept.
    """

    name: str
    summary: str
    formula: Callable[[Task], Tensor]
    answer: bool = False
    relation: bool = False
    most_shared: float | None = None


def scaled(factor: float) -> Callable[[Task], Tensor]:
    """Out-weights times a constant."""
    return lambda task: task.weights * factor


def updated(lambda1: float, lambda2: float) -> Callable[[Task], Tensor]:
    """Dai et al.: o(n) += -lambda1 |o(n)| e(old) / |e(old)| + lambda2 |o(n)| e(new) / |e(new)|, e: unembedding rows.

    With several languages the mean of their terms.
    """

    def formula(task: Task) -> Tensor:
        import torch

        first = lambda1 if task.settings.lambda1 is None else task.settings.lambda1
        second = lambda2 if task.settings.lambda2 is None else task.settings.lambda2
        directions = [
            second * _direction(task.model, wanted) - first * _direction(task.model, asked)
            for asked, wanted in zip(task.asked, task.wanted, strict=True)
        ]
        lengths: Tensor = task.weights.norm(dim=1, keepdim=True)
        moved: Tensor = task.weights + lengths * torch.stack(directions).mean(0)
        return moved

    return formula


def _direction(model: Model, queries: Sequence[Query]) -> Tensor:
    """The unembedding row of an answer of one token, of length 1.

    Raises:
        BadSetting: the answer has several tokens, or the rows are not as long as the residual stream is wide.
    """
    from torch.nn.functional import normalize

    ids = dict.fromkeys(query.answer_ids for query in queries)
    several = next((each for each in ids if len(each) > 1), None)
    if several is not None:
        raise BadSetting(
            f"the answer {queries[0].answer!r} has {len(several)} tokens, and Dai et al.'s update is defined for one: "
            "use the kind least-change"
        )
    hidden = model.backbone.hidden_size
    rows = model.backbone.head.weight[[each[0] for each in ids]].detach().double().cpu()
    if rows.shape[1] != hidden:
        raise BadSetting(
            f"{model.name} unembeds from {rows.shape[1]} numbers, neurons write {hidden}, so Dai et al.'s "
            "update has no direction: use the kind least-change"
        )
    mean: Tensor = rows.mean(0)
    return normalize(mean, dim=0)


def _least_change(task: Task) -> Tensor:
    import torch

    from factneurons.editing.least_change import least_change

    wanted = [query for queries in task.wanted for query in queries]
    found = least_change(task.model, task.neurons, wanted, task.kept, margin=task.settings.margin)
    if not found.reached:
        task.notes.append(
            f"the new answer does not come first by {task.settings.margin:g} nats in all of {len(wanted)} prompts: "
            f"{found.margin:.2f} nats in the worst of them"
        )
    if not found.kept:
        task.notes.append("prompts of other facts that should keep their answers do not all keep them")
    return task.weights + torch.tensor(found.change)


EDIT_KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("suppress", "the neurons write nothing", scaled(0.0)),
        Kind("enhance", "they write twice as much", scaled(2.0)),
        Kind("erase", "the same, except for neurons that over 10% of the relation have", scaled(0), most_shared=SHARED),
        Kind("erase-relation", "the most frequent neurons of a relation write nothing", scaled(0.0), relation=True),
        Kind(
            "update",
            "Dai et al.'s update to a new answer, weights 1 and 2, except for such neurons",
            updated(1.0, 2.0),
            answer=True,
            most_shared=SHARED,
        ),
        Kind(
            "update-paper",
            "the same with the paper's weights, 1 and 8",
            updated(1.0, 8.0),
            answer=True,
            most_shared=SHARED,
        ),
        Kind("least-change", "the smallest change that puts the new answer first", _least_change, answer=True),
    )
}
"""The kinds of edits by name."""


def kind_named(name: str) -> Kind:
    """The kind of that name.

    Raises:
        BadSetting: there is none; the message lists those there are.
    """
    check_choice("kind", name, EDIT_KINDS)
    return EDIT_KINDS[name]

"""An edit: other out-weights for a few neurons, as a value that is applied, undone, stacked and stored.

Nothing but those out-weights changes. An edit holds what they were and what they become, so undoing it gives back the
model bit for bit. By weights it acts at every position and on everything the neurons are active for; by values, for the
time of a `with` block, at the target positions of what is asked, and the weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from factneurons.editing.weights import added, check_editable, columns, identity, same_bits, write_columns
from factneurons.errors import BadModel, BadSetting
from factneurons.models.types import Neuron

if TYPE_CHECKING:
    from factneurons.models.model import Model


@dataclass(frozen=True, slots=True)
class Description:
    """What an edit is for and how it was made.

    Attributes:
        kind: a name of `KINDS`.
        relation: of the facts.
        facts: their ids.
        subject: the subject in the first fact's language; "" where the facts have several.
        old: language -> the answer before.
        new: language -> the answer after; {} for kinds without one.
        neurons_from: the attribution method, or "given".
        prompts: the prompts the edit was made with; others of the fact are left for measuring.
        settings: how.
        notes: what came out otherwise than asked, in words.
        model: the model's name when the edit was made.
        model_hash: `identity` of that model.
        dtype: its weights' type.
    """

    kind: str
    relation: str
    facts: tuple[str, ...]
    subject: str
    old: Mapping[str, str]
    new: Mapping[str, str]
    neurons_from: str
    prompts: tuple[str, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...]
    model: str
    model_hash: str
    dtype: str

    def __str__(self) -> str:
        what = self.subject or f"{len(self.facts)} facts"
        if not self.new:
            return f"{self.kind}: {self.relation}, {what}"
        answers = ", ".join(f"{self.old[language]} -> {new}" for language, new in self.new.items())
        return f"{self.kind}: {self.relation}, {what}: {answers}"


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """Other out-weights for a few neurons. Made by `edit`, `stacked` or `read_edit`.

    Attributes:
        neurons: each once, sorted.
        old, new: their out-weights before and after, [neurons, hidden], on the CPU in the model's type.
        description: what it is for.
    """

    neurons: tuple[Neuron, ...]
    old: Tensor = field(repr=False)
    new: Tensor = field(repr=False)
    description: Description

    @property
    def size(self) -> float:
        """The length of the change relative to the length of the out-weights it changes: |new - old| / |old|."""
        return float((self.new.double() - self.old.double()).norm() / self.old.double().norm())

    def apply(self, model: Model) -> None:
        """Write the new out-weights.

        Raises:
            BadModel: the edit was made for another model, its neurons' weights are not what they were then, or the
                model cannot be edited.
        """
        self._check(model, self.old, "the edit is applied already, or another one changed them: undo that first")
        write_columns(model, self.neurons, self.new)

    def undo(self, model: Model) -> None:
        """Write the old out-weights back, bit for bit.

        Raises:
            BadModel: the edit is not applied, or a later one changed the same neurons.
        """
        self._check(model, self.new, "the edit is not applied, or a later one changed them: undo that first")
        write_columns(model, self.neurons, self.old)

    def reversed(self) -> Edit:
        """The edit that takes this one back."""
        return replace(self, old=self.new, new=self.old)

    def on(self, model: Model, *, by: str = "weights") -> _Block:
        """The edited model for the time of a `with` block.

        Args:
            model: the model.
            by: "weights", or "values": at the target positions only, with no weight written.

        Raises:
            BadSetting: an unknown `by`.
            BadModel: as for `apply`.
        """
        if by not in _WAYS:
            raise BadSetting(f"an edit is made by {', '.join(_WAYS)}; not by {by!r}")
        return _Block(self, model, by)

    def _check(self, model: Model, expected: Tensor, otherwise: str) -> None:
        check_editable(model)
        check_made_for(model, self)
        if not same_bits(columns(model, self.neurons), expected):
            raise BadModel(f"{model.name}: the weights of the edit's neurons are not what they should be: {otherwise}")


class _Block:
    """`with edit.on(model):`, checked when it is entered."""

    def __init__(self, edit: Edit, model: Model, by: str) -> None:
        self._manager = _WAYS[by](edit, model)

    def __enter__(self) -> None:
        self._manager.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        return self._manager.__exit__(*error)  # type: ignore[no-any-return]


@contextmanager
def _by_weights(edit: Edit, model: Model) -> Iterator[None]:
    edit.apply(model)
    try:
        yield
    finally:
        write_columns(model, edit.neurons, edit.old)


@contextmanager
def _by_values(edit: Edit, model: Model) -> Iterator[None]:
    check_made_for(model, edit)
    with added(model, edit.neurons, edit.new.double() - edit.old.double(), "target"):
        yield


_WAYS: dict[str, Callable[[Edit, Any], Any]] = {"weights": _by_weights, "values": _by_values}


def check_made_for(model: Model, edit: Edit) -> None:
    """Refuse a model that is not the one an edit was made for.

    Raises:
        BadModel: another type of weights, another size, or other parameters.
    """
    about = edit.description
    dtype = str(model.backbone.dtype).removeprefix("torch.")
    if dtype != about.dtype:
        raise BadModel(
            f"the edit was made for {about.dtype} weights, {model.name} has {dtype}: load it with dtype={about.dtype}"
        )
    if edit.new.shape[1] != model.backbone.hidden_size or identity(model) != about.model_hash:
        raise BadModel(f"the edit was made for another model ({about.model}): its hash differs from {model.name}'s")


def stacked(edits: Sequence[Edit]) -> Edit:
    """Several edits of one model as one edit, in this order.

    An edit that was made on top of an earlier one follows it exactly. Where two that were made side by side change the
    same neuron, their changes are added up.

    Raises:
        BadSetting: no edits, or edits of different models.
    """
    if not edits:
        raise BadSetting("a stack needs at least one edit")
    first = edits[0].description
    for other in edits[1:]:
        if (other.description.model_hash, other.description.dtype) != (first.model_hash, first.dtype):
            raise BadSetting(f"edits of different models cannot be stacked: {first.model}, {other.description.model}")
    old: dict[Neuron, Tensor] = {}
    new: dict[Neuron, Tensor] = {}
    for edit in edits:
        for neuron, before, after in zip(edit.neurons, edit.old, edit.new, strict=True):
            now = new.get(neuron, before)
            old.setdefault(neuron, before)
            new[neuron] = after if same_bits(now, before) else now + (after - before)
    neurons = tuple(sorted(old))
    return Edit(
        neurons,
        torch.stack([old[neuron] for neuron in neurons]),
        torch.stack([new[neuron] for neuron in neurons]),
        _together([edit.description for edit in edits]),
    )


def _together(parts: Sequence[Description]) -> Description:
    first = parts[0]
    if len(parts) == 1:
        return first
    relations = tuple(dict.fromkeys(part.relation for part in parts))
    return Description(
        kind="stack",
        relation=", ".join(relations),
        facts=tuple(dict.fromkeys(fact for part in parts for fact in part.facts)),
        subject="",
        old={},
        new={},
        neurons_from=", ".join(dict.fromkeys(part.neurons_from for part in parts)),
        prompts=tuple(dict.fromkeys(prompt for part in parts for prompt in part.prompts)),
        settings={},
        notes=tuple(str(part) for part in parts),
        model=first.model,
        model_hash=first.model_hash,
        dtype=first.dtype,
    )

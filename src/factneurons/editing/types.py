"""An edit: other weights for a few neurons, as a value that is applied, undone, stacked and stored.

Nothing else changes. Edits are of out-weights; a fine-tuning is of all weights of its neurons, or of the whole model
(`description.EXTENTS`). An edit holds what they were and what they become, so undoing it gives back the model bit for
bit. By weights it acts at every position and on everything the neurons are active for; by values, for the time of a
`with` block, at the target positions of what is asked, and the weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from factneurons.editing import storage
from factneurons.editing.description import MODEL, OUT_WEIGHTS, Description, stacked
from factneurons.editing.weights import added, check_editable, identity, same_bits, weights_of, write_weights
from factneurons.errors import BadModel, BadSetting
from factneurons.models.model import Model
from factneurons.models.saving import save_model
from factneurons.models.types import Neuron


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """Other weights for a few neurons. Made by `edit`, `finetune_neurons`, `stack_edits` or `Edit.load`.

    Attributes:
        neurons: each once, sorted; none where it is of the whole model.
        old, new: their weights before and after, [neurons, numbers], on the CPU in the model's type: the out-weights,
            or as `weights` says for the extent.
        description: what it is for.
    """

    neurons: tuple[Neuron, ...]
    old: Tensor = field(repr=False)
    new: Tensor = field(repr=False)
    description: Description

    @property
    def size(self) -> float:
        """The length of the change relative to the length of the weights it changes: |new - old| / |old|."""
        return float((self.new.double() - self.old.double()).norm() / self.old.double().norm())

    def apply(self, model: Model) -> None:
        """Write the new weights.

        Raises:
            BadModel: the edit was made for another model, its neurons' weights are not what they were then, or the
                model cannot be edited.
        """
        self._check(model, self.old, "the edit is applied already, or another one changed them: undo that first")
        write_weights(model, self.neurons, self.new, self.description.extent)

    def undo(self, model: Model) -> None:
        """Write the old weights back, bit for bit.

        Raises:
            BadModel: the edit is not applied, or a later one changed the same neurons.
        """
        self._check(model, self.new, "the edit is not applied, or a later one changed them: undo that first")
        write_weights(model, self.neurons, self.old, self.description.extent)

    def reversed(self) -> Edit:
        """The edit that takes this one back."""
        return replace(self, old=self.new, new=self.old)

    def save(self, path: Path | str) -> Path:
        """Write the edit into a folder that does not hold one yet, a few kilobytes; returns the folder.

        Raises:
            BadSetting: there is an edit in it.
            OSError: it cannot be written.
        """
        return storage.write(Path(path), storage.Contents(self.neurons, self.old, self.new, self.description))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read an edit that was saved.

        Raises:
            BadSetting: there is none, it is damaged, or it was written by a later version.
        """
        found = storage.read(Path(path))
        return cls(found.neurons, found.old, found.new, found.description)

    def save_model(self, model: Model, path: Path | str) -> Path:
        """Write the model with this edit applied as an ordinary Hugging Face folder; the model stays as it is.

        Raises:
            BadSetting: there is something in the folder.
            BadModel: as for `apply`.
        """
        with self.on(model):
            return save_model(model, path)

    def on(self, model: Model, *, by: str = "weights") -> AbstractContextManager[None]:
        """The edited model for the time of a `with` block.

        Args:
            model: the model.
            by: "weights", or "values": at the target positions only, with no weight written.

        Raises:
            BadSetting: an unknown `by`, or "values" for more than out-weights.
            BadModel: as for `apply`.
        """
        if by not in _WAYS:
            raise BadSetting(f"an edit is made by {', '.join(_WAYS)}; not by {by!r}")
        return _WAYS[by](self, model)

    def _check(self, model: Model, expected: Tensor, otherwise: str) -> None:
        check_editable(model, self.description.extent)
        check_made_for(model, self)
        if not same_bits(weights_of(model, self.neurons, self.description.extent), expected):
            raise BadModel(f"{model.name}: the weights that the edit changes are not what they should be: {otherwise}")


@contextmanager
def _by_weights(edit: Edit, model: Model) -> Iterator[None]:
    edit.apply(model)
    try:
        yield
    finally:
        write_weights(model, edit.neurons, edit.old, edit.description.extent)


@contextmanager
def _by_values(edit: Edit, model: Model) -> Iterator[None]:
    if edit.description.extent != OUT_WEIGHTS:
        raise BadSetting(f"an edit of {edit.description.extent} is made by weights: only out-weights can be by values")
    check_made_for(model, edit)
    with added(model, edit.neurons, edit.new.double() - edit.old.double(), "target"):
        yield


_WAYS: dict[str, Callable[[Edit, Model], AbstractContextManager[None]]] = {"weights": _by_weights, "values": _by_values}


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
    narrow = about.extent == OUT_WEIGHTS and edit.new.shape[1] != model.backbone.hidden_size
    if narrow or identity(model, about.extent) != about.model_hash:
        raise BadModel(f"the edit was made for another model ({about.model}): its hash differs from {model.name}'s")


def stack_edits(edits: Sequence[Edit]) -> Edit:
    """Several edits of one model as one edit, in this order.

    An edit that was made on top of an earlier one follows it exactly. Where two that were made side by side change the
    same neuron, their changes are added up.

    Raises:
        BadSetting: no edits, edits of different models or extents, or several of the whole model.
    """
    if not edits:
        raise BadSetting("a stack needs at least one edit")
    first = edits[0].description
    if len(edits) == 1:
        return edits[0]
    extents = dict.fromkeys(edit.description.extent for edit in edits)
    if len(extents) > 1 or MODEL in extents:
        raise BadSetting(f"edits of {' and '.join(extents)} cannot be stacked: apply one, then the next to the result")
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
        stacked([edit.description for edit in edits]),
    )

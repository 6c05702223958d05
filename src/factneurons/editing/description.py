"""What an edit is for and how it was made, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OUT_WEIGHTS, NEURONS, MODEL = "out-weights", "neurons", "model"
EXTENTS = (OUT_WEIGHTS, NEURONS, MODEL)
"""How far an edit reaches: the out-weights of its neurons; all their weights and biases; every parameter."""


@dataclass(frozen=True, slots=True)
class Description:
    """What an edit is for and how it was made.

    Attributes:
        kind: a name of `EDIT_KINDS`, "finetune" or "stack".
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
        model_hash: `weights.identity` of that model.
        dtype: its weights' type.
        extent: one of `EXTENTS`.
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
    extent: str = OUT_WEIGHTS

    def __str__(self) -> str:
        what = self.subject or f"{len(self.facts)} facts"
        if not self.new:
            return f"{self.kind}: {self.relation}, {what}"
        answers = ", ".join(f"{self.old[language]} -> {new}" for language, new in self.new.items())
        return f"{self.kind}: {self.relation}, {what}: {answers}"


def stacked(parts: Sequence[Description]) -> Description:
    """What several edits, stacked into one, are for."""
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
        extent=first.extent,
    )

"""How questions are perturbed: every option, its default and its range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from factneurons.settings import check, option, refuse

PerturbationRule = Literal["spared", "authors"]

EDITS = ("replace", "add", "delete")
"""The kinds of perturbation, in the order of the paper."""


@dataclass(frozen=True, slots=True)
class PerturbationSettings:
    """How questions are perturbed.

    Raises:
        BadSetting: no kind, an unknown name, or no version.
    """

    edits: tuple[str, ...] = option(
        EDITS, "What is done to a question, with commas between: {choices}. One word is changed.", choices=EDITS
    )
    versions: int | None = option(
        None, "So many perturbed versions per question and kind. Default: 5, or 1 with authors.", least=1
    )
    rule: PerturbationRule = option(
        "spared", "spared: never in the subject or the date; authors: anywhere behind the first word, as they did."
    )
    seed: int = option(42, "Decides which words.")

    def __post_init__(self) -> None:
        check(self)
        if not self.edits:
            refuse("edits", self.edits, "at least one kind of perturbation")

    @property
    def most(self) -> int:
        """How many versions, as given or as the rule has them."""
        return self.versions or (1 if self.rule == "authors" else 5)

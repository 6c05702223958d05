"""What is checked, as plain values: statements, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from factneurons.facts.types import Prompt
from factneurons.models.types import Neuron

Group = tuple[str, str]
"""A relation and a language: what has neurons and a threshold of its own."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A prompt and what is claimed to fill it: "The capital of France is ___." and "Paris".

    Attributes:
        prompt: the prompt.
        candidate: what is claimed.
        relation: the relation it is about.
        language: its language.
        subject: who or what it is about, where that is known.
        fact_id: the fact it was made of, if any.
    """

    prompt: Prompt
    candidate: str
    relation: str
    language: str = "en"
    subject: str = ""
    fact_id: str = ""

    @property
    def group(self) -> Group:
        """Its relation and language."""
        return self.relation, self.language

    @property
    def text(self) -> str:
        """The whole sentence."""
        return self.prompt.filled(self.candidate)


@dataclass(frozen=True, slots=True)
class Scored:
    """A statement with its score under one condition.

    Attributes:
        statement: the statement.
        truth: whether it is right.
        split: "train" or "test".
        known: whether the model knows the fact, by the prompts that decide it.
        condition: the condition's name.
        score: the score; NaN: none.
        draw: the draw of random neurons.
        top_neurons: the neurons that say most, with their shares.
        apart: whether the statement's prompt is none of those that decide whether the fact is known.
    """

    statement: Statement
    truth: bool
    split: str
    known: bool
    condition: str
    score: float
    draw: int = 0
    top_neurons: Sequence[tuple[Neuron, float]] = ()
    apart: bool = True

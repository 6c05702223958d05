"""The conditions that are compared: where the score of a statement comes from.

Sources: 'Journey to the Center of the Knowledge Neurons' (AAAI 2024) and 'Cracking Factual Knowledge' (ACL 2025) for
neurons and asking; the probability of the statement is the plain alternative that neither compares with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition.

    Attributes:
        name: its name.
        title: what tables and figures call it.
        meaning: one line for help texts.
        by_neurons: whether the score is the mean over a relation's neurons; otherwise the model is asked (`asking`).
    """

    name: str
    title: str
    meaning: str
    by_neurons: bool = False


CONDITIONS: dict[str, Condition] = {
    each.name: each
    for each in (
        Condition(
            "degenerate", "degenerate neurons", "attribution of the neurons that back each other up", by_neurons=True
        ),
        Condition("knowledge", "knowledge neurons", "attribution of the knowledge neurons", by_neurons=True),
        Condition(
            "random", "random neurons, matched", "random neurons of the same layers and strength", by_neurons=True
        ),
        Condition("asking", "asking the model", "whether the candidate is the model's top prediction"),
        Condition("probability", "probability", "P(candidate | prompt)"),
        Condition(
            "true_false",
            "asking true or false",
            "log P(true) - log P(false) after the statement; not for masked models that need two masks for a word",
        ),
    )
}
"""The conditions by name."""

HEADLINE = ("degenerate", "knowledge", "random", "asking", "probability")
"""The five that every table compares."""

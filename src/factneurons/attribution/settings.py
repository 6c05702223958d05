"""How attribution is done: one frozen record for the API, the command line and the run's manifest."""

from __future__ import annotations

from dataclasses import dataclass

from factneurons.attribution.quadrature import ADAPTIVE, RULES, quadrature
from factneurons.errors import BadSetting
from factneurons.models.types import TARGETS, Target

ANSWER_TOKENS = ("mean", "sum", "first")
UNITS = ("tokens", "words", "all")
NORMALISATIONS = ("none", "layer", "global")


@dataclass(frozen=True, slots=True)
class AttributionSettings:
    """Settings of one attribution.

    Attributes:
        method: a name of `METHODS`.
        rule: the quadrature rule; "adaptive" spends few nodes and adds more where completeness fails.
        points: path points of a fixed rule; None for the rule's default. Not for "adaptive".
        target: the function that is attributed: "probability", "log_probability" (nats) or "logit".
        answer_tokens: how the scores of several answer tokens become one: "mean", "sum" or "first".
        units: what AMIG replaces, one at a time: "tokens" of the prompt, its "words", or "all" positions.
        normalise: "none"; "layer" divides each layer by its sum, as the paper's equation says; "global"
            divides by the sum of all absolute scores.
        tolerance: completeness error per layer that is accepted, in the target's units.

    Raises:
        BadSetting: an unknown name (the valid ones are listed) or an impossible value.
    """

    method: str = "amig"
    rule: str = ADAPTIVE
    points: int | None = None
    target: Target = "probability"
    answer_tokens: str = "mean"
    units: str = "tokens"
    normalise: str = "none"
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        choices = {
            "rule": RULES,
            "target": TARGETS,
            "answer_tokens": ANSWER_TOKENS,
            "units": UNITS,
            "normalise": NORMALISATIONS,
        }
        for name, valid in choices.items():
            if getattr(self, name) not in valid:
                raise BadSetting(f"unknown {name} {getattr(self, name)!r}; valid: {', '.join(valid)}")
        if self.points is not None and self.rule == ADAPTIVE:
            raise BadSetting("the rule 'adaptive' chooses its own points; name another rule to set them")
        if self.points is not None and self.points < 1:
            raise BadSetting(f"points must be at least 1, not {self.points}")
        if self.rule != ADAPTIVE:
            quadrature(self.rule, self.points)  # what the rule itself asks of its points
        if not self.tolerance > 0:
            raise BadSetting(f"tolerance must be positive, not {self.tolerance}")

"""How neurons are found and tested: frozen records for the API, the command line and the run's manifest.

Nothing here imports PyTorch. The names are those of `methods.METHODS`, `selection.SELECTORS` and
`selection.AGREEMENTS`, where each is explained.
"""

from __future__ import annotations

from dataclasses import dataclass

from factneurons.attribution.quadrature import ADAPTIVE, RULES, quadrature
from factneurons.models.types import Kind, Positions, Target
from factneurons.settings import Limits, check, check_number, option, refuse

METHOD_NAMES = (
    "joint",
    "amig_joint",
    "dai",
    "amig",
    "amig_mean",
    "amig_authors",
    "sequential",
    "gradient_x_activation",
    "relp",
    "attnlrp",
    "atp_star",
    "log_probability_increase",
    "direct_logit",
    "suppression",
    "activation",
    "random",
)
JOINT_METHODS = ("joint", "amig_joint")
"""Methods of one path through all layers: their completeness is one number for all layers together."""

AT_TARGET_ONLY = ("amig_authors", "log_probability_increase", "direct_logit")
"""Methods that are defined where the answer is read off, and nowhere else."""

SELECTOR_NAMES = ("fraction", "absolute", "top", "percentile")
AGREEMENT_NAMES = ("refine", "union", "consistency")
ANSWER_TOKENS = ("mean", "sum", "first")
PREFIXES = ("gold", "argmax")
UNITS = ("tokens", "words", "all")
NORMALISATIONS = ("none", "layer", "global")

HOOKS = ("post", "pre", "authors")
BEFORE_ACTIVATION = ("dai", "amig", "amig_mean", "amig_authors", "sequential", "activation", "random")
"""Methods that also score neurons before their activation function."""

CONTROL_NAMES = ("matched", "authors")

ACTIONS = {"suppress": 0.0, "enhance": 2.0}
"""What is done to neurons: name -> what their values are multiplied by."""

_THRESHOLDS: dict[str, Limits] = {
    "fraction": {"least": 0, "most": 1},
    "absolute": {},
    "top": {"least": 1},
    "percentile": {"least": 0, "most": 100},
}


@dataclass(frozen=True, slots=True)
class AttributionSettings:
    """Settings of one attribution.

    Raises:
        BadSetting: an unknown name (the valid ones are listed) or an impossible value.
    """

    method: str = option("joint", "One of: {choices}.", choices=METHOD_NAMES)
    rule: str = option(ADAPTIVE, "How paths are sampled, one of: {choices}.", choices=RULES)
    points: int | None = option(None, "Points of a fixed rule. Default: the rule's own.", least=1)
    target: Target = option("probability", "What is attributed, F, one of: {choices}.")
    against: str | None = option(
        None,
        "Another answer: what carries the difference between the two is looked for (F of the one less F of the other); "
        "wrong_answers: the first wrong answer of each fact. Default: none.",
    )
    positions: Positions = option(
        "target",
        "Where neurons are meant, their scores summed over the positions, and changed, one of: {choices} (where the "
        "answer is read off; the subject's last token; all its tokens; all positions up to the target).",
    )
    hook: str = option(
        "post",
        "Which vector is scored: post (what the down-projection reads), pre (what the activation function is given: "
        "the up-projection's output, in gated MLPs the gate's) or authors (pre in causal models, post in others).",
        choices=HOOKS,
    )
    answer_tokens: str = option(
        "mean", "How the scores of several answer tokens become one: {choices}.", choices=ANSWER_TOKENS
    )
    prefix: str = option(
        "gold",
        "What stands before the later tokens of an answer: gold (its own tokens) or argmax (the model's own choices; "
        "causal models).",
        choices=PREFIXES,
    )
    units: str = option("tokens", "What AMIG replaces, one at a time: {choices}.", choices=UNITS)
    normalise: str = option(
        "none",
        "none; layer: each layer is divided by its sum, as AMIG's paper says; global: by the sum of all absolute "
        "scores.",
        choices=NORMALISATIONS,
    )
    tolerance: float = option(
        1e-3, "Completeness error per layer that is accepted, in the target's units (nats, or probability).", above=0
    )

    def __post_init__(self) -> None:
        check(self)
        if self.against is not None and not self.against.strip():
            refuse("against", self.against, "an answer")
        if self.positions != "target" and self.method in AT_TARGET_ONLY:
            refuse("positions", self.positions, f"'target' with the method {self.method!r}")
        if self.hook != "post" and self.method not in BEFORE_ACTIVATION:
            refuse("hook", self.hook, f"'post' with the method {self.method!r}")
        if self.hook != "post" and self.positions != "target":
            refuse("hook", self.hook, f"'post' where neurons are meant at positions {self.positions!r}")
        if self.rule != ADAPTIVE:
            quadrature(self.rule, self.points)  # what the rule itself asks of its points
        elif self.points is not None:
            refuse("points", self.points, "None with the rule 'adaptive', which chooses its own")

    def before_activation(self, kind: Kind) -> bool:
        """Whether models of a kind have their neurons before the activation function."""
        return self.hook == "pre" or (self.hook == "authors" and kind == "causal")


@dataclass(frozen=True, slots=True)
class SelectionSettings:
    """How the neurons of a fact are chosen from its scores.

    Raises:
        BadSetting: an unknown name (the valid ones are listed) or an impossible value.
    """

    selector: str = option("fraction", "How neurons are chosen, one of: {choices}.", choices=SELECTOR_NAMES)
    threshold: float | None = option(None, "The selector's value. Default: the method's.")
    agreement: str = option(
        "refine",
        "How a fact's prompts come to one set, one of: {choices} (score high in all of them).",
        choices=AGREEMENT_NAMES,
    )
    share: float = option(0.7, "refine: share of a fact's prompts that must agree on a neuron.", above=0, most=1)
    min_prompts: int | None = option(
        None,
        "refine: the least number of prompts that must agree. Default: 2 where there are 3 or more, else 1.",
        least=1,
    )
    target_size: bool = option(
        False,
        "refine: move the share by 0.05, at most six times, until the facts of a relation have 2 to 5 neurons on "
        "average (all facts are attributed once before).",
    )
    rounds: int | None = option(
        None,
        "How often to look at most, each time with what was found before suppressed, which finds backups; from 2 on, "
        "sets of neurons that suffice are completed too. Default: the method's, 4 for joint and amig_joint, else 1.",
        least=1,
    )
    beta: float = option(0.5, "consistency: standard deviations over the prompts that are taken off a score.", least=0)

    def __post_init__(self) -> None:
        check(self)
        if self.target_size and self.agreement != "refine":
            refuse("target_size", self.target_size, f"False with the agreement {self.agreement!r}")
        if self.threshold is not None or self.selector != "fraction":
            where = f"threshold with the selector {self.selector!r}"
            check_number(where, self.threshold, **_THRESHOLDS[self.selector])


@dataclass(frozen=True, slots=True)
class InterventionSettings:
    """How found neurons are tested against random ones.

    Raises:
        BadSetting: an impossible value.
    """

    draws: int = option(20, "Random neuron sets per fact that the found ones are compared with.", least=1)
    unrelated: int = option(5, "Facts of other relations that are asked per fact, to see what moves.", least=0)
    seed: int = option(42, "Decides every random draw.")
    control: str = option(
        "matched",
        "Random neurons: matched in layer and strength, or authors (from all neurons, with replacement).",
        choices=CONTROL_NAMES,
    )

    def __post_init__(self) -> None:
        check(self)

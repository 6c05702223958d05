"""How statements are judged: one frozen record for the API, the command line and the files of a checker."""

from __future__ import annotations

from dataclasses import dataclass

from factneurons.settings import check, option

CONDITION_NAMES = ("degenerate", "knowledge", "random", "asking", "probability", "true_false")
FEATURE_NAMES = ("attribution", "activation")

COMPONENTS, PAIRS, PROMPT_PAIRS, AUTO = "components", "pairs", "prompt_pairs", "auto"
SOURCES: dict[str, str] = {
    AUTO: "components where enough facts of the relation have some, else prompt_pairs",
    COMPONENTS: "the components of degenerate knowledge neurons ('Cracking Factual Knowledge', ACL 2025)",
    PAIRS: "degenerate pairs that a fact's prompts agree on",
    PROMPT_PAIRS: "degenerate pairs of any prompt ('Journey to the Center of the Knowledge Neurons', AAAI 2024)",
}
"""What degenerate neurons are taken from: name -> meaning."""


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """What statements are scored with: the part that checking a run and a fact checker have in common."""

    share: float = option(
        0.5, "A relation's neurons are in more than this share of as many facts as the first one.", least=0, below=1
    )
    source: str = option(AUTO, "Degenerate neurons: {choices}.", choices=tuple(SOURCES))
    method: str = option("amig", "The attribution method of scores; one with paths.")
    feature: str = option("attribution", "What a neuron says: {choices}.", choices=FEATURE_NAMES)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class CheckSettings(ScoreSettings):
    """How the facts of a run are checked.

    Raises:
        BadSetting: an unknown name (the valid ones are listed) or an impossible value.
    """

    test_share: float = option(0.2, "The share of each relation's subjects that is kept for the test.")
    draws: int = option(20, "Random neuron sets per relation.", least=1)
    seed: int = option(42, "Decides every random draw.")


@dataclass(frozen=True, slots=True)
class CheckerSettings(ScoreSettings):
    """Settings of a fact checker.

    Raises:
        BadSetting: an unknown name (the valid ones are listed) or an impossible value.
    """

    condition: str = option("degenerate", "What judges the statements, one of: {choices}.", choices=CONDITION_NAMES)
    multi_mask: bool = option(False, "Masked models: a mask for each token of a candidate.")
    seed: int = option(42, "Decides every random draw.")

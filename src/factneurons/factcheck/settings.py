"""How the facts of a run are checked."""

from __future__ import annotations

from dataclasses import dataclass

from factneurons.factcheck.relation_neurons import SOURCES
from factneurons.factcheck.scoring import FEATURES
from factneurons.settings import check, option


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """How the facts of a run are checked; the names are those of `FactChecker`.

    Raises:
        BadSetting: an unknown name or an impossible number.
    """

    share: float = option(0.5, "A relation's neurons are in more than this share of as many facts as the first one.")
    source: str = option("auto", "Degenerate neurons: {choices}.", choices=SOURCES)
    method: str = option("amig", "The attribution method of scores; one with paths.")
    feature: str = option("attribution", "What a neuron says: {choices}.", choices=FEATURES)
    test_share: float = option(0.2, "The share of each relation's subjects that is kept for the test.")
    draws: int = option(20, "Random neuron sets per relation.", least=1)
    seed: int = option(42, "Decides every random draw.")

    def __post_init__(self) -> None:
        check(self)

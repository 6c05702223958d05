"""How the facts of a run are checked."""

from __future__ import annotations

from dataclasses import dataclass

from factneurons.errors import BadSetting
from factneurons.factcheck.relation_neurons import check_source
from factneurons.factcheck.scoring import check_feature


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """How the facts of a run are checked; the names are those of `FactChecker`.

    Attributes:
        share: a relation's neurons are in more than this share of as many facts as the first one.
        source: where degenerate neurons come from, a name of `relation_neurons.SOURCES`.
        method: the attribution method of scores, one with paths.
        feature: what a neuron says, a name of `scoring.FEATURES`.
        test_share: the share of each relation's subjects that is kept for the test.
        draws: random neuron sets per relation.
        seed: decides every random draw.

    Raises:
        BadSetting: an unknown name or an impossible number.
    """

    share: float = 0.5
    source: str = "auto"
    method: str = "amig"
    feature: str = "attribution"
    test_share: float = 0.2
    draws: int = 20
    seed: int = 42

    def __post_init__(self) -> None:
        check_source(self.source)
        check_feature(self.feature)
        if self.draws < 1:
            raise BadSetting(f"draws is at least 1, not {self.draws}")

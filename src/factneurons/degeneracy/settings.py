"""The settings of the search for degenerate knowledge neurons: every option, its default and its range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from factneurons.settings import check, check_number, option, refuse
from factneurons.statistics import SIGNIFICANCE

ClustererName = Literal[
    "ntc",
    "ntc_authors",
    "hierarchical",
    "dbscan",
    "kmeans",
    "hdbscan",
    "pairs",
    "interaction",
    "random",
    "random_layers",
]
"""The names of `clusterers.registry.CLUSTERERS`, where each is explained."""

Span = Literal["residual", "adjacent"]
Gate = Literal["both", "gate", "up"]
Similarity = Literal["dot", "cosine"]
Connection = Literal["definition", "authors"]
Scale = Literal["none", "layer-gap"]
Persistence = Literal["linear", "log"]
ThresholdRule = Literal["fraction", "absolute", "quantile"]
Cover = Literal["chosen", "all"]
Filter = Literal["definition", "authors"]
Differences = Literal["relative", "absolute"]
Search = Literal["all", "greedy_disjoint"]

DEFAULT_SPAN: Span = "residual"
"""Every layer reads what every layer below it wrote, so any two layers are connected through the residual
stream. With "adjacent" (the released code of 'Cracking Factual Knowledge', ACL 2025) a chain needs a
knowledge neuron in every layer between, and with the ten or thirty neurons that a fact has over many
layers most distances are then infinite."""

_T_LOW: dict[Filter, float] = {"definition": 0.2, "authors": 0.05}
"""Of two components, one suppressed is the other one left: what F2 allows F1 must allow too, or F1 decides alone."""

FEWEST_DRAWS = math.ceil(1 / SIGNIFICANCE) - 1
"""With fewer random sets the p-value (1 + hits) / (1 + draws) cannot reach the significance."""

_PAIRS: dict[Search, tuple[float, float]] = {"all": (0.2, 0.25), "greedy_disjoint": (0.05, 0.3)}


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """Settings of the clusterers that topology clustering is compared with; the defaults are the released ones.

    Only `missing` is not: the released code has 1000.

    Raises:
        BadSetting: a value out of range; the message says what is valid.
    """

    missing: float | None = option(
        None, "Distance of unconnected neurons, where a clusterer needs one. Default: 1.5 x the largest.", least=0
    )
    cut: float = option(
        0.7, "hierarchical: the quantile of all pairwise distances at which the tree is cut.", least=0, most=1
    )
    radius: float = option(
        0.5, "dbscan: the quantile of the distances to the nearest neighbour that counts as near.", least=0, most=1
    )
    neighbours: float = option(
        0.03,
        "dbscan: so large a share of all neurons near makes a region dense, at least 2 neurons.",
        least=0,
        most=1,
    )
    parts: float = option(
        0.1, "kmeans: the number of clusters as a share of the number of neurons, at least 2.", least=0, most=1
    )
    variance: float = option(
        0.95, "kmeans: the share of the variance that the principal components keep.", above=0, below=1
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class DegeneracySettings:
    """How degenerate knowledge neurons are searched for.

    Raises:
        BadSetting: an unknown name or a value out of range; the message lists what is valid.
    """

    clusterer: ClustererName = option("interaction", "How neurons are grouped: {choices}.")
    span: Span = option(DEFAULT_SPAN, "Which layers are connected: residual (any two) or adjacent.")
    max_span: int = option(3, "adjacent: the largest layer gap that a chain may bridge.", least=1)
    gate: Gate = option("both", "What a gated neuron reads with: both (root of the sum of their squares), gate or up.")
    connection: Connection = option(
        "definition",
        "definition: what the earlier neuron writes times what the later one reads; authors: of gated neurons what the "
        "earlier one's gate reads times what the later one writes, as in the released code.",
    )
    similarity: Similarity = option("dot", "Connection weights: dot (product) or cosine.")
    scale: Scale = option("none", "none, or layer-gap: weights in units of those between random neurons as far apart.")
    fold_norm_gain: bool = option(False, "Fold the normalisation's gain into what a neuron reads.")
    persistence: Persistence = option(
        "linear", "How long a cluster lives: linear (death - birth) or log (of death / birth)."
    )
    r_max: float | None = option(
        None, "The radius at which growth stops and everything dies. Default: twice the largest merge.", least=0
    )
    min_size: int | None = option(
        None, "The fewest neurons of a cluster. Default: 2, and 1 for interaction, where a copy can be one.", least=2
    )
    tau1: float = option(0.1, "Persistence a cluster needs, as a share of the largest.", least=0)
    tau1_rule: ThresholdRule = option(
        "fraction",
        "What tau1 is: a fraction of the largest chosen persistence, an absolute persistence, or a quantile of the "
        "persistences of all candidate clusters.",
    )
    cover: Cover = option("chosen", "chosen clusters only, or a partition of all neurons.")
    filter: Filter = option("definition", "Functional tests: definition (F1, F2, F3) or authors (F1 only).")
    t_low: float | None = option(
        None,
        "F1: largest loss with one component suppressed. Default: 0.2, or 0.05 with filter authors.",
        least=0,
        most=1,
    )
    t_sufficient: float = option(0.2, "F2: largest loss with one component left.", least=0, most=1)
    t_high: float = option(0.3, "F3: least loss with all components suppressed.", least=0, most=1)
    halving: float = option(
        0.3, "Halving test: components are distinct from here, and an arbitrary grouping below.", above=0, most=1
    )
    seed: int = option(42, "Decides every random draw.", least=0)
    comparison: ComparisonSettings = option(
        ComparisonSettings(), "Of the clusterers that topology clustering is compared with."
    )

    def __post_init__(self) -> None:
        check(self)
        if self.connection == "authors":
            taken = {
                "gate": self.gate != "up",
                "scale": self.scale == "none",
                "fold_norm_gain": not self.fold_norm_gain,
            }
            for name in (name for name, fits in taken.items() if not fits):
                refuse(name, getattr(self, name), "its default with connection 'authors', which has the gate's alone")
        if self.tau1_rule != "absolute":
            check_number(f"tau1 with tau1_rule {self.tau1_rule!r}", self.tau1, least=0, most=1)

    @property
    def dispensable(self) -> float:
        """t_low, as given or as the filter has it."""
        return _T_LOW[self.filter] if self.t_low is None else self.t_low

    @property
    def smallest(self) -> int:
        """min_size, as given or as all clusterers but `interaction` have it."""
        return self.min_size or 2


@dataclass(frozen=True, slots=True)
class PairSettings:
    """How degenerate pairs are searched for.

    With "greedy_disjoint" a pair that loses less than t_low also takes its neurons out of the search (the variant in
    the code of 'Cracking Factual Knowledge', ACL 2025).

    Raises:
        BadSetting: an unknown name or a value out of range.
    """

    search: Search = option(
        "all",
        "all: every pair that passes, so pairs may overlap (AAAI 2024). greedy_disjoint: pairs in the order of their "
        "neurons' scores; a pair that passes takes both neurons out of the search.",
    )
    t_low: float | None = option(
        None, "Largest loss of one neuron. Default: 0.2, or 0.05 with greedy_disjoint.", least=0, most=1
    )
    t_high: float | None = option(
        None, "Least loss of both. Default: 0.25, or 0.3 with greedy_disjoint.", least=0, most=1
    )
    differences: Differences = option("relative", "Losses are relative to P(answer), or absolute differences of it.")
    share: float = option(0.7, "Of the prompts that must have found a pair, where a fact has several.", above=0, most=1)
    most: int = option(64, "How many neurons enter the search at most, those with the best scores.", least=2)

    def __post_init__(self) -> None:
        check(self)

    @property
    def thresholds(self) -> tuple[float, float]:
        """t_low and t_high, as given or as the search has them."""
        low, high = _PAIRS[self.search]
        return (low if self.t_low is None else self.t_low), (high if self.t_high is None else self.t_high)


@dataclass(frozen=True, slots=True)
class CarriedSettings:
    """How it is measured what else the components of a fact carry.

    Raises:
        BadSetting: a value out of range.
    """

    others: int = option(40, "How many other facts are sampled per fact.", least=1)
    draws: int = option(99, "Random sets per component, matched in size, layers and strength.", least=FEWEST_DRAWS)
    changed: float = option(0.1, "A fact is affected if its log P(answer) changes by more than so many nats.", least=0)
    nothing: float = option(
        0.05, "Components that affect at most this share of the other facts carry none.", least=0, most=1
    )
    overlap: float = option(
        0.5,
        "Components carry different facts if the Jaccard index of what they affect is at most this.",
        least=0,
        most=1,
    )
    seed: int = option(42, "Decides both samples.", least=0)

    def __post_init__(self) -> None:
        check(self)

"""The settings of the search for degenerate knowledge neurons: every option, its default and its range."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from factneurons.degeneracy.clusterers.registry import CLUSTERERS
from factneurons.errors import BadSetting

Span = Literal["residual", "adjacent"]
Gate = Literal["both", "gate", "up"]
Similarity = Literal["dot", "cosine"]
Scale = Literal["none", "layer-gap"]
Persistence = Literal["linear", "log"]
ThresholdRule = Literal["fraction", "absolute", "quantile"]
Cover = Literal["chosen", "all"]
Filter = Literal["definition", "authors"]
Null = Literal["knowledge", "components"]

DEFAULT_SPAN: Span = "residual"
"""Every layer reads what every layer below it wrote, so any two layers are connected through the residual
stream. With "adjacent" (the released code of 'Cracking Factual Knowledge', ACL 2025) a chain needs a
knowledge neuron in every layer between, and with the ten or thirty neurons that a fact has over many
layers most distances are then infinite."""

_T_LOW: dict[Filter, float] = {"definition": 0.2, "authors": 0.05}
"""Of two components, one suppressed is the other one left: what F2 allows F1 must allow too, or F1 decides alone."""

SIGNIFICANCE = 0.05
"""The p-value up to which components count as better than random partitions of the same sizes."""

FEWEST_PARTITIONS = math.ceil(1 / SIGNIFICANCE) - 1
"""With fewer random partitions the p-value (1 + hits) / (1 + partitions) cannot reach the significance."""


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """Settings of the clusterers that topology clustering is compared with; the defaults are the released ones.

    Attributes:
        missing: stands for an infinite distance; None: 1.5 times the largest finite one of the fact. (Released:
            1000.)
        cut: "hierarchical": the quantile of all pairwise distances at which the tree is cut.
        radius: "dbscan": the quantile of the distances to the nearest neighbour that counts as near.
        neighbours: "dbscan": so large a share of all neurons near makes a region dense, at least 2 neurons.
        parts: "kmeans": the number of clusters as a share of the number of neurons, at least 2.
        variance: "kmeans": the share of the variance that the principal components keep, between 0 and 1.

    Raises:
        BadSetting: a value out of range; the message says what is valid.
    """

    missing: float | None = None
    cut: float = 0.7
    radius: float = 0.5
    neighbours: float = 0.03
    parts: float = 0.1
    variance: float = 0.95

    def __post_init__(self) -> None:
        if self.missing is not None:
            _check_number("comparison.missing", self.missing, math.inf)
        for name in ("cut", "radius", "neighbours", "parts", "variance"):
            _check_number(f"comparison.{name}", getattr(self, name), 1.0)
        if not 0 < self.variance < 1:
            raise BadSetting(f"comparison.variance = {self.variance!r}: it is a number between 0 and 1")


@dataclass(frozen=True, slots=True)
class DegeneracySettings:
    """How degenerate knowledge neurons are searched for.

    Attributes:
        clusterer: a name of `clusterers.CLUSTERERS`, for instance "ntc" (neurological topology clustering).
        span: which layers are connected: "residual" (any two) or "adjacent" (chains of neighbours).
        max_span: "adjacent" only: the largest layer gap that a chain may bridge.
        gate: in-weights of a gated neuron: "both" (root of the sum of squares), "gate" or "up".
        similarity: a connection weight is the "dot" product of out- and in-weights, or their "cosine".
        scale: "layer-gap": weights are divided by the standard deviation of those between random neurons of
            the model that are as many layers apart; "none": they are taken as they are.
        fold_norm_gain: multiply in-weights by the gain of the normalisation that the MLP reads through.
        persistence: how long a cluster lives: "linear" (death - birth) or "log" (log of death / birth).
        r_max: the radius at which growth stops and everything dies; None: twice the largest merge.
        min_size: the fewest neurons of a cluster, at least 2.
        tau1: the persistence that a chosen cluster must reach, read by `tau1_rule`.
        tau1_rule: tau1 is a "fraction" of the largest chosen persistence, an "absolute" persistence, or
            a "quantile" of the persistences of all candidate clusters.
        cover: components are the "chosen" clusters, or these grown to a partition of "all" neurons.
        filter: functional tests: "definition" (F1, F2, F3) or "authors" (F1 only).
        t_low: F1: a component suppressed alone loses less than this share of P(answer); None: 0.2, or 0.05 with
            the filter "authors", the value in the code of 'Cracking Factual Knowledge' (ACL 2025).
        t_sufficient: F2: one component left loses at most this share.
        t_high: F3: all components suppressed lose at least this share.
        partitions: random partitions per fact behind the p-value, at least 19.
        null: what the random partitions behind the verdict are drawn from: the fact's "knowledge"
            neurons, or only the neurons of its "components". Both p-values are kept.
        seed: of the random partitions, of random clusterers and of the random neurons behind `scale`.
        comparison: of the clusterers that topology clustering is compared with.

    Raises:
        BadSetting: an unknown name or a value out of range; the message lists what is valid.
    """

    clusterer: str = "interaction"
    span: Span = DEFAULT_SPAN
    max_span: int = 3
    gate: Gate = "both"
    similarity: Similarity = "dot"
    scale: Scale = "none"
    fold_norm_gain: bool = False
    persistence: Persistence = "linear"
    r_max: float | None = None
    min_size: int = 2
    tau1: float = 0.1
    tau1_rule: ThresholdRule = "fraction"
    cover: Cover = "chosen"
    filter: Filter = "definition"
    t_low: float | None = None
    t_sufficient: float = 0.2
    t_high: float = 0.3
    partitions: int = 100
    null: Null = "knowledge"
    seed: int = 42
    comparison: ComparisonSettings = field(default_factory=ComparisonSettings)

    def __post_init__(self) -> None:
        for name, valid in _CHOICES.items():
            check_choice(name, getattr(self, name), valid)
        for name, least in _WHOLE.items():
            _check_whole(name, getattr(self, name), least)
        for name, most in _NUMBERS.items():
            _check_number(name, getattr(self, name), most)
        if not isinstance(self.fold_norm_gain, bool):
            raise BadSetting(f"fold_norm_gain = {self.fold_norm_gain!r}: valid are True and False")
        if not isinstance(self.comparison, ComparisonSettings):
            raise BadSetting(f"comparison = {self.comparison!r}: it is a ComparisonSettings")
        for name, most in (("r_max", math.inf), ("t_low", 1.0)):
            if getattr(self, name) is not None:
                _check_number(name, getattr(self, name), most)
        if self.tau1_rule != "absolute" and self.tau1 > 1:
            raise BadSetting(f"tau1 = {self.tau1!r}: with tau1_rule {self.tau1_rule!r} it is from 0 to 1")

    @property
    def dispensable(self) -> float:
        """t_low, as given or as the filter has it."""
        return _T_LOW[self.filter] if self.t_low is None else self.t_low


_CHOICES: dict[str, tuple[str, ...]] = {
    "clusterer": tuple(CLUSTERERS),
    "span": get_args(Span),
    "gate": get_args(Gate),
    "similarity": get_args(Similarity),
    "scale": get_args(Scale),
    "persistence": get_args(Persistence),
    "tau1_rule": get_args(ThresholdRule),
    "cover": get_args(Cover),
    "filter": get_args(Filter),
    "null": get_args(Null),
}
_WHOLE = {"max_span": 1, "min_size": 2, "partitions": FEWEST_PARTITIONS, "seed": 0}
_NUMBERS = {"tau1": math.inf, "t_sufficient": 1.0, "t_high": 1.0}


def check_choice(name: str, value: object, valid: tuple[str, ...]) -> None:
    """Refuse a value that is not one of the valid names.

    Raises:
        BadSetting: the value is none of them.
    """
    if value not in valid:
        raise BadSetting(f"{name} = {value!r}: valid are {', '.join(valid)}")


def _check_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadSetting(f"{name} = {value!r}: it is a whole number of at least {least}")


def _check_number(name: str, value: object, most: float) -> None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not known or not 0 <= float(str(value)) <= most:
        limit = "at least 0" if math.isinf(most) else f"from 0 to {most:g}"
        raise BadSetting(f"{name} = {value!r}: it is a number {limit}")


Differences = Literal["relative", "absolute"]
Search = Literal["all", "greedy_disjoint"]


@dataclass(frozen=True, slots=True)
class PairSettings:
    """How degenerate pairs are searched for.

    Attributes:
        search: "all": every pair that passes, so pairs may overlap (AAAI 2024). "greedy_disjoint": pairs in
            the order of their neurons' scores; a pair that passes takes both neurons out of the search, and so
            does one that loses less than t_low (the variant in the code of 'Cracking Factual Knowledge', ACL 2025).
        t_low: largest loss of one neuron; None: 0.2, or 0.05 with "greedy_disjoint".
        t_high: least loss of both; None: 0.25, or 0.3 with "greedy_disjoint".
        differences: losses are "relative" to P(answer), or "absolute" differences of it.
        share: of the prompts that must have found a pair, where a fact has several.
        most: how many neurons enter the search at most, those with the best scores.

    Raises:
        BadSetting: an unknown name or a value out of range.
    """

    search: Search = "all"
    t_low: float | None = None
    t_high: float | None = None
    differences: Differences = "relative"
    share: float = 0.7
    most: int = 64

    def __post_init__(self) -> None:
        check_choice("search", self.search, get_args(Search))
        check_choice("differences", self.differences, get_args(Differences))
        for name in ("t_low", "t_high"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise BadSetting(f"{name} = {value!r}: it is a number from 0 to 1")
        if not 0 < self.share <= 1:
            raise BadSetting(f"share = {self.share!r}: it is above 0 and at most 1")
        if self.most < 2:
            raise BadSetting(f"most = {self.most!r}: a pair needs at least 2 neurons")

    @property
    def thresholds(self) -> tuple[float, float]:
        """t_low and t_high, as given or as the search has them."""
        low, high = _THRESHOLDS[self.search]
        return (low if self.t_low is None else self.t_low), (high if self.t_high is None else self.t_high)


_THRESHOLDS: dict[str, tuple[float, float]] = {"all": (0.2, 0.25), "greedy_disjoint": (0.05, 0.3)}

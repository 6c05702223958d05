"""E11 across models: does degeneracy grow with size and with training, and does robustness grow with it?

'Cracking Factual Knowledge' (ACL 2025) says so of larger models. Models of one family are a ladder: of sizes, or, where
they are of one size, of training, in the order in which they are given. Everything is told of the facts that all of a
ladder's models were measured on: a model that knows more also knows harder facts.

Two tests answer two questions. Over models: the rank correlation of a number with the rung, every model one piece of
evidence; three models cannot decide anything (p is at least 2 / 3!). Over facts: the last model against the first, fact
by fact; that is of these two models, and says nothing of others of their sizes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from factneurons.experiments.experiment import Claim, Direction
from factneurons.experiments.suite.complexity import FOUND, PER_NEURON
from factneurons.experiments.verdicts import Tested, Verdict, at_best, corrected, judged_together, verdict_of
from factneurons.statistics import Interval, bootstrap_interval, rank_test, smallest_rank_p_value

Along = Literal["size", "training"]


@dataclass(frozen=True, slots=True)
class Aspect:
    """A number of a model that is followed over a ladder, the mean over facts.

    Attributes:
        name: what it is, in words.
        experiment, measure, condition, place: which rows it is the mean of; place None: the mean over places.
        direction: how it is expected to go; None: nothing is.
    """

    name: str
    experiment: str
    measure: str
    condition: str
    direction: Direction | None
    place: str | None = None


COMPONENTS = Aspect("facts with components", "E11", "components", FOUND, "greater")
GROUPS = Aspect("components per knowledge neuron", "E11", PER_NEURON.format("groups"), FOUND, "greater")
PERTURBED = Aspect("P(answer) lost by a perturbed question", "E6", "loss, values", "none", "less")
LOST = Aspect("answers lost by a perturbed question", "E7", "lost", "none", "less")

ASPECTS = (
    COMPONENTS,
    GROUPS,
    Aspect("degeneracy index per knowledge neuron", "E11", PER_NEURON.format("degeneracy index"), FOUND, "greater"),
    Aspect("knowledge neurons", "E11", "knowledge neurons", FOUND, None),
    PERTURBED,
    LOST,
    Aspect("answers that doubled degenerate neurons bring back", "E7", "answered, values", FOUND, "greater"),
    Aspect("statements judged rightly by degenerate neurons", "E4", "right verdicts", FOUND, "greater"),
    Aspect("the same in complex text", "E8", "right verdicts", FOUND, "greater", place="complex"),
)
"""What is followed: degeneracy, and what the paper holds against it: robustness (E6, E7) and fact-checking (E4, E8)."""

TOGETHER = tuple((first, second) for first in (COMPONENTS, GROUPS) for second in (PERTURBED, LOST))
"""Degeneracy and robustness: the second is expected to fall where the first rises."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One model of a ladder.

    Attributes:
        model: its name.
        family: its architecture, as in the manifest of its run.
        neurons: how many MLP neurons it has.
        tables: experiment's id -> its measurements, of those that are there.
    """

    model: str
    family: str
    neurons: int
    tables: Mapping[str, pd.DataFrame]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Models of one family, from the first rung to the last."""

    along: Along
    family: str
    rungs: tuple[Rung, ...]


@dataclass(frozen=True, slots=True)
class RungTest:
    """A test over models.

    Attributes:
        correlation: Spearman's rho; None where a model has no number.
        p_value: two-sided, corrected over all tests over models.
        verdict: as of a claim.
        smallest_p: the smallest corrected p-value that so many models could have given; None without a number.
        enough: the fewest models with which it could have been at most 0.05.
    """

    correlation: float | None
    p_value: float | None
    verdict: Verdict
    smallest_p: float | None
    enough: int | None


@dataclass(frozen=True, slots=True)
class Followed:
    """One number over a ladder, in one language.

    Attributes:
        ladder, aspect, language: which.
        means: model by model, over the facts that all of them were measured on; () where there are none.
        over_models: whether it goes as expected from rung to rung; None: nothing is expected.
        over_facts: the last model against the first; None likewise.
    """

    ladder: Ladder
    aspect: Aspect
    language: str
    means: tuple[Interval, ...]
    over_models: RungTest | None = None
    over_facts: Tested | None = None


@dataclass(frozen=True, slots=True)
class GoTogether:
    """Whether two numbers go together from rung to rung."""

    ladder: Ladder
    first: Aspect
    second: Aspect
    language: str
    over_models: RungTest


def ladders_of(rungs: Iterable[Rung]) -> list[Ladder]:
    """The ladders that models make: in each family the models of one size, and the last of every size.

    Args:
        rungs: models, those of one size in the order of training.
    """
    sizes: dict[str, dict[int, list[Rung]]] = defaultdict(lambda: defaultdict(list))
    for rung in rungs:
        sizes[rung.family][rung.neurons].append(rung)
    found = []
    for family, by_size in sizes.items():
        if len(by_size) > 1:
            found.append(Ladder("size", family, tuple(by_size[neurons][-1] for neurons in sorted(by_size))))
        found += [Ladder("training", family, tuple(own)) for own in by_size.values() if len(own) > 1]
    return found


def follow(ladders: Sequence[Ladder]) -> tuple[list[Followed], list[GoTogether]]:
    """Every aspect over every ladder and language, and what goes together; of what was measured on all its models.

    Holm's correction goes over all tests over models, and over all tests over facts.
    """
    seen = [
        Followed(ladder, aspect, language, _means(_common(ladder, aspect, language)))
        for ladder in ladders
        for aspect in ASPECTS
        if all(aspect.experiment in rung.tables for rung in ladder.rungs)
        for language in _languages(ladder, aspect)
    ]
    by_name = {(id(each.ladder), each.aspect, each.language): each for each in seen}
    pairs = [
        (each, by_name[id(each.ladder), second, each.language])
        for each in seen
        for first, second in TOGETHER
        if each.aspect == first and (id(each.ladder), second, each.language) in by_name
    ]
    claimed = [each for each in seen if each.aspect.direction is not None]
    asked: list[tuple[Sequence[float], Sequence[float], Direction]] = [
        (range(len(each.means)), _estimates(each), each.aspect.direction or "greater") for each in claimed
    ]
    asked += [(_estimates(first), _estimates(second), "less") for first, second in pairs]
    tests = _rung_tests(asked)
    over_facts = judged_together([(_side_by_side(each), _claim(each), each.language) for each in claimed])
    told = {id(each): (test, ends) for each, test, ends in zip(claimed, tests, over_facts, strict=False)}
    followed = [
        Followed(each.ladder, each.aspect, each.language, each.means, *told.get(id(each), (None, None)))
        for each in seen
    ]
    together = [
        GoTogether(first.ladder, first.aspect, second.aspect, first.language, test)
        for (first, second), test in zip(pairs, tests[len(claimed) :], strict=True)
    ]
    return followed, together


def _estimates(followed: Followed) -> list[float]:
    return [mean.estimate for mean in followed.means]


def _rows(rung: Rung, aspect: Aspect) -> pd.DataFrame:
    table = rung.tables[aspect.experiment]
    own = table[(table["measure"] == aspect.measure) & (table["condition"] == aspect.condition)]
    return own if aspect.place is None else own[own["place"] == aspect.place]


def _languages(ladder: Ladder, aspect: Aspect) -> list[str]:
    return sorted({language for rung in ladder.rungs for language in rung.tables[aspect.experiment]["language"]})


def _common(ladder: Ladder, aspect: Aspect, language: str) -> pd.DataFrame:
    """The facts that all models were measured on: subject, and a column for each rung."""
    columns = []
    for number, rung in enumerate(ladder.rungs):
        rows = _rows(rung, aspect)
        values = rows[rows["language"] == language].groupby(["fact_id", "subject"])["value"].mean()
        columns.append(values.rename(number))
    common: pd.DataFrame = pd.concat(columns, axis=1, join="inner").reset_index("subject")
    return common


def _means(common: pd.DataFrame) -> tuple[Interval, ...]:
    if common.empty:
        return ()
    subjects = common.pop("subject").tolist()
    return tuple(bootstrap_interval(common[rung], clusters=subjects) for rung in common)


def _rung_tests(asked: Sequence[tuple[Sequence[float], Sequence[float], Direction]]) -> list[RungTest]:
    found = [rank_test(first, second) if len(first) and len(second) else None for first, second, _ in asked]
    p_values = [None if test is None else test.p_value for test in found]
    tests = []
    for place, (test, p_value, (_, _, expected)) in enumerate(zip(found, corrected(p_values), asked, strict=True)):
        smallest, enough = at_best(p_values, place, 0 if test is None else test.n, smallest_rank_p_value)
        rho = None if test is None else test.correlation
        tests.append(RungTest(rho, p_value, verdict_of(rho, p_value, expected), smallest, enough))
    return tests


_FIRST, _LAST = "first rung", "last rung"


def _side_by_side(followed: Followed) -> pd.DataFrame:
    """The rows of the first and the last model, the model as the condition."""
    rungs = followed.ladder.rungs
    ends = ((_FIRST, rungs[0]), (_LAST, rungs[-1]))
    return pd.concat([_rows(rung, followed.aspect).assign(condition=name) for name, rung in ends])


def _claim(followed: Followed) -> Claim:
    aspect, along = followed.aspect, followed.ladder.along
    assert aspect.direction is not None
    return Claim(f"{aspect.name}: {aspect.direction} with {along}", aspect.measure, _LAST, aspect.direction, _FIRST)

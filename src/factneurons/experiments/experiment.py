"""What an experiment is: conditions, numbers measured for every fact, and claims about them.

An experiment of the suite is one file that says what is done to a fact and what is expected. Everything else is
shared: facts come in one by one, every number becomes a row, verdicts come from the rows (`verdicts`), and so do the
figure and the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact
from factneurons.statistics import Numbers

Direction = Literal["greater", "less"]

RANDOM_FOR = "random for "
"""Before the name of a condition: the same done to matched random neurons."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the source says one measure does, to be tested over facts.

    Attributes:
        text: the claim in one plain sentence.
        measure: what is compared.
        condition: the condition that the claim is about.
        direction: whether its values are expected to be greater or less.
        against: than those of this condition, fact by fact; None: than 0.
        place: only in this place; None: the mean over a fact's places.
        against_place: the place that is compared with; None: the same one.
        where: a measure; a fact enters only where it is 1. About the others the design decides, not the model.
    """

    text: str
    measure: str
    condition: str
    direction: Direction
    against: str | None = None
    place: str | None = None
    against_place: str | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A number of all facts of one condition together, where a mean over facts will not do.

    Attributes:
        name: what it is called, for instance "F1".
        meaning: what it says.
        measures: the measures it is made of.
        statistic: [facts, measures] -> the number.
    """

    name: str
    meaning: str
    measures: tuple[str, ...]
    statistic: Callable[[Numbers], float]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart of an experiment.

    Attributes:
        title: above it.
        measures: what is shown, a panel each.
        across: "condition" (a point with its interval for each) or "place" (a line over places for each condition).
        unit: "share" (shown in percent) or "number".
        axis: what places are that are numbers.
    """

    title: str
    measures: tuple[str, ...]
    across: Literal["condition", "place"] = "condition"
    unit: Literal["share", "number"] = "share"
    axis: str = "layer"


Work = Callable[[Fact], Iterable[Measured]]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment.

    Attributes:
        id: E1, E2 and so on.
        title: a few words.
        source: the paper, by title.
        question: what is asked, in one sentence.
        smallest: the smallest run that can say anything, in words.
        example: a command line that runs it on a bundled model.
        measures: name -> what the number says, with its unit.
        claims: what is expected.
        prepare: looks at all facts once; returns the work on one fact. Work raises NotAskable for a fact that must be
            left out. A fact for which it returns nothing is left out as "nothing-measured".
        charts: what is drawn.
        summaries: numbers beside the means over facts.
        options: fields of the settings that this experiment reads and most do not; options of its command.
    """

    id: str
    title: str
    source: str
    question: str
    smallest: str
    example: str
    measures: Mapping[str, str]
    claims: tuple[Claim, ...]
    prepare: Callable[[Study], Work]
    charts: tuple[Chart, ...]
    summaries: tuple[Summary, ...] = ()
    options: tuple[str, ...] = ()

"""How every experiment tells what changing neurons did to P(answer).

    r     = (P after - P before) / P before         P: the mean over the prompts of one fact
    log P = mean over the prompts of ln P after - ln P before, in nats

Related: the fact's own prompts; unrelated: r and log P of each other fact, one prompt each, then their mean. Of random
neurons each draw by itself, then the mean of the draws. Experiments take means over facts of these.

Next to 0 a relative change says nothing (from 1e-9 to 1e-4 is +10,000,000 %): below `LEAST_PROBABILITY` there is none.
These are counted, and log P tells of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from factneurons.attribution.settings import ACTIONS
from factneurons.attribution.types import Measurement
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact
from factneurons.statistics import LEAST_PROBABILITY

_SIGN = {"suppress": -1, "enhance": 1}

UNRELATED = "unrelated facts"
"""The condition under which is told which facts of other relations were asked."""

MEASURES = {
    "related, suppress": "relative change of P(answer), the mean over the fact's other prompts, values set to 0",
    "related, enhance": "the same, values doubled",
    "unrelated, suppress": "relative change of P(answer) of each asked fact of other relations, their mean, values set"
    " to 0",
    "unrelated, enhance": "the same, values doubled",
    "related log P, suppress": "change of log P(answer) in nats, mean over the fact's other prompts, values set to 0",
    "related log P, enhance": "the same, values doubled",
    "unrelated log P, suppress": "the same of facts of other relations, values set to 0",
    "unrelated log P, enhance": "the same, values doubled",
    "specificity": "|related change| - |unrelated change|, both relative, mean over both actions",
    "right sign, suppress": "1 if P(answer), the mean over the fact's other prompts, falls, else 0",
    "right sign, enhance": "1 if it rises, else 0",
    "left out, suppress": f"measurements without a relative change, because P(answer) was below {LEAST_PROBABILITY}"
    " before; log P tells of them; no row: none",
    "left out, enhance": "the same, values doubled",
    "asked": "facts of other relations that are asked, all of them known to the model",
    "passed over": "facts of other relations that were drawn but not asked, by reason (the place); no row: none",
}
"""What `changes` and `asked_around` yield."""


def changes(name: str, found: Sequence[Measurement], place: str = "") -> Iterator[Measured]:
    """The changes under one set of neurons and under its random ones.

    Args:
        name: the condition, as it was given to `Study.intervene`.
        found: what it measured.
        place: of every number.
    """
    for condition in (name, f"{RANDOM_FOR}{name}"):
        own = [each for each in found if each.neurons == condition]
        sizes = []
        for action in ACTIONS:
            acted = [each for each in own if each.action == action]
            groups = {
                "related": [each for each in acted if each.other is None],
                "unrelated": [each for each in acted if each.other is not None],
            }
            relative = {kind: mean_relative(each) for kind, each in groups.items()}
            lost = sum(each.relative is None for each in acted)
            if lost:
                yield Measured(condition, f"left out, {action}", float(lost), place)
            for kind, each in groups.items():
                change, log = relative[kind], mean_log(each)
                if change is not None:
                    yield Measured(condition, f"{kind}, {action}", change, place)
                if log is not None:
                    yield Measured(condition, f"{kind} log P, {action}", log, place)
            related, unrelated = relative["related"], relative["unrelated"]
            if related is not None:
                yield Measured(condition, f"right sign, {action}", float(related * _SIGN[action] > 0), place)
            if related is not None and unrelated is not None:
                sizes.append(abs(related) - abs(unrelated))
        if len(sizes) == len(ACTIONS):
            yield Measured(condition, "specificity", float(np.mean(sizes)), place)


def mean_relative(measurements: Sequence[Measurement]) -> float | None:
    """Mean relative change; None where there is none, as P was too small before or nothing was asked."""
    found = [each.relative for each in measurements if each.relative is not None]
    return float(np.mean(found)) if found else None


def mean_log(measurements: Sequence[Measurement]) -> float | None:
    """Mean change of log P(answer) in nats; None where P was 0, or nothing was asked."""
    found = [each.log_change for each in measurements if np.isfinite(each.log_change)]
    return float(np.mean(found)) if found else None


def asked_around(study: Study, fact: Fact) -> Iterator[Measured]:
    """How many facts of other relations are asked with a fact, and how many were passed over, by reason."""
    asked, passed_over = study.unrelated(fact)
    yield Measured(UNRELATED, "asked", float(len(asked)))
    for reason, count in sorted(passed_over.items()):
        yield Measured(UNRELATED, "passed over", float(count), reason)

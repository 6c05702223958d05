"""What the languages of facts share and what it does in each, over facts, with 95 % bootstrap intervals.

Whether facts share neurons across languages needs three chance levels: random sets of the same layers (exact, with the
table `languages`), and the neurons of other facts of the relation and of any (`repairing`).

Per fact r = (P after - P before) / P before, P the mean over its prompts (unrelated: r of each other fact, then their
mean), then, for random neurons, the mean over the draws; and the change of log P, as in `effects`. Intervals resample
subjects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from factneurons.findings.effects import KEY, RANDOM_FOR, log_change_of
from factneurons.findings.repairing import AMONG, Repaired, repaired
from factneurons.findings.significance import Significant, significant
from factneurons.statistics import (
    LEAST_PROBABILITY,
    SIGNIFICANCE,
    Finding,
    Interval,
    bootstrap_interval,
    paired_permutation_test,
)

SharedVerdict = Literal["shared", "not shown", "cannot tell"]

RANDOM_SETS = "random neurons of the same layers"
OTHER_FACTS = {"relation": "other facts' neurons of the relation", "all": "any other facts' neurons"}
"""What facts are compared with, beside `RANDOM_SETS`."""

_CONDITION = ["language", "neurons", "neurons_of", "action", "prompts"]


@dataclass(frozen=True, slots=True)
class Shared:
    """What the languages of all joined facts share.

    Attributes:
        facts: facts that are there in every language.
        languages: the languages.
        having: facts with language-independent neurons.
        sizes: language -> knowledge neurons per fact, mean.
        size: language-independent neurons per fact, mean, beside random neurons of the same layers; its p-value is
            that of the paired test that facts together share more (rule union: that their union is smaller).
        repaired: the same beside other facts' neurons, of the relation and of any; empty where the rule is not about
            sets, and short where no fact can be re-paired.
        jaccard: mean over the facts that have neurons; None if none has.
        tests: the facts that share more than chance.
        reasons: reason -> facts without language-independent neurons because of it.
    """

    facts: int
    languages: tuple[str, ...]
    having: int
    sizes: dict[str, Finding]
    size: Finding
    repaired: tuple[Repaired, ...]
    jaccard: Finding | None
    tests: Significant
    reasons: dict[str, int]

    @property
    def findings(self) -> list[Finding]:
        """Its numbers."""
        return [
            *self.sizes.values(),
            self.size,
            *(each.size for each in self.repaired),
            *([self.jaccard] if self.jaccard else []),
        ]

    @property
    def unbeaten(self) -> list[str]:
        """What facts do not share more than, at p <= 0.05."""
        tested = {RANDOM_SETS: self.size} | {OTHER_FACTS[each.among]: each.size for each in self.repaired}
        return [name for name, size in tested.items() if size.p_value is None or size.p_value > SIGNIFICANCE]

    @property
    def verdict(self) -> SharedVerdict:
        """Whether facts share neurons across languages: more than every chance level, each at p <= 0.05.

        All must be beaten, so that no correction is needed. What was not compared with other facts cannot be told.
        """
        if self.unbeaten:
            return "not shown"
        return "shared" if len(self.repaired) == len(AMONG) else "cannot tell"


def shared_of(languages: pd.DataFrame, neurons: pd.DataFrame, facts: pd.DataFrame) -> Shared:
    """Sum up the table `languages` of a run, which has at least one row.

    Args:
        languages: the table.
        neurons: the run's table `language_neurons`.
        facts: the run's table `facts`.
    """
    subjects = _subjects(languages, facts)
    sizes = pd.DataFrame([{each["name"]: each["value"] for each in row} for row in languages["sizes"]])
    smaller = bool((languages["rule"] == "union").all())
    together = paired_permutation_test(
        languages["size"], languages["expected"], clusters=subjects, alternative="less" if smaller else "greater"
    )
    sets = bool((languages["needed"] > 0).all())
    pairings = [repaired(languages, neurons, subjects, among) for among in AMONG] if sets else []
    reasons = languages.loc[languages["reason"] != "", "reason"].value_counts()
    size, expected = (_interval(languages[name], subjects) for name in ("size", "expected"))
    jaccard = _interval(languages["jaccard"], subjects) if languages["jaccard"].notna().any() else None
    return Shared(
        facts=len(languages),
        languages=tuple(map(str, sizes.columns)),
        having=int((languages["size"] > 0).sum()),
        sizes={
            str(name): Finding("knowledge neurons per fact", _interval(sizes[name], subjects), {"asked": str(name)})
            for name in sizes.columns
        },
        size=Finding("language-independent neurons per fact", size, control=expected, p_value=together.p_value),
        repaired=tuple(each for each in pairings if each is not None),
        jaccard=None if jaccard is None else Finding("Jaccard index of two languages", jaccard),
        tests=significant(languages["p_value"].to_numpy(dtype=float)),
        reasons={str(reason): int(count) for reason, count in reasons.items()},
    )


def _subjects(table: pd.DataFrame, facts: pd.DataFrame) -> list[str]:
    """The subject of each row's fact in the first of its languages: the same fact, whatever it is called."""
    first = facts.sort_values(KEY).drop_duplicates("fact_id").set_index("fact_id")["subject"]
    return [str(first[fact_id]) for fact_id in table["fact_id"]]


def _interval(values: pd.Series, clusters: Sequence[str]) -> Interval:
    return bootstrap_interval(values.to_numpy(dtype=float), clusters=list(clusters), drop_missing=True)


def language_effects(table: pd.DataFrame, facts: pd.DataFrame, *, log: bool = False) -> list[Finding]:
    """Sum up the table `language_effects` of a run.

    Args:
        table: the table.
        facts: the run's table `facts`.
        log: of log P in nats, not relative to P.

    Returns:
        The mean change of P(answer) under each: asked (a language), neurons ("shared" or "language"), neurons_of
        (whose; "" for shared ones), action and prompts. Shared neurons first. No relative one where no P(answer)
        reaches `LEAST_PROBABILITY` before.
    """
    usable = table if log else table[table["probability_before"] >= LEAST_PROBABILITY]
    change = log_change_of(usable) if log else usable["probability_after"] / usable["probability_before"] - 1.0
    usable, change = usable[change.notna()], change.dropna()
    name = "change of log P(answer), nats" if log else "relative change of P(answer)"
    mean = change.groupby([usable[key] for key in ["fact_id", *_CONDITION]]).mean().rename("change").reset_index()
    found, random = (mean[mean["neurons"].str.startswith(RANDOM_FOR) == is_random] for is_random in (False, True))
    random = random.assign(neurons=random["neurons"].str.removeprefix(RANDOM_FOR))
    both = found.merge(random, on=["fact_id", *_CONDITION], suffixes=("", "_random"))
    both = both.assign(difference=both["change"] - both["change_random"], subject=_subjects(both, facts))
    effects = []
    for condition, rows in both.groupby(_CONDITION):
        under = dict(zip(("asked", *_CONDITION[1:]), map(str, condition), strict=True))
        subjects = rows["subject"].tolist()
        own, control, difference = (
            _interval(rows[name], subjects) for name in ("change", "change_random", "difference")
        )
        effects.append(Finding(name, own, under, control, difference))
    return sorted(effects, key=_order)


def _order(effect: Finding) -> tuple[bool, str, bool, str, str]:
    asked, neurons, neurons_of, action, prompts = map(str, effect.under.values())
    return (action != "suppress", asked, neurons != "shared", neurons_of, prompts)


def held_by(neurons: pd.DataFrame) -> Counter[tuple[int, tuple[str, ...]]]:
    """(layer, languages) -> how many neurons are knowledge neurons in just these, over the facts of a run.

    Args:
        neurons: the table `language_neurons`.
    """
    return Counter((int(la), tuple(held)) for la, held in zip(neurons["layer"], neurons["languages"], strict=True))

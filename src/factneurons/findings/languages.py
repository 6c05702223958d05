"""What the languages of facts share and what it does in each, over facts, with 95 % bootstrap intervals.

Per fact r = (P after - P before) / P before, averaged over its prompts (unrelated: over the other facts) and, for
random neurons, over the draws. Intervals resample subjects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from factneurons.statistics import Interval, benjamini_hochberg, bootstrap_interval, holm, paired_permutation_test

SIGNIFICANCE = 0.05
"""The p-value up to which a fact's languages share more than chance."""

_KEY = ["fact_id", "language"]
_CONDITION = ["language", "neurons", "neurons_of", "action", "prompts"]


@dataclass(frozen=True, slots=True)
class Shared:
    """What the languages of all joined facts share.

    Attributes:
        facts: facts that are there in every language.
        languages: the languages.
        having: facts with language-independent neurons.
        sizes: language -> knowledge neurons per fact, mean.
        size: language-independent neurons per fact, mean.
        expected: the same for random neurons of the same layers.
        p_value: of the paired test that facts together share more than that (rule union: that their union is smaller).
        jaccard: mean over the facts that have neurons; None if none has.
        nominal: facts that share more than chance, p at most `SIGNIFICANCE`.
        corrected: those that stay so after Holm's correction.
        discovered: those that stay so after Benjamini and Hochberg's.
        reasons: reason -> facts without language-independent neurons because of it.
    """

    facts: int
    languages: tuple[str, ...]
    having: int
    sizes: dict[str, Interval]
    size: Interval
    expected: Interval
    p_value: float
    jaccard: Interval | None
    nominal: int
    corrected: int
    discovered: int
    reasons: dict[str, int]


@dataclass(frozen=True, slots=True)
class LanguageEffect:
    """One action on one kind of neurons while facts are asked in one language.

    Attributes:
        asked: the language.
        neurons: "shared" or "language".
        neurons_of: whose knowledge neurons they are; "" for shared ones.
        action: "suppress" or "enhance".
        prompts: "related" or "unrelated".
        found: mean relative change of P(answer).
        random: the same by matched random neurons.
        difference: found - random, of the same facts.
        left_out: facts whose P(answer) is 0 to begin with, so that there is no relative change.
    """

    asked: str
    neurons: str
    neurons_of: str
    action: str
    prompts: str
    found: Interval
    random: Interval
    difference: Interval
    left_out: int


def shared_of(languages: pd.DataFrame, facts: pd.DataFrame) -> Shared:
    """Sum up the table `languages` of a run, which has at least one row.

    Args:
        languages: the table.
        facts: the run's table `facts`.
    """
    subjects = _subjects(languages, facts)
    sizes = pd.DataFrame([{each["name"]: each["value"] for each in row} for row in languages["sizes"]])
    p_values = languages["p_value"].to_numpy(dtype=float)
    smaller = bool((languages["rule"] == "union").all())
    together = paired_permutation_test(
        languages["size"], languages["expected"], clusters=subjects, alternative="less" if smaller else "greater"
    )
    reasons = languages.loc[languages["reason"] != "", "reason"].value_counts()
    return Shared(
        facts=len(languages),
        languages=tuple(map(str, sizes.columns)),
        having=int((languages["size"] > 0).sum()),
        sizes={str(name): _interval(sizes[name], subjects) for name in sizes.columns},
        size=_interval(languages["size"], subjects),
        expected=_interval(languages["expected"], subjects),
        p_value=together.p_value,
        jaccard=_interval(languages["jaccard"], subjects) if languages["jaccard"].notna().any() else None,
        nominal=int((p_values <= SIGNIFICANCE).sum()),
        corrected=int((holm(p_values) <= SIGNIFICANCE).sum()),
        discovered=int((benjamini_hochberg(p_values) <= SIGNIFICANCE).sum()),
        reasons={str(reason): int(count) for reason, count in reasons.items()},
    )


def _subjects(table: pd.DataFrame, facts: pd.DataFrame) -> list[str]:
    """The subject of each row's fact in the first of its languages: the same fact, whatever it is called."""
    first = facts.sort_values(_KEY).drop_duplicates("fact_id").set_index("fact_id")["subject"]
    return [str(first[fact_id]) for fact_id in table["fact_id"]]


def _interval(values: pd.Series, clusters: Sequence[str]) -> Interval:
    return bootstrap_interval(values.to_numpy(dtype=float), clusters=list(clusters), drop_missing=True)


def language_effects(table: pd.DataFrame, facts: pd.DataFrame) -> list[LanguageEffect]:
    """Sum up the table `language_effects` of a run.

    Returns:
        One effect per language asked, set of neurons, action and kind of prompts; shared neurons first.
    """
    usable = table[table["probability_before"] > 0]
    change = usable["probability_after"] / usable["probability_before"] - 1.0
    mean = change.groupby([usable[key] for key in ["fact_id", *_CONDITION]]).mean().rename("change").reset_index()
    found, random = (mean[mean["neurons"].str.startswith("random ") == is_random] for is_random in (False, True))
    random = random.assign(neurons=random["neurons"].str.removeprefix("random for "))
    both = found.merge(random, on=["fact_id", *_CONDITION], suffixes=("", "_random"))
    both = both.assign(difference=both["change"] - both["change_random"], subject=_subjects(both, facts))
    asked = table[table["draw"] == 0].groupby(_CONDITION)["fact_id"].nunique().to_dict()
    effects = []
    for name, rows in both.groupby(_CONDITION):
        language, neurons, neurons_of, action, prompts = map(str, name)
        subjects = rows["subject"].tolist()
        effects.append(
            LanguageEffect(
                asked=language,
                neurons=neurons,
                neurons_of=neurons_of,
                action=action,
                prompts=prompts,
                found=_interval(rows["change"], subjects),
                random=_interval(rows["change_random"], subjects),
                difference=_interval(rows["difference"], subjects),
                left_out=int(asked[name]) - len(rows),
            )
        )
    return sorted(effects, key=_order)


def _order(effect: LanguageEffect) -> tuple[bool, str, bool, str, str]:
    return (effect.action != "suppress", effect.asked, effect.neurons != "shared", effect.neurons_of, effect.prompts)


def held_by(neurons: pd.DataFrame) -> Counter[tuple[int, tuple[str, ...]]]:
    """(layer, languages) -> how many neurons are knowledge neurons in just these, over the facts of a run.

    Args:
        neurons: the table `language_neurons`.
    """
    return Counter((int(la), tuple(held)) for la, held in zip(neurons["layer"], neurons["languages"], strict=True))

"""What the languages of a run share, in a few lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from factneurons.cli.console import say
from factneurons.cli.show import ACTIONS, interval, left_out, took
from factneurons.findings.languages import language_effects, shared_of
from factneurons.report.text import JOINING_RULES, NOT_JOINED
from factneurons.runs.counts import Summary, counted
from factneurons.runs.store import Run
from factneurons.statistics import Finding

STAGE, TEST = "languages", "test_languages"
HELD_OUT = "held-out"


def joined(run: Run, summary: Summary) -> None:
    """How many facts have language-independent neurons, against chance, and what was left out."""
    table, facts = run.table("languages"), run.table("facts")
    settings = run.manifest.stages[STAGE].settings
    names = ", ".join(settings["languages"])
    if len(table):
        found = shared_of(table, facts)
        say(
            f"{run.folder}: {found.having} of {counted(found.facts, 'fact')} in {names} have language-independent "
            f"neurons{took(summary)}; rule {settings['rule']}: {JOINING_RULES[settings['rule']]}"
        )
        sizes = ", ".join(f"{name} {size.value:.1f}" for name, size in found.sizes.items())
        chance = found.size.control.estimate if found.size.control else math.nan
        say(
            f"  neurons per fact, mean: {sizes}; language-independent {_plain(found.size.value)} "
            f"(by chance {_plain(chance)}, p = {found.size.p_value:.2g} over facts)"
            + (f"; Jaccard index of two languages {found.jaccard.value:.3f}" if found.jaccard else "")
        )
        say(
            f"  more than random neurons of the same layers: {counted(found.tests.nominal, 'fact')} (p <= 0.05), "
            f"{found.tests.corrected} after Holm's correction, {found.tests.discovered} after Benjamini and Hochberg's"
        )
        if any(settings["cuts"].values()):
            cuts = ", ".join(f"{name} {cut:.2f}" for name, cut in settings["cuts"].items())
            say(f"  cut at this share of the fact's largest score, so that sizes match: {cuts}")
        for reason, count in found.reasons.items():
            say(f"  {counted(count, 'fact')} without, {reason}: {NOT_JOINED[reason]}")
    for language, count in _not_located(run).items():
        say(f"  no fact was located in {language}: {counted(count, 'fact')} left out there by locate")
    skipped = run.counts(STAGE).skipped
    if HELD_OUT in skipped:
        say(f"  {counted(skipped[HELD_OUT], 'fact')} held out: {NOT_JOINED[HELD_OUT]}")
    left_out(run, STAGE, "fact", {reason: count for reason, count in skipped.items() if reason != HELD_OUT})


def _not_located(run: Run) -> dict[str, int]:
    """Language -> facts that were left out, for languages in which none could be asked."""
    table = run.table("skipped")
    facts = table[(table["stage"] == "locate") & (table["prompt"] == "") & (table["language"] != "")]
    counts = facts["language"].value_counts()
    located = set(run.table("facts")["language"])
    return {str(language): int(count) for language, count in counts.items() if language not in located}


def effects(run: Run, summary: Summary) -> None:
    """What suppressing and enhancing each set did in each language."""
    reasons = run.counts(TEST).skipped
    left_out(run, TEST, "fact", {reason: count for reason, count in reasons.items() if reason != "no-neurons"})
    table = run.table("language_effects")
    if table.empty:
        return
    say("relative change of P(answer), mean and 95 % interval over facts:")
    facts = run.table("facts")
    found = language_effects(table, facts)
    for action, what in ACTIONS.items():
        own = [each for each in found if each.under["action"] == action]
        if own:
            say(f"  {what}")
            for line in _lines(own):
                say(f"    {line}")
    if 2 * facts["known"].sum() < len(facts):
        say(
            f"  (the model knows {facts['known'].sum()} of these {counted(len(facts), 'fact')}; where P is next to 0, "
            f"its relative change says little)"
        )


def _lines(found: Sequence[Finding]) -> Iterator[str]:
    sets = [(str(each.under["asked"]), str(each.under["neurons_of"])) for each in found]
    width = len("asked in , language-independent neurons") + max(len(asked) for asked, _ in sets)
    elsewhere = {of: each for of, each in zip(sets, found, strict=True) if each.under["prompts"] == "unrelated"}
    for (asked, of), each in zip(sets, found, strict=True):
        if each.under["prompts"] == "related":
            name = f"asked in {asked}, {of or 'language-independent'} neurons"
            line = f"{name:{width}} {interval(each.interval):26} random {interval(each.control):26}"
            other = elsewhere.get((asked, of))
            yield f"{line} other relations {interval(other.interval)}" if other else line.rstrip()


def _plain(number: float) -> str:
    return f"{number:.3g}"

"""Fact-checking in a few lines of text: the table of conditions, and verdicts on statements."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import factneurons as fn
from factneurons.cli.console import say
from factneurons.findings.checks import CheckResult, results_of
from factneurons.report.numbers import in_line
from factneurons.runs.counts import counted
from factneurons.stages.check import CHECKERS, Checked

_COLUMNS = ("precision", "recall", "F1", "macro F1", "AUROC", "macro AUROC")


def comparison(folder: Path, checked: Checked) -> None:
    """How many facts were checked, what they were checked with, and how well every condition does."""
    total = len(checked.facts)
    before = f", {checked.summary.before} of them before" if checked.summary.before else ""
    say(
        f"{folder}: statements of {counted(total - checked.unknown, 'known fact')} and of "
        f"{checked.unknown} unknown ones scored in {checked.summary.seconds:.1f} s{before}"
    )
    if checked.unknown == total:
        say(
            f"  the model knows none of these {counted(total, 'fact')} (in no prompt is the answer its top prediction):"
            " no neurons can be found for their relations, no threshold chosen, and no statement judged"
        )
    _sources(checked)
    results = results_of(checked.checks)
    _table([each for each in results if each.judged.known], "facts that the model knows")
    _table([each for each in results if not each.judged.known], "facts that the model does not know, counted apart")


def _sources(checked: Checked) -> None:
    if not checked.degenerate:
        return
    sources = Counter(each.source for each in checked.degenerate.values())
    parts = [f"{source} in {counted(count, 'relation')}" for source, count in sources.items() if source]
    having = sum(len(each.sets) for each in checked.degenerate.values())
    searched = sum(each.facts for each in checked.degenerate.values())
    none = f"; too few facts with any in {counted(sources[''], 'relation')}" if sources[""] else ""
    say(
        f"  degenerate neurons from {' and '.join(parts) or 'nowhere'} ({having} of "
        f"{counted(searched, 'training fact')} have them){none}"
    )
    rule, points = checked.settings.rule, checked.settings.points
    error = "" if math.isnan(checked.points_error) else f"; 90 % of the scores add up to {checked.points_error:.1%}"
    say(f"  scores by {checked.settings.method}, {points or rule} path points{error}")


def _table(results: Sequence[CheckResult], of: str) -> None:
    if not results:
        return
    first = results[0]
    left_out = (
        f"; {counted(first.left_out, 'fact')} left out that some condition cannot score" if first.left_out else ""
    )
    say(
        f"test statements of {of}: {counted(len(first.judged.frame), 'statement')} of {counted(first.facts, 'fact')}"
        f"{left_out}; 95 % intervals, subjects resampled"
    )
    columns = [name for name in _COLUMNS if any(name in each.measures for each in results)]
    say("  " + f"{'':24}" + "".join(f"{name:22}" for name in columns).rstrip())
    for each in results:
        found = (each.measures.get(name) for name in columns)
        cells = ("-" if one is None else in_line(one.interval, "{:.3f}".format, "(1 subject)") for one in found)
        say("  " + (f"{each.title:24}" + "".join(f"{cell:22}" for cell in cells)).rstrip())


def fitted(folder: Path, checkers: Mapping[str, fn.FactChecker]) -> None:
    """Where the checkers are."""
    if checkers:
        say(f"checkers saved in {folder / CHECKERS}: {', '.join(checkers)}")


def verdicts(lines: Sequence[fn.ParsedLine], checkers: Mapping[str, fn.FactChecker], condition: str) -> None:
    """A verdict on every line that is a statement, and how many are none and why."""
    if condition not in checkers:
        say(
            f"no statement can be judged by {condition}: it has no scores of training facts; "
            f"these have: {', '.join(checkers) or 'none'}"
        )
        return
    asked = [line for line in lines if line.statement is not None]
    found = checkers[condition].check([line.statement for line in asked if line.statement is not None])
    reasons: Counter[str] = Counter()
    judged = dict(zip((line.number for line in asked), found, strict=True))
    for line in lines:
        verdict = judged.get(line.number)
        reason = line.reason if verdict is None else verdict.reason
        if verdict is None or reason:
            reasons[reason] += 1
            say(f"line {line.number}: not judged, {reason}: {line.detail or fn.reason_in_words(reason)}")
        else:
            say(f"line {line.number}: {_verdict(line, verdict)}")
    left = "".join(f"; {count} {reason}" for reason, count in reasons.items())
    by = fn.CONDITIONS[condition].title
    say(f"{counted(len(lines), 'line')}: {len(lines) - reasons.total()} judged by {by}{left}")


def _verdict(line: fn.ParsedLine, verdict: fn.Verdict) -> str:
    statement = verdict.statement
    word = "true" if verdict.true else "doubtful"
    asked = "" if statement.text == line.text else f" (asked as: {statement.prompt.text} {statement.candidate})"
    spoke = ", ".join(f"{neuron.layer}/{neuron.index} {share:+.0%}" for neuron, share in verdict.top_neurons)
    neurons = f"; neurons (layer/index): {spoke}" if spoke else ""
    return (
        f"{word:8} score {verdict.score:.3g}, threshold {verdict.threshold:.3g}, P(true) {verdict.probability:.2f}: "
        f"{line.text}{asked}{neurons}"
    )

"""Results in a few lines of text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from factneurons.cli.console import say
from factneurons.experiments.experiment import Experiment
from factneurons.experiments.verdicts import verdicts_of
from factneurons.findings.degeneracy import carried_of, degeneracy_of
from factneurons.findings.effects import changes_of, effects_of
from factneurons.report.numbers import in_line
from factneurons.report.text import EXPECTED_SKIPS, no_degenerate
from factneurons.runs.counts import Summary, counted
from factneurons.runs.reading import measurements_of
from factneurons.runs.store import Run
from factneurons.statistics import Interval

ACTIONS = {"suppress": "suppressed (values set to 0)", "enhance": "enhanced (values doubled)"}
_PROMPTS = {"related": "the fact's own prompts", "unrelated": "prompts of other relations"}
_EXAMPLE_WIDTH = 200
ONE_SUBJECT = "(one subject: no interval)"


def next_command(command: str, folder: Path) -> None:
    """What to do next, as it would be typed."""
    say(f"next: {shlex.join(['factneurons', command, str(folder)])}")


def located(run: Run, summary: Summary) -> None:
    """How many facts have knowledge neurons now, and what was left out and why."""
    total = run.counts("locate")
    known, neurons = 0, list[int]()
    for row in run.rows("facts"):
        known += row["known"]
        neurons.append(row["neurons"])
    say(f"{run.folder}: {total.done} of {counted(total.read, 'fact')} located{took(summary)}")
    if neurons:
        none = f", none in {counted(neurons.count(0), 'fact')}" if 0 in neurons else ""
        say(
            f"  {known} of them the model knows (the answer comes first); knowledge neurons per fact: "
            f"median {np.median(neurons):g}, at most {max(neurons)}{none}"
        )
    left_out(run, "locate", "fact", total.skipped)
    left_out(run, "locate", "prompt", total.skipped_prompts)


def took(summary: Summary) -> str:
    """How long a stage took, and what was done before."""
    before = f", {summary.before} of them before" if summary.before else ""
    return f" in {summary.seconds:.1f} s{before}"


def left_out(run: Run, stage: str, what: str, reasons: Mapping[str, int]) -> None:
    """One line per reason, with the first example of it in words."""
    if not reasons:
        return
    examples: dict[str, str] = {}
    for tables in run.committed(stage, "skipped"):
        for row in tables["skipped"]:
            examples.setdefault(row["reason"], row["detail"])
        if reasons.keys() <= examples.keys():
            break
    for reason, count in reasons.items():
        example = examples.get(reason, "")
        cut = example if len(example) <= _EXAMPLE_WIDTH else f"{example[:_EXAMPLE_WIDTH]}..."
        say(f"  {counted(count, what)} left out, {reason}; for instance: {cut}")


def effects_of_knowledge(run: Run, summary: Summary) -> None:
    """What changing the knowledge neurons did."""
    effects(run, "knowledge")


def effects_of_degenerate(run: Run, summary: Summary) -> None:
    """What changing the degenerate neurons did."""
    effects(run, "degenerate")


def effects(run: Run, neurons: str) -> None:
    """What suppressing and enhancing did, against matched random neurons."""
    stage = f"test_{neurons}"
    reasons = run.counts(stage).skipped
    left_out(run, stage, "fact", {name: reasons[name] for name in reasons if name not in EXPECTED_SKIPS})
    facts = run.table("facts")
    every = effects_of(changes_of(run.frames("interventions")), facts)
    found = [each for each in every if each.neurons == neurons and each.relative.control is not None]
    if not found:
        return
    say(f"relative change of P(answer) with the {neurons} neurons changed, mean and 95 % interval over facts:")
    for effect in found:
        what = f"{ACTIONS[effect.action]}, {_PROMPTS[effect.prompts]}"
        missing = f", {effect.left_out} left out because P is 0" if effect.left_out else ""
        own, random = interval(effect.relative.interval), interval(effect.relative.control)
        say(f"  {what:56} {own:26} random neurons {random:26}{missing}".rstrip())
    if 2 * facts["known"].sum() < len(facts):
        say(
            f"  (the model knows {facts['known'].sum()} of these {counted(len(facts), 'fact')}; where P is next to 0, "
            f"its relative change says little)"
        )
    if all(effect.prompts == "related" for effect in found):
        say("  (there are no facts of other relations in this run whose prompts could be asked as well)")


def interval(found: Interval | None) -> str:
    """A relative change with its interval."""
    return "-" if found is None else in_line(found, _change, ONE_SUBJECT)


def _change(share: float) -> str:
    """A relative change with its sign: -12.3%, +5,641%."""
    return f"{share:+,.0%}" if abs(share) >= 10 else f"{share:+.1%}"


def degeneracy(run: Run, summary: Summary) -> None:
    """How many facts have degenerate knowledge neurons, and in how many these are distinct components."""
    facts = run.table("facts")
    found, carried = degeneracy_of(run.table("degenerate"), facts), carried_of(run.table("carried"), facts)
    having, searched = (0, 0) if found is None else (found.having, found.searched)
    say(f"{run.folder}: {having} of {counted(searched, 'fact')} have degenerate knowledge neurons{took(summary)}")
    if found is not None and found.index is not None:
        say(f"  degeneracy index (1: any one component suffices): mean {found.index.value:.3f}")
        say(
            f"  {found.distinct} are distinct components: half of every one suppressed costs as much as all; "
            f"{found.undecided} undecided, {found.having - found.distinct - found.undecided} interchangeable neurons"
        )
        if carried is not None and carried.control is not None:
            say(
                f"  suppressing one component changes {carried.value:.1%} of other facts, "
                f"matched random neurons {carried.control.estimate:.1%}"
            )
    stored = {} if found is None else found.storage
    say("  how facts are stored: " + ", ".join(f"{count} {name}" for name, count in stored.items() if count))
    for reason, count in ({} if found is None else found.reasons).items():
        say(f"  {counted(count, 'fact')}, {reason}: {no_degenerate(reason)}")
    left_out(run, "degenerate", "fact", run.counts("degenerate").skipped)


def experiment(asked: Experiment, run: Run, summary: Summary) -> None:
    """The claims of one experiment with their verdicts, and what was left out."""
    table = measurements_of(run, asked.id)
    stage = asked.id.lower()
    total = run.counts(stage)
    say(f"{asked.id} {asked.title}: {total.done} of {counted(total.read, 'fact')} measured{took(summary)}")
    left_out(run, stage, "fact", total.skipped)
    for tested in verdicts_of(table, asked):
        numbers = (
            "no facts have both"
            if tested.difference is None
            else in_line(tested.difference, "{:+.3g}".format, ONE_SUBJECT)
        )
        p = tested.p_other if tested.verdict == "fails" else tested.p_value
        p_value = "" if p is None else f", p = {p:.2g} after Holm"
        say(f"  {tested.verdict:11} ({tested.language}) {tested.claim.text} {numbers}{p_value}")

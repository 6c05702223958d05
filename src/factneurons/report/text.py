"""Words for what the tables say in codes: stages, conditions, verdicts, reasons."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from factneurons.degeneracy.types import REASONS as NO_GROUPS
from factneurons.degeneracy.types import STORAGE
from factneurons.findings.languages import Shared
from factneurons.multilingual.settings import RULES
from factneurons.multilingual.types import REASONS as NOT_SHARED
from factneurons.report import numbers
from factneurons.report.numbers import plain
from factneurons.runs.counts import counted
from factneurons.statistics import SIGNIFICANCE

if TYPE_CHECKING:
    from factneurons.editing.evaluation import EditEffect
    from factneurons.experiments.ladder import RungTest
    from factneurons.experiments.verdicts import Tested

STAGES: Mapping[str, str] = {
    "locate": "find knowledge neurons",
    "pairs": "find degenerate pairs",
    "check": "score right and wrong statements",
    "test_knowledge": "suppress and enhance knowledge neurons",
    "degenerate": "find degenerate knowledge neurons",
    "test_degenerate": "suppress and enhance degenerate knowledge neurons",
    "interventions": "suppress and enhance neurons",
    "languages": "find what the languages of a fact share",
    "test_languages": "suppress and enhance what they share, in every language",
}
"""Stage -> what it does."""

STATES: Mapping[str, str] = {
    "done": "done",
    "running": "not finished: still running, or killed",
    "interrupted": "not finished: interrupted",
}

_COMMANDS: Mapping[str, str] = {
    "locate": "factneurons locate --model MODEL --facts FACTS --out {folder}",
    "pairs": "factneurons check {folder}",
    "check": "factneurons check {folder}",
    "test_knowledge": "factneurons locate --model MODEL --facts FACTS --out {folder}",
    "degenerate": "factneurons degenerate {folder}",
    "test_degenerate": "factneurons degenerate {folder}",
    "languages": "factneurons languages {folder}",
    "test_languages": "factneurons languages {folder}",
}

NEURON_SETS: Mapping[str, str] = {
    "knowledge": "knowledge neurons",
    "random for knowledge": "random neurons, matched",
    "degenerate": "degenerate neurons",
    "random for degenerate": "random neurons, matched to these",
}
"""Neurons that were changed -> what they are called."""

ACTIONS: Mapping[str, str] = {"suppress": "Suppress", "enhance": "Enhance"}
VALUES: Mapping[str, str] = {"suppress": "set to 0", "enhance": "doubled"}
"""Action -> what it does to values."""

PROMPTS: Mapping[str, str] = {"related": "the fact's own prompts", "unrelated": "facts of other relations"}

EXPECTED_SKIPS = ("no-knowledge-neurons", "no-degenerate-neurons", "held-out", "no-neurons")
"""Reasons of a test that had nothing to change: counted, but no loss that a reader has to know of one by one."""


def command(stage: str, folder: Path) -> str:
    """The command that makes what is missing of a stage."""
    return _COMMANDS[stage].format(folder=shlex.quote(str(folder)))


def more_facts(folder: Path, facts: int) -> str:
    """The command that shows so many facts."""
    return f"factneurons report {shlex.quote(str(folder))} --max-facts {facts}"


def place(source: str) -> str:
    """Where a fact was read, without the folders: FILE:LINE."""
    return source.replace("\\", "/").rsplit("/", 1)[-1]


def grouping(code: str, components: int, halving: float | None) -> str:
    """What was found for one fact, in a sentence.

    Args:
        code: "distinct", "arbitrary", "undecided" or "no-groups".
        components: how many components pass the functional tests.
        halving: what they come to in the halving test; None: not tested, or by an older version in another way.
    """
    if code == "no-groups":
        return "No degenerate knowledge neurons."
    groups = f"{components} groups of neurons can each be spared, but not all of them"
    if code == "undecided":
        return f"{groups}. Whether they are distinct components cannot be told."
    value = "" if halving is None else f" (halving test: {plain(halving)})"
    if code == "distinct":
        return f"{groups}, and half of every group is as good as none: they are distinct components{value}."
    return f"{groups}. But other groupings would do as well: these neurons are interchangeable{value}."


def no_degenerate(reason: str) -> str:
    """Why there are no degenerate knowledge neurons; an unknown reason is shown as it is."""
    return NO_GROUPS.get(reason, reason)


def stored(verdict: str) -> str:
    """What a verdict on how a fact is stored means; an unknown one is shown as it is."""
    return STORAGE.get(verdict, verdict)


def not_shared(reason: str) -> str:
    """Why the languages of a fact share nothing, or why it took no part."""
    return NOT_SHARED.get(reason, reason)


def language_rule(rule: str) -> str:
    """What makes a neuron language-independent."""
    return RULES[rule]


def shared_verdict(found: Shared) -> str:
    """Whether facts share neurons across languages, in a sentence."""
    if found.verdict == "shared":
        return "Facts share neurons of their own across languages: more than every chance level."
    if found.verdict == "cannot tell":
        return "Whether facts share neurons of their own cannot be told: no other fact's neurons to compare with."
    beside = ", or ".join(found.unbeaten)
    return f"It is not shown that facts share neurons of their own: no more than {beside} (p > 0.05)."


def edit_effect(line: EditEffect) -> tuple[str, str, str, str]:
    """Before, after, its interval (of several facts or prompts), and after the same edit of random neurons."""
    share = line.measure.unit == "share"
    written, ranges = (numbers.percent, numbers.percent_range) if share else (numbers.plain, numbers.plain_range)
    interval = ranges(line.found) if line.found.clusters > 1 else ""
    control = "" if line.random is None else written(line.random.estimate)
    return written(line.before), written(line.found.estimate), interval, control


def could_tell(test: Tested | RungTest, count: int, thing: str = "subject") -> str:
    """What "cannot tell" leaves open: whether anything could have been told by so few; "" of other verdicts.

    Args:
        test: the test.
        count: how many things it rests on.
        thing: what they are.
    """
    if test.verdict != "cannot tell":
        return ""
    if test.smallest_p is None:
        return f"no {thing} was measured"
    of, smallest = counted(count, thing), numbers.p_value(test.smallest_p)
    if test.smallest_p <= SIGNIFICANCE:
        return f"with {of} p could have been as small as {smallest}: a clear difference would have been seen"
    enough = "" if test.enough is None else f"; {test.enough} could do"
    return f"could not have been told: with {of} the smallest p possible is {smallest}{enough}"

"""Results in a few lines of text: the findings that the page and Python read, as a terminal shows them."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import factneurons as fn
from factneurons.cli.console import say, tell
from factneurons.findings.checks import CheckResult, results_of, title_of
from factneurons.findings.degeneracy import carried_of, degeneracy_of
from factneurons.findings.effects import changes_of, effects_of
from factneurons.findings.languages import OTHER_FACTS, language_effects, shared_of
from factneurons.findings.repairing import Repaired
from factneurons.report.numbers import in_line
from factneurons.report.text import (
    EXPECTED_SKIPS,
    could_tell,
    edit_effect,
    language_rule,
    no_degenerate,
    not_shared,
    shared_verdict,
    stored,
)
from factneurons.runs.counts import Summary, counted
from factneurons.runs.reading import measurements_of, positions_of
from factneurons.statistics import LEAST_PROBABILITY, Finding, Interval

ACTIONS = {"suppress": "suppressed (values set to 0)", "enhance": "enhanced (values doubled)"}
_PROMPTS = {"related": "the fact's own prompts", "unrelated": "prompts of other relations"}
_EXAMPLE_WIDTH = 200
_ONE_SUBJECT = "(one subject: no interval)"
_HELD_OUT = "held-out"
_CHECKED = ("precision", "recall", "F1", "macro F1", "AUROC", "macro AUROC")
_EDITED = (
    "change rate",
    "success rate",
    "success@5",
    "writes new answer",
    "MRR, new answer",
    "P(new answer)",
    "P(old answer)",
    "perplexity",
)


def next_command(command: str, folder: Path, *given: str) -> None:
    """What to do next, as it would be typed, with options that it needs again."""
    say(f"next: {shlex.join(['factneurons', command, str(folder), *given])}")


def located(run: fn.Run, summary: Summary) -> None:
    """How many facts have knowledge neurons now, and what was left out and why."""
    total = run.counts("locate")
    known, neurons = 0, list[int]()
    for row in run.rows("facts"):
        known += row["known"]
        neurons.append(row["neurons"])
    where = "" if (positions := positions_of(run)) == "target" else f" at positions {positions!r}"
    say(f"{run.folder}: {total.done} of {counted(total.read, 'fact')} located{where}{took(summary)}")
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


def left_out(run: fn.Run, stage: str, what: str, reasons: Mapping[str, int]) -> None:
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


def effects_of_knowledge(run: fn.Run, summary: Summary) -> None:
    """What changing the knowledge neurons did."""
    effects(run, "knowledge")


def effects_of_degenerate(run: fn.Run, summary: Summary) -> None:
    """What changing the degenerate neurons did."""
    effects(run, "degenerate")


def effects(run: fn.Run, neurons: str) -> None:
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
        missing = f", {effect.left_out} left out because P is below {LEAST_PROBABILITY}" if effect.left_out else ""
        told = effect.log if effect.log and not effect.relative.n else effect.relative
        own, random = _told(told), _told(told, told.control)
        say(f"  {what:56} {own:26} random neurons {random:26}{missing}".rstrip())
    _mostly_unknown(facts)
    if all(effect.prompts == "related" for effect in found):
        say("  (there are no facts of other relations in this run whose prompts could be asked as well)")


def _mostly_unknown(facts: pd.DataFrame) -> None:
    known = int(facts["known"].sum())
    if 2 * known < len(facts):
        say(
            f"  (the model knows {known} of these {counted(len(facts), 'fact')}; where P is below {LEAST_PROBABILITY}, "
            "only the change of log P is told)"
        )


def interval(found: Interval | None, *, nats: bool = False) -> str:
    """A relative change with its interval, or one of log P."""
    return "-" if found is None else in_line(found, _nats if nats else _change, _ONE_SUBJECT)


def _change(share: float) -> str:
    """A relative change with its sign: -12.3%, +5,641%."""
    return f"{share:+,.0%}" if abs(share) >= 10 else f"{share:+.1%}"


def _nats(change: float) -> str:
    """A change of log P: -3.2 nats."""
    return f"{change:+.2g} nats"


def degeneracy(run: fn.Run, summary: Summary) -> None:
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
    for verdict, count in ({} if found is None else found.storage).items():
        if count:
            say(f"  {counted(count, 'fact')} stored as {verdict}: {stored(verdict)}")
    for reason, count in ({} if found is None else found.reasons).items():
        say(f"  {counted(count, 'fact')} without, {reason}: {no_degenerate(reason)}")
    left_out(run, "degenerate", "fact", run.counts("degenerate").skipped)


def experiment(asked: fn.Experiment, run: fn.Run, summary: Summary) -> None:
    """The claims of one experiment with their verdicts, and what was left out."""
    table = measurements_of(run, asked.id)
    stage = asked.id.lower()
    total = run.counts(stage)
    say(f"{asked.id} {asked.title}: {total.done} of {counted(total.read, 'fact')} measured{took(summary)}")
    left_out(run, stage, "fact", total.skipped)
    for tested in fn.verdicts_of(table, asked):
        numbers = (
            f"{counted(tested.by_design, 'fact')} decided by design"
            if tested.by_design and not tested.facts
            else "no facts have both"
            if tested.difference is None
            else in_line(tested.difference, "{:+.3g}".format, _ONE_SUBJECT)
        )
        p_value = "" if tested.p_value is None else f", p = {tested.p_value:.2g} after Holm"
        say(f"  {tested.verdict:11} ({tested.language}) {tested.claim.text} {numbers}{p_value}")
        open = could_tell(tested, tested.subjects)
        if open:
            say(f"    {open}")


def joined(run: fn.Run, summary: Summary) -> None:
    """How many facts have language-independent neurons, against chance, and what was left out."""
    table, facts = run.table("languages"), run.table("facts")
    settings = run.manifest.stages["languages"].settings
    names = ", ".join(settings["languages"])
    if len(table):
        found = shared_of(table, run.table("language_neurons"), facts)
        say(
            f"{run.folder}: {found.having} of {counted(found.facts, 'fact')} in {names} have language-independent "
            f"neurons{took(summary)}; rule {settings['rule']}: {language_rule(settings['rule'])}"
        )
        sizes = ", ".join(f"{name} {size.value:.1f}" for name, size in found.sizes.items())
        chance = found.size.control.estimate if found.size.control else math.nan
        say(
            f"  neurons per fact, mean: {sizes}; language-independent {found.size.value:.3g} "
            f"(by chance {chance:.3g}, p = {found.size.p_value:.2g} over facts)"
            + (f"; Jaccard index of two languages {found.jaccard.value:.3f}" if found.jaccard else "")
        )
        say(
            f"  more than random neurons of the same layers: {counted(found.tests.nominal, 'fact')} (p <= 0.05), "
            f"{found.tests.corrected} after Holm's correction, {found.tests.discovered} after Benjamini and Hochberg's"
        )
        for each in found.repaired:
            say(f"  {_repaired(each)}")
        say(f"  {shared_verdict(found)}")
        if any(settings["cuts"].values()):
            cuts = ", ".join(f"{name} {cut:.2f}" for name, cut in settings["cuts"].items())
            say(f"  cut at this share of the fact's largest score, so that sizes match: {cuts}")
        for reason, count in found.reasons.items():
            say(f"  {counted(count, 'fact')} without, {reason}: {not_shared(reason)}")
    for language, count in _not_located(run).items():
        say(f"  no fact was located in {language}: {counted(count, 'fact')} left out there by locate")
    skipped = run.counts("languages").skipped
    if _HELD_OUT in skipped:
        say(f"  {counted(skipped[_HELD_OUT], 'fact')} held out: {not_shared(_HELD_OUT)}")
    left_out(run, "languages", "fact", {reason: count for reason, count in skipped.items() if reason != _HELD_OUT})


def _repaired(found: Repaired) -> str:
    control = found.size.control.estimate if found.size.control else math.nan
    alone = f"; {counted(found.alone, 'fact')} without another to pair with" if found.alone else ""
    return (
        f"paired with {OTHER_FACTS[found.among]}: {control:.3g}, with their own {found.size.value:.3g} "
        f"(p = {found.size.p_value:.2g}, {counted(found.size.n, 'fact')}{alone})"
    )


def _not_located(run: fn.Run) -> dict[str, int]:
    """Language -> facts that were left out, for languages in which none could be asked."""
    table = run.table("skipped")
    facts = table[(table["stage"] == "locate") & (table["prompt"] == "") & (table["language"] != "")]
    counts = facts["language"].value_counts()
    located = set(run.table("facts")["language"])
    return {str(language): int(count) for language, count in counts.items() if language not in located}


def effects_by_language(run: fn.Run, summary: Summary) -> None:
    """What suppressing and enhancing each set did in each language."""
    reasons = run.counts("test_languages").skipped
    left_out(
        run, "test_languages", "fact", {reason: count for reason, count in reasons.items() if reason != "no-neurons"}
    )
    table = run.table("language_effects")
    if table.empty:
        return
    facts = run.table("facts")
    found = language_effects(table, facts)
    relative = {tuple(each.under.values()) for each in found}
    logs = language_effects(table, facts, log=True)
    found += [each for each in logs if tuple(each.under.values()) not in relative]
    say("relative change of P(answer), mean and 95 % interval over facts:")
    for action, what in ACTIONS.items():
        own = [each for each in found if each.under["action"] == action]
        if own:
            say(f"  {what}")
            for line in _lines(own):
                say(f"    {line}")
    _mostly_unknown(facts)


def _lines(found: Sequence[Finding]) -> Iterator[str]:
    sets = [(str(each.under["asked"]), str(each.under["neurons_of"])) for each in found]
    width = len("asked in , language-independent neurons") + max(len(asked) for asked, _ in sets)
    elsewhere = {of: each for of, each in zip(sets, found, strict=True) if each.under["prompts"] == "unrelated"}
    for (asked, of), each in zip(sets, found, strict=True):
        if each.under["prompts"] == "related":
            name = f"asked in {asked}, {of or 'language-independent'} neurons"
            line = f"{name:{width}} {_told(each):26} random {_told(each, each.control):26}"
            other = elsewhere.get((asked, of))
            yield f"{line} other relations {_told(other)}" if other else line.rstrip()


def _told(found: Finding, of: Interval | None = None) -> str:
    return interval(of or found.interval, nats="nats" in found.name)


def comparison(folder: Path, checked: fn.Checked) -> None:
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


def _sources(checked: fn.Checked) -> None:
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
    columns = [name for name in _CHECKED if any(name in each.measures for each in results)]
    say("  " + f"{'':30}" + "".join(f"{name:22}" for name in columns).rstrip())
    for each in results:
        found = (each.measures.get(name) for name in columns)
        cells = ("-" if one is None else in_line(one.interval, "{:.3f}".format, "(1 subject)") for one in found)
        say("  " + (f"{each.title:30}" + "".join(f"{cell:22}" for cell in cells)).rstrip())
        if each.by_design:
            say(
                f"    cannot tell by design: {each.by_design} of {counted(each.facts, 'fact')} are checked in the very "
                "prompt that decides whether they are known"
            )


def fitted(checked: fn.Checked) -> None:
    """Where the checkers are."""
    if checked.checkers:
        say(f"checkers saved in {checked.checkers_folder}: {', '.join(checked.checkers)}")


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
    say(f"{counted(len(lines), 'line')}: {len(lines) - reasons.total()} judged by {title_of(condition)}{left}")


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


_LISTED = 64
_CHANGED = {
    "out-weights": "their out-weights change",
    "neurons": "their in- and out-weights and biases change",
    "model": "all weights of the model change",
}


def described(edit: fn.Edit | fn.StoredEdit) -> None:
    """What an edit is, in a few lines."""
    about = edit.description
    layers = Counter(neuron.layer for neuron in edit.neurons)
    say(str(about))
    if edit.neurons:
        where = ", ".join(f"{count} in layer {layer}" for layer, count in sorted(layers.items()))
        say(f"  {counted(len(edit.neurons), 'neuron')} ({about.neurons_from}): {where}")
        more = len(edit.neurons) - _LISTED
        names = " ".join(f"{neuron.layer}.{neuron.index}" for neuron in edit.neurons[:_LISTED])
        say(f"  {names}" + (f" and {more} more" if more > 0 else ""))
    say(f"  {_CHANGED[about.extent]} by {edit.size:.1%} of their length")
    for note in about.notes:
        say(f"  note: {note}")


def evaluated(result: fn.EditEvaluation, effects: Sequence[fn.EditEffect]) -> None:
    """The edit, and its measurements beside those of random neurons."""
    described(result.edit)
    random = result.random_size
    if random is not None:
        say(f"  random neurons: by {random:.1%}, mean of {counted(len(result.sizes) - 1, 'draw')}")
    for note in result.notes:
        if note not in result.edit.description.notes:
            say(f"  note: {note}")
    say(f"  {'asked':17}{'measure':18}{'before':>9}{'after':>9}  {'95% interval':18}{'random':>9}")
    for effect in effects:
        if effect.measure.name in _EDITED:
            before, after, interval, control = edit_effect(effect)
            say(f"  {effect.group:17}{effect.measure.name:18}{before:>9}{after:>9}  {interval:18}{control:>9}")


def dry_run(out: Path) -> None:
    """Nothing was written."""
    tell(f"dry run: nothing was written into {out}")


def written(out: Path, page: Path | None, model: str, saved: Path | None) -> None:
    """Where everything is, and what comes next."""
    say(f"edit: {out}")
    if page is not None:
        say(f"page: {page}")
    if saved is not None:
        say(f"edited model: {saved}")
    command = ["factneurons", "delta", "apply", model, str(out), "--out", f"{out}-model"]
    say(f"next: {shlex.join(command)}")

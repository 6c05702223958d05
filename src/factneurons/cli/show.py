"""Results in a few lines of text."""

from __future__ import annotations

import numpy as np
import pandas as pd

from factneurons.cli.console import say
from factneurons.experiments.effects import Effect, effects_of
from factneurons.experiments.statistics import holm
from factneurons.facts import Description
from factneurons.runs import Run, Summary


def counts(run: Run, stage: str, summary: Summary) -> None:
    """What a stage read, did and left out, over the whole run."""
    total = run.counts(stage)
    resumed = f" ({summary.before} of them before)" if summary.before else ""
    say(f"{stage}: {total.read} facts read, {total.done} done{resumed} in {summary.seconds:.1f} s")
    for name, reasons in (("facts left out", total.skipped), ("prompts left out", total.skipped_prompts)):
        if reasons:
            said = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
            say(f"  {name}: {said}")


def effects(run: Run, neurons: str) -> None:
    """What suppressing and enhancing did, against matched random neurons."""
    table = run.table("interventions")
    found = effects_of(table, run.table("facts"), neurons) if len(table) else []
    if not found:
        say(f"no {neurons} neurons were tested")
    for effect in found:
        say(_effect(effect))


def _effect(effect: Effect) -> str:
    own, random = effect.found, effect.random
    return (
        f"  {effect.action:8} {effect.neurons} neurons, {effect.prompts} prompts: P(answer) {own.estimate:+.1%} "
        f"[{own.low:+.1%}, {own.high:+.1%}]; random neurons {random.estimate:+.1%} "
        f"[{random.low:+.1%}, {random.high:+.1%}] ({own.n} facts)"
    )


def degeneracy(run: Run) -> None:
    """How many facts have degenerate knowledge neurons, and how many beat their random partitions."""
    table = run.table("degenerate")
    if not len(table):
        say("no fact was looked at")
        return
    having = table[table["components"] >= 2]
    say(f"  {len(having)} of {len(table)} facts have degenerate knowledge neurons by the functional tests")
    if len(having):
        adjusted = np.asarray(holm(having["p_value"].to_numpy(dtype=float)))
        say(
            f"  degeneracy index: mean {having['degeneracy_index'].mean():.3f}; better than random partitions of "
            f"the same sizes: {int((having['p_value'] <= 0.05).sum())} (p <= 0.05), "
            f"{int((adjusted <= 0.05).sum())} after Holm's correction"
        )
    for reason, count in table.loc[table["components"] < 2, "reason"].value_counts().items():
        say(f"  {count} have none: {reason}")


def description(found: Description) -> None:
    """What a source of facts holds."""
    say(found.description)
    say(f"facts: {found.facts}, prompts: {found.prompts}, dated facts: {found.dated}")
    say(f"languages: {_listed(found.languages)}")
    say(
        f"blank at the end, inside, at the start: {', '.join(str(found.blanks[k]) for k in ('end', 'inside', 'start'))}"
    )
    for name in ("skipped", "skipped_parts", "left_out"):
        reasons = getattr(found, name)
        if reasons:
            say(f"{name.replace('_', ' ')}: {_listed(reasons)}")
    if found.asked:
        say(f"askable: {found.askable_facts} facts, {found.askable_prompts} prompts")
        for reason, refusal in found.refusals.items():
            say(f"not askable, {reason}: {refusal.prompts} prompts; for instance {refusal.example}")
    frame = pd.DataFrame(
        [
            {"relation": name, "facts": each.facts, "prompts": each.prompts, "dated": each.dated}
            | ({"askable facts": each.askable_facts, "askable prompts": each.askable_prompts} if found.asked else {})
            for name, each in found.relations.items()
        ]
    )
    if len(frame):
        say(frame.to_string(index=False))


def _listed(values: object) -> str:
    return ", ".join(f"{name} {count}" for name, count in dict(values).items())  # type: ignore[call-overload]

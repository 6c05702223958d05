"""The main findings in sentences: numbers with their 95% intervals, and what was not measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from factneurons.findings.degeneracy import Degeneracy
from factneurons.findings.effects import RANDOM_FOR, Effect
from factneurons.findings.overview import Findings
from factneurons.report import numbers
from factneurons.report.reading import Reading
from factneurons.report.text import command
from factneurons.statistics import LEAST_PROBABILITY

_STRONG = Markup("<strong>{}</strong>")


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that was not measured, and the command that measures it."""

    what: str
    command: str


def sentences_of(findings: Findings) -> list[Markup]:
    """The main findings, in the order they are told. Every text in them is a number or written here."""
    if not findings.asked:
        return []
    said = [_known(findings), _neurons(findings)]
    for neurons, name in (("knowledge", "knowledge neurons"), ("degenerate", "degenerate knowledge neurons")):
        for action in ("suppress", "enhance"):
            said += _effect(findings, neurons, name, action)
        said += _unrelated(findings, neurons, name)
        if neurons == "knowledge" and findings.degeneracy is not None:
            said += _degeneracy(findings.degeneracy)
            said += _acquisition(findings)
            said += _carried(findings)
    if findings.layer_errors:
        said.append(_completeness(findings))
    return said


def effect_rows(findings: Findings) -> list[tuple[Effect, str, str]]:
    """The rows of the table of effects: the effect, the neurons, and which of its intervals the row tells."""
    return [
        (effect, f"{prefix}{effect.neurons}", of)
        for effect in findings.effects
        for prefix, of in (("", "interval"), (RANDOM_FOR, "control"))
        if of == "interval" or effect.relative.control is not None
    ]


def missing_of(reading: Reading, findings: Findings) -> list[Missing]:
    """What this run does not tell, and the commands that would."""
    folder = reading.run.folder
    return list(_missing(reading, findings, folder))


def _missing(reading: Reading, findings: Findings, folder: Path) -> Iterator[Missing]:
    if not findings.asked:
        return
    tested = {effect.neurons for effect in findings.effects}
    if "knowledge" not in tested and findings.without_neurons < findings.asked:
        yield Missing("What changing the knowledge neurons does", command("test_knowledge", folder))
    if findings.degeneracy is None:
        yield Missing("Degenerate knowledge neurons", command("degenerate", folder))
    elif findings.degeneracy.having and "degenerate" not in tested:
        yield Missing("What changing the degenerate knowledge neurons does", command("test_degenerate", folder))


def _known(findings: Findings) -> Markup:
    share, probability = findings.known_share, findings.probability
    assert share is not None
    assert probability is not None
    return Markup(
        "The model knows {} of {} facts ({} {}): the answer is its top prediction for at least one prompt."
        " In the median it gives the answer a probability of {}."
    ).format(
        _strong(numbers.count(findings.known)),
        numbers.count(findings.asked),
        numbers.percent(share.value),
        numbers.percent_range(share.interval),
        numbers.probability(probability.median),
    )


def _neurons(findings: Findings) -> Markup:
    spread = findings.neurons
    assert spread is not None
    none = ""
    if findings.without_neurons:
        facts = "fact has" if findings.without_neurons == 1 else "facts have"
        none = f" {numbers.count(findings.without_neurons)} {facts} none."
    return Markup(
        "A fact has {} knowledge neurons in the median; half of the facts have {} to {}, all have {} to {}.{}"
    ).format(
        _strong(numbers.half(spread.median)),
        numbers.half(spread.lower),
        numbers.half(spread.upper),
        numbers.half(spread.smallest),
        numbers.half(spread.largest),
        none,
    )


def _effect(findings: Findings, neurons: str, name: str, action: str) -> Iterator[Markup]:
    effect = findings.effect(neurons, action, "related")
    if effect is None:
        return
    if not effect.relative.n:
        yield _only_log(effect, name, action)
        return
    sentence = Markup("{} a fact's {} changes P(answer) by {} {} on average (median {}{})").format(
        _VERBS[action],
        name,
        _strong(numbers.change(effect.relative.value)),
        numbers.change_range(effect.relative.interval),
        numbers.change(effect.median.value),
        _log(effect),
    )
    random, difference = effect.relative.control, effect.relative.difference
    if random is None or difference is None:
        yield sentence + "."
        return
    yield sentence + Markup(
        "; changing random neurons of the same layers and strength instead, by {} {}. The difference is {} {}."
    ).format(
        _strong(numbers.change(random.estimate)),
        numbers.change_range(random),
        numbers.points(difference.estimate),
        numbers.points_range(difference),
    )


def _only_log(effect: Effect, name: str, action: str) -> Markup:
    told = Markup(
        "{} a fact's {} changes log P(answer) by {} nats {}; P is below {} in every fact, so that a relative change"
        " says nothing"
    )
    assert effect.log is not None
    own, random = effect.log.interval, effect.log.control
    sentence = told.format(
        _VERBS[action], name, _strong(numbers.signed(own.estimate)), numbers.plain_range(own), LEAST_PROBABILITY
    )
    if random is None:
        return sentence + "."
    return sentence + Markup("; random neurons of the same layers and strength, by {} {}.").format(
        numbers.signed(random.estimate), numbers.plain_range(random)
    )


_VERBS = {"suppress": "Suppressing", "enhance": "Enhancing"}


def _log(effect: Effect) -> str:
    return "" if effect.log is None else f"; log P: {numbers.signed(effect.log.value)} nats"


def _unrelated(findings: Findings, neurons: str, name: str) -> Iterator[Markup]:
    suppressed = findings.effect(neurons, "suppress", "unrelated")
    enhanced = findings.effect(neurons, "enhance", "unrelated")
    if suppressed is None or enhanced is None:
        if findings.effect(neurons, "suppress", "related") is not None:
            yield Markup("No facts of other relations were asked while the {} were changed.").format(name)
        return
    if not (suppressed.relative.n and enhanced.relative.n):
        return
    yield Markup(
        "Facts of other relations change by {} {} when the {} are suppressed and by {} {} when they are enhanced."
    ).format(
        _strong(numbers.change(suppressed.relative.value)),
        numbers.change_range(suppressed.relative.interval),
        name,
        _strong(numbers.change(enhanced.relative.value)),
        numbers.change_range(enhanced.relative.interval),
    )


_DEGENERATE = "have degenerate knowledge neurons: groups of neurons of which each can be spared, but not all."


def _degeneracy(found: Degeneracy) -> Iterator[Markup]:
    if not found.having:
        yield Markup("{} of the {} facts {} The table below says why.").format(
            _strong("None"), numbers.count(found.searched), _DEGENERATE
        )
        return
    yield Markup(f"{{}} of {{}} facts ({{}} {{}}) {_DEGENERATE}").format(
        _strong(numbers.count(found.having)),
        numbers.count(found.searched),
        numbers.percent(found.share.value),
        numbers.percent_range(found.share.interval),
    )
    if found.index is not None and found.drop_all is not None and found.coverage is not None:
        yield Markup(
            "Their degeneracy index is {} {} on average (1: any one group suffices; 0: all are needed)."
            " Suppressing all groups of a fact changes P(answer) by {} {}. They hold {} {} of the knowledge neurons."
        ).format(
            _strong(numbers.plain(found.index.value)),
            numbers.plain_range(found.index.interval),
            numbers.loss(found.drop_all.value),
            numbers.loss_range(found.drop_all.interval),
            numbers.percent(found.coverage.value),
            numbers.percent_range(found.coverage.interval),
        )
    if found.having:
        yield Markup(
            "In {} of these the groups are distinct components: half of every group is as good as none, while all but"
            " one can be spared. {} are undecided; in the others other groupings of the neurons do as well."
        ).format(_strong(numbers.count(found.distinct)), numbers.count(found.undecided))


def _acquisition(findings: Findings) -> Iterator[Markup]:
    found = next((each.findings for each in findings.acquisition if each.which == "components"), None)
    if found is None or found["proper"].control is None or found["jump"].control is None:
        return
    yield Markup(
        "Suppressing some, but not all, of a fact's groups changes P(answer) by {} {}, suppressing all of them adds"
        " {} {}; of random groups of the same sizes some change it by {}, and all add {}."
    ).format(
        _strong(numbers.loss(found["proper"].value)),
        numbers.loss_range(found["proper"].interval),
        _strong(numbers.loss(found["jump"].value)),
        numbers.loss_range(found["jump"].interval),
        numbers.loss(found["proper"].control.estimate),
        numbers.loss(found["jump"].control.estimate),
    )


def _carried(findings: Findings) -> Iterator[Markup]:
    found = findings.carried
    if found is None or found.control is None:
        return
    yield Markup(
        "Do these groups have work of their own? A group changes {} {} of the other facts that were asked, random"
        " neurons of the same layers and strength {}."
    ).format(
        _strong(numbers.percent(found.value)),
        numbers.percent_range(found.interval),
        numbers.percent(found.control.estimate),
    )


def _completeness(findings: Findings) -> Markup:
    worst = max(findings.layer_errors, key=lambda each: each.largest)
    if findings.joint:
        return Markup(
            "The scores of all layers together add up to the change of P(answer) they explain within {} in every"
            " prompt."
        ).format(_strong(numbers.plain(worst.largest)))
    return Markup(
        "The scores of a layer add up to the change of P(answer) they explain within {} in every layer and prompt"
        " (largest in layer {})."
    ).format(_strong(numbers.plain(worst.largest)), worst.layer)


def _strong(text: str) -> Markup:
    return _STRONG.format(text)

"""What a newcomer sees first: five sentences, four numbers and one picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from factneurons.degeneracy.types import STORAGE
from factneurons.findings.degeneracy import Degeneracy
from factneurons.findings.effects import Effect
from factneurons.findings.overview import Findings
from factneurons.report import numbers
from factneurons.report.charts import Figure
from factneurons.report.html import visible
from factneurons.report.reading import Reading
from factneurons.report.sections.glossary import term

_PICTURES = ("effect_of_suppress", "neurons_by_layer")
_LETTERS = 100
_LANGUAGE = "en"
_STRONG = Markup("<strong>{}</strong>")


@dataclass(frozen=True, slots=True)
class Tile:
    """One number to be seen at a glance."""

    value: str
    label: Markup
    note: str = ""


def tiles_of(findings: Findings) -> list[Tile]:
    """The four numbers that say most; fewer where less was measured."""
    tiles = []
    if findings.known_share is not None:
        of = f"{numbers.count(findings.known)} of {numbers.count(findings.asked)} facts"
        tiles.append(Tile(numbers.percent(findings.known_share.value), term("known", "known to the model"), of))
    if findings.neurons is not None:
        tiles.append(Tile(numbers.half(findings.neurons.median), term("knowledge"), "of a fact, median"))
    effect = findings.effect("knowledge", "suppress", "related")
    if effect is not None and effect.relative.n:
        random = effect.relative.control
        against = "" if random is None else f"with random ones: {numbers.change(random.estimate)}"
        label = term("suppress", "probability of the answer with these at 0")
        tiles.append(Tile(numbers.change(effect.relative.value), label, against))
    if findings.degeneracy is not None:
        found = findings.degeneracy
        better = f"in {numbers.count(found.distinct)} of them no other grouping would do" if found.having else ""
        tiles.append(Tile(numbers.count(found.having), term("degenerate", "facts with stand-in groups"), better))
    return tiles


def opening_of(reading: Reading, findings: Findings) -> list[Markup]:
    """The five sentences; none where no fact was asked."""
    if not findings.asked:
        return []
    return [
        _asked(reading, findings),
        _known(findings),
        _neurons(reading, findings),
        *_suppressed(findings.effect("knowledge", "suppress", "related")),
        _stored(findings.degeneracy),
    ]


def picture_of(figures: Sequence[Figure]) -> Figure | None:
    """The one picture: what suppressing does beside random neurons, or else where the neurons are."""
    named = {figure.name: figure for figure in figures}
    return next((named[name] for name in _PICTURES if name in named), None)


def _asked(reading: Reading, findings: Findings) -> Markup:
    """How many facts, and of the shown ones the surest prompt that was asked, in the page's language if any."""
    facts = _STRONG.format("1 fact" if findings.asked == 1 else f"{numbers.count(findings.asked)} facts")
    said = Markup("The model was asked for {} by sentences to complete").format(facts)
    asked = [
        (key[1] == _LANGUAGE, probability, key, prompt)
        for key, prompts in reading.prompts.items()
        for prompt, probability in prompts.items()
    ]
    if not asked:
        return said + "."
    *_, (fact_id, language), prompt = max(asked)
    own = reading.facts[(reading.facts["fact_id"] == fact_id) & (reading.facts["language"] == language)]
    example = _quoted(prompt, language), _quoted(own["answer"].iloc[0], language)
    return said + Markup(", such as {}; here the right answer is {}.").format(*example)


def _quoted(text: str, language: str) -> Markup:
    cut = text if len(text) <= _LETTERS else f"{text[:_LETTERS]}\N{HORIZONTAL ELLIPSIS}"
    return Markup("“<bdi lang='{}'>{}</bdi>”").format(visible(language), visible(cut))


def _known(findings: Findings) -> Markup:
    return Markup("It {} {} of them: in at least one wording its first guess is right.").format(
        term("known", "knows"), _STRONG.format(numbers.count(findings.known))
    )


def _neurons(reading: Reading, findings: Findings) -> Markup:
    spread = findings.neurons
    assert spread is not None
    model = reading.run.manifest.model
    total = int(model.get("layers") or reading.layers) * int(model.get("width") or 0)
    of = f" of {numbers.count(total)}" if total else ""
    return Markup(
        "Each answer was traced to those {} of the model, single numbers inside it, that it depends on most: typically"
        " {}{}. They are called the {} of the fact."
    ).format(term("neuron", "neurons"), _STRONG.format(numbers.half(spread.median)), of, term("knowledge"))


def _suppressed(effect: Effect | None) -> Iterator[Markup]:
    if effect is None or not effect.relative.n:
        yield Markup("What becomes of the answer without them was not measured in this run.")
        return
    random, difference = effect.relative.control, effect.relative.difference
    said = Markup("With them {}, {} {} on average").format(
        term("suppress", "set to 0"), term("answer", "the probability of the answer"), _moves(effect.relative.value)
    )
    if random is None or difference is None:
        yield said + Markup(".")
        return
    follows = "that these neurons matter more than others is not shown"
    if difference.high < 0:
        follows = "the answer depends on these neurons more than on others"
    elif difference.low > 0:
        follows = "the answer does not depend on them more than on others, but less"
    yield said + Markup("; with {} set to 0, it {}. So {}.").format(
        term("random", "as many random neurons"), _moves(random.estimate), follows
    )


def _moves(share: float) -> Markup:
    """How a probability moves, in words."""
    return Markup("{} by {}").format("rises" if share > 0 else "falls", _STRONG.format(numbers.percent(abs(share))))


def _stored(found: Degeneracy | None) -> Markup:
    if found is None:
        return Markup("Whether facts have {} was not searched for in this run.").format(
            term("degenerate", "groups of neurons that stand in for each other")
        )
    said = Markup("{} of {} facts have {}, so that one can be lost").format(
        _STRONG.format(numbers.count(found.having)),
        numbers.count(found.searched),
        term("degenerate", "groups of neurons that stand in for each other"),
    )
    if not found.storage:
        return said + Markup(".")
    word, facts = max(found.storage.items(), key=lambda item: item[1])
    return said + Markup("; the most frequent {}, of {} facts, is “{}”: {}.").format(
        term("stored", "verdict"), numbers.count(facts), word, STORAGE[word]
    )

"""What `ask` and `describe_neuron` return: plain values, with `to_dict` and a display of their own in notebooks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from factneurons.asking.parts import (
    Part,
    as_html,
    as_text,
    bar,
    change,
    middle_and_range,
    probability,
    visible,
    written,
)
from factneurons.facts.types import BLANK
from factneurons.models.types import Neuron, Written

_NAMED = 6
"""Neurons of a layer that are named in the picture of the layers."""

CHANGED = {"suppress": "suppressed", "enhance": "doubled"}
_RANDOM = (
    "Random neurons: as many of the same layers, as strong; the mean of the draws, the lowest and the highest, and how "
    "many draws move P as far the same way."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the untouched model makes of one answer.

    Attributes:
        text: the answer.
        tokens: its tokens, as they were asked.
        probability: P(answer), 0 to 1.
        rank: the worst rank of one of its tokens in the whole vocabulary; 1: what the model says itself.
    """

    text: str
    tokens: tuple[str, ...]
    probability: float
    rank: int


@dataclass(frozen=True, slots=True)
class Carrier:
    """One neuron that carries an answer.

    Attributes:
        neuron: the neuron.
        score: its attribution score, in units of the attributed function.
        round: the round of the search that found it, from 1.
        value: its value at the prompt's blank.
        alone: P(answer) with this neuron alone suppressed.
        writes: the tokens that it promotes and suppresses here: where its value is negative, the other way round than
            its out-weights say; None: no direct path leads from it to the vocabulary.
        place: the place of the answer's first token among all tokens by what it writes; 1: promoted most.
    """

    neuron: Neuron
    score: float
    round: int
    value: float
    alone: float
    writes: Written | None
    place: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """What one action on all neurons together does.

    Attributes:
        action: "suppress" (values set to 0) or "enhance" (doubled).
        probability: P(answer) afterwards.
        prediction: what the model says itself afterwards.
        random: P(answer) after the same was done to random neurons, one number per draw.
        log_ratio: ln P(answer) / P(against) afterwards, in nats; None where there is nothing against.
        random_log_ratio: the same for each draw of random neurons.
    """

    action: str
    probability: float
    prediction: str
    random: tuple[float, ...]
    log_ratio: float | None = None
    random_log_ratio: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """What a model makes of a prompt and an answer, and which neurons carry it.

    Attributes:
        model: the model's name.
        layers: how many it has; searched: neurons of all layers.
        prompt: what was asked, the blank written ___.
        prediction: what the model says itself, untouched.
        answer: the answer.
        against: the other answer, where two are contrasted.
        log_ratio: ln P(answer) / P(against) in nats, untouched; None where there is nothing against.
        method: how the neurons were found.
        target: what was attributed.
        carriers: the neurons, in the order they were found; none: nothing reached the threshold.
        changes: what suppressing and doubling them does; none where there are no neurons.
        notes: what a reader should know of these numbers, in sentences.
        positions: where neurons are meant: scored, read and changed.
    """

    model: str
    layers: int
    searched: int
    prompt: str
    prediction: str
    answer: Asked
    against: Asked | None
    log_ratio: float | None
    method: str
    target: str
    carriers: tuple[Carrier, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    positions: str = "target"

    @property
    def neurons(self) -> tuple[Neuron, ...]:
        """The neurons that carry the answer, in the order they were found."""
        return tuple(each.neuron for each in self.carriers)

    @property
    def shares(self) -> tuple[float, ...]:
        """Of each layer the share of the sum of the neurons' scores; they sum to 1 where there are neurons."""
        total = sum(each.score for each in self.carriers)
        own = [sum(each.score for each in self.carriers if each.neuron.layer == layer) for layer in range(self.layers)]
        return tuple(score / total if total else 0.0 for score in own)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON takes it; a number that is none is null."""
        found: dict[str, Any] = _plain(asdict(self))
        return found

    @property
    def title(self) -> str:
        """The prompt with the answer in its blank."""
        return visible(self.prompt.replace(BLANK, self.answer.text))

    def parts(self, most: int = 8) -> Iterator[Part]:
        """What a terminal and a notebook show of it, with at most so many neurons."""
        yield self._answers()
        if self.carriers:
            yield self._layers()
            yield self._changed()
            if self.against is not None and self.log_ratio is not None:
                yield self._contrasted(self.against, self.log_ratio)
            yield self._written(most)

    def _answers(self) -> Part:
        rows = [
            (each.text, probability(each.probability), f"{each.rank:,}", " \N{MIDDLE DOT} ".join(each.tokens))
            for each in (self.answer, self.against)
            if each is not None
        ]
        said = f"{self.model} itself says: {self.prediction}"
        return Part(said, ("answer", "P", "rank", "tokens asked"), tuple(rows))

    def _layers(self) -> Part:
        """The last layer first, as it stands nearest to the answer."""
        rows = []
        for layer in reversed(range(self.layers)):
            own = [each.neuron.index for each in self.carriers if each.neuron.layer == layer]
            named = " ".join(map(str, own[:_NAMED])) + (" ..." if len(own) > _NAMED else "")
            share = self.shares[layer]
            rows.append((str(layer), bar(share), f"{share:.0%}" if own else "", str(len(own) or ""), named))
        where = "" if self.positions == "target" else f", positions: {self.positions}"
        what = "neuron carries" if len(self.carriers) == 1 else "neurons carry"
        title = f"{len(self.carriers)} of {self.searched:,} {what} it ({self.method}{where})"
        return Part(title, ("layer", "share of the score", "", "neurons", "which"), tuple(rows))

    def _changed(self) -> Part:
        rows = []
        for each in self.changes:
            own = each.probability - self.answer.probability
            far = sum((value - self.answer.probability) / own >= 1 if own else True for value in each.random)
            rows.append(
                (
                    CHANGED[each.action],
                    probability(each.probability),
                    change(self.answer.probability, each.probability),
                    middle_and_range(each.random),
                    f"{far} of {len(each.random)}" if each.random else "-",
                    each.prediction,
                )
            )
        head = ("all of them", f"P({self.answer.text})", "change", "random neurons", "of them as far", "it then says")
        return Part("What happens when they are changed", head, tuple(rows), _RANDOM)

    def _contrasted(self, against: Asked, untouched: float) -> Part:
        rows = [("untouched", f"{untouched:+.2f}", "")]
        for each in self.changes:
            if each.log_ratio is not None:
                random = middle_and_range(each.random_log_ratio, signed=True)
                rows.append((CHANGED[each.action], f"{each.log_ratio:+.2f}", random))
        ratio = f"ln P({self.answer.text}) / P({against.text})"
        title = f"{self.answer.text} against {against.text}"
        return Part(title, ("all of them", ratio, "random neurons"), tuple(rows))

    def _written(self, most: int) -> Part:
        rows = []
        for each in self.carriers[:most]:
            place = "-" if each.place is None else f"{each.place:,}"
            name = f"{each.neuron.layer}.{each.neuron.index}"
            rows.append((name, f"{each.score:.3f}", probability(each.alone), place, *written(each.writes)))
        place = f"place of {self.answer.tokens[0].strip()}"
        note = f"{place}: among all tokens, by how far the neuron pushes each up; 1 is the farthest."
        if len(self.carriers) > most:
            note = f"{len(self.carriers) - most} more neurons are not shown. {note}"
        head = ("layer.neuron", "score", "P without it", place, "pushes up", "pushes down")
        return Part("What each of them writes, read off its weights", head, tuple(rows), note)

    def __repr__(self) -> str:
        return as_text(self.title, self.parts(), self.notes)

    def _repr_html_(self) -> str:
        return as_html(self.title, self.parts(), self.notes)


@dataclass(frozen=True, slots=True)
class ActivePrompt:
    """A prompt on which a neuron was read: its fact, its text, and the neuron's value at the blank."""

    fact_id: str
    language: str
    prompt: str
    value: float


@dataclass(frozen=True, slots=True)
class ServedFact:
    """A fact that has the neuron among its knowledge neurons, and at which place (1: the first)."""

    fact_id: str
    language: str
    relation: str
    score: float
    position: int


@dataclass(frozen=True, slots=True, repr=False)
class NeuronDescription:
    """What one neuron writes, reads and serves.

    Attributes:
        model: the model's name.
        neuron: the neuron.
        writes: the tokens that a positive value of it promotes and suppresses; None: no direct path leads from it to
            the vocabulary.
        weakness: how far that reading can be trusted, in a sentence.
        active: the prompts on which its value is farthest from 0, the farthest first.
        prompts: how many prompts it was read on.
        serves: the facts whose neuron it is, best place first.
        facts: how many facts were looked at.
        rank: its place among all knowledge neurons of these facts by how many facts they serve (equal ones share the
            better place); None: it serves none.
        neurons: how many different knowledge neurons these facts have.
    """

    model: str
    neuron: Neuron
    writes: Written | None
    weakness: str
    active: tuple[ActivePrompt, ...] = ()
    prompts: int = 0
    serves: tuple[ServedFact, ...] = ()
    facts: int = 0
    rank: int | None = None
    neurons: int = 0

    @property
    def relations(self) -> dict[str, int]:
        """Relation -> how many of its facts the neuron serves, the most first."""
        counts: dict[str, int] = {}
        for each in self.serves:
            counts[each.relation] = counts.get(each.relation, 0) + 1
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON takes it; a number that is none is null."""
        found: dict[str, Any] = _plain(asdict(self))
        return found | {"relations": self.relations}

    @property
    def title(self) -> str:
        """Which neuron of which model."""
        return visible(f"{self.model}, layer {self.neuron.layer}, neuron {self.neuron.index}")

    def parts(self, most: int = 10) -> Iterator[Part]:
        """What a terminal and a notebook show of it, with at most so many facts."""
        if self.writes is not None:
            cells = zip(("promotes", "suppresses"), written(self.writes), strict=True)
            yield Part("What a positive value of it writes", ("", "tokens"), tuple(cells), self.weakness)
        if self.active:
            rows = [(f"{each.value:+.2f}", each.prompt, each.fact_id) for each in self.active]
            title = f"Where it is most active, of {self.prompts:,} prompts"
            yield Part(title, ("value", "prompt", "fact"), tuple(rows))
        if self.serves:
            served = [
                (each.fact_id, each.language, str(each.position), f"{each.score:.3f}") for each in self.serves[:most]
            ]
            relations = ", ".join(f"{name} {count}" for name, count in self.relations.items())
            place = f"place {self.rank} of their {self.neurons:,} neurons"
            title = f"It serves {len(self.serves)} of {self.facts:,} facts: {place}"
            head = ("fact", "language", "place among its neurons", "score")
            yield Part(title, head, tuple(served), f"By relation: {relations}.")

    def __repr__(self) -> str:
        return as_text(self.title, self.parts(), () if self.writes is not None else (self.weakness,))

    def _repr_html_(self) -> str:
        return as_html(self.title, self.parts(), () if self.writes is not None else (self.weakness,))


def _plain(value: Any) -> Any:
    if isinstance(value, Neuron):
        return {"layer": value.layer, "index": value.index}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

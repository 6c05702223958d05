"""Which other facts a group of neurons carries, judged by those facts' own knowledge neurons.

In: a group, other facts with their neurons, losses of P(answer). Out: the facts it carries. With S the neurons that
group B shares with fact g, and N(g) all of g's:

    B carries g  if  |S| >= |B| / 2  and  S is needed:   drop_g(S) >= t_high
                                      or  S suffices:    drop_g(N(g) - S) <= 0.5 and drop_g(N(g)) >= t_high

A component that backs up another one may be suppressed without loss, and carries its facts all the same: so it is
asked what suffices, not only what is needed. Half of P(answer) is enough for that: N(g) - S holds not only the backups
of S but also neurons that help it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable

from factneurons.attribution.drops import Drops, NeuronSet
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.facts.related import same_fact
from factneurons.facts.types import Fact
from factneurons.models.questions import Asking, knowing
from factneurons.models.types import Neuron

Carries = Callable[[NeuronSet], Asking[bool]]
"""Whether a group of neurons carries a fact other than its own."""


SUFFICES = 0.5
"""A group suffices for a fact that loses at most this share of P(answer) without its other neurons."""


def carries_nothing(_: NeuronSet) -> Asking[bool]:
    """Where no other facts are known."""
    return knowing(False)


class FactsByNeuron:
    """Facts with their knowledge neurons, to be looked up by neuron.

    Args:
        facts: the facts; those that are not known to the model hold nothing.
        drops_of: the losses of one fact, asked for only where it shares neurons; None: it cannot be asked.
        settings: t_high is read.
    """

    def __init__(
        self,
        facts: Iterable[tuple[Fact, Collection[Neuron]]],
        drops_of: Callable[[Fact], Drops | None],
        settings: DegeneracySettings,
    ) -> None:
        self._drops_of, self._settings = drops_of, settings
        self._neurons: dict[str, NeuronSet] = {}
        self._facts: dict[str, Fact] = {}
        self._holding: dict[Neuron, list[str]] = defaultdict(list)
        for fact, neurons in facts:
            self._facts[fact.key], self._neurons[fact.key] = fact, frozenset(neurons)
            for neuron in self._neurons[fact.key]:
                self._holding[neuron].append(fact.key)

    def carried_by(self, group: NeuronSet, but: Fact, *, most: int | None = None) -> Asking[list[Fact]]:
        """The facts that a group carries, other than the one it was found for (in any language, or reversed).

        Args:
            group: the neurons.
            but: the fact it was found for.
            most: after so many facts no further one is looked at; None: all are.
        """
        held = Counter(key for neuron in group for key in self._holding.get(neuron, ()))
        found: list[Fact] = []
        for key, count in held.items():
            fact = self._facts[key]
            if 2 * count >= len(group) and not same_fact(fact, but) and (yield from self._carries(group, fact)):
                found.append(fact)
            if len(found) == most:
                break
        return found

    def carrying(self, but: Fact) -> Carries:
        """Whether a group carries any fact other than this one."""

        def carries(group: NeuronSet) -> Asking[bool]:
            return bool((yield from self.carried_by(group, but, most=1)))

        return carries

    def _carries(self, group: NeuronSet, fact: Fact) -> Asking[bool]:
        drops, everything = self._drops_of(fact), self._neurons[fact.key]
        own = group & everything
        sets = [own, everything - own, everything]
        if drops is not None:
            yield from drops.measure(sets)
        if drops is None or not drops.probability > 0:
            return False
        needed, left, lost = drops(sets)
        t_high = self._settings.t_high
        return bool(needed >= t_high or (left <= SUFFICES and lost >= t_high))

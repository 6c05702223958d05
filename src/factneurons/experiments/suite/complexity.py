"""E11: how much degeneracy does a model have, for the knowledge neurons it has?

'Cracking Factual Knowledge' (ACL 2025), complexity: facts with components, groups, neurons and degeneracy index, each
divided by |N|, how many knowledge neurons the fact has. Here they are measured on one model, beside the same neurons
grouped at random; what the paper says of larger models is said of several (`ladder`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from factneurons.degeneracy.types import DegenerateNeurons
from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Work
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact

FOUND = "degenerate"

_PER_FACT = {
    "components": "1 if the fact has components, else 0",
    "distinct": "1 if it has components that pass the halving test, else 0",
    "groups": "how many components it has",
    "component neurons": "how many neurons they have together",
    "degeneracy index": "1 - loss with one component left / loss with none; of facts with components",
}
PER_NEURON = "{} per knowledge neuron"

MEASURES = (
    _PER_FACT
    | {PER_NEURON.format(name): f"the same ({name}), divided by |N|" for name in _PER_FACT}
    | {"knowledge neurons": "|N|: how many knowledge neurons the fact has"}
)


def prepare(study: Study) -> Work:
    """The components of one fact, and those of its neurons grouped at random."""

    def work(fact: Fact) -> Iterator[Measured]:
        from factneurons.degeneracy.find import degenerate_neurons

        study.require_known(fact)
        known = study.knowledge(fact, study.settings.methods[0])
        yield from _of_search(FOUND, study.components(fact))
        random = degenerate_neurons(study.model, known, replace(study.settings.search, clusterer="random"))
        yield from _of_search(f"{RANDOM_FOR}{FOUND}", random)
        yield Measured(FOUND, "knowledge neurons", float(len(known.neurons)))

    return work


def _of_search(condition: str, found: DegenerateNeurons) -> Iterator[Measured]:
    numbers = {
        "components": float(bool(found.components)),
        "distinct": float(found.grouping == "distinct"),
        "groups": float(len(found.components)),
        "component neurons": float(len(found.neurons)),
        "degeneracy index": found.degeneracy_index,
    }
    for name, value in numbers.items():
        if not math.isnan(value):
            yield Measured(condition, name, value)
            yield Measured(condition, PER_NEURON.format(name), value / found.knowledge_neurons)


def _claims() -> Iterator[Claim]:
    for measure, what in (
        ("components", "More facts have components"),
        (PER_NEURON.format("groups"), "A knowledge neuron comes with more components"),
        ("degeneracy index", "The degeneracy index is higher"),
    ):
        text = f"{what} than where the same neurons are grouped at random."
        yield Claim(text, measure, FOUND, "greater", f"{RANDOM_FOR}{FOUND}")


EXPERIMENT = Experiment(
    id="E11",
    title="Complexity",
    source="Cracking Factual Knowledge (ACL 2025)",
    question="How many of a model's facts have components, and how many for the knowledge neurons they have?",
    smallest="30 facts that the model knows; of several models, the same facts and three sizes",
    example=(
        'factneurons experiment E11 --model pocket-gpt2 --facts "bundled?lang=en&sample=20&seed=1" '
        "--out runs/complexity"
    ),
    measures=MEASURES,
    claims=tuple(_claims()),
    prepare=prepare,
    charts=(
        Chart("Facts with components", ("components", "distinct")),
        Chart("For the knowledge neurons there are", (PER_NEURON.format("groups"), PER_NEURON.format("components")),
              unit="number"),
        Chart("Degeneracy index of facts with components", ("degeneracy index",), unit="number"),
    ),
)  # fmt: skip

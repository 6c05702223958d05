"""E1: do the located neurons carry the fact?

'Journey to the Center of the Knowledge Neurons' (AAAI 2024), experiment on localisation, after Dai et al. (2022):
suppress and enhance a fact's knowledge neurons; its own prompts should follow, facts of other relations should not.

    r = (P after - P before) / P before                               per fact, P the mean over its prompts
    success rate of an action = mean r of the facts / mean r of unrelated ones, SR = the sum of both actions' sizes
    specificity = |r of the fact| - |r of unrelated ones|, mean over the two actions

The success rate explodes where unrelated prompts hardly move; specificity does not. Neurons are found with half of a
fact's prompts and tested with the others.

More neurons do more, so methods are compared with as many: of each the k best by its own scores, k the number of the
method that finds fewest for the fact (methods that find none aside). What all neurons of a method do is told as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from factneurons.errors import NotAskable
from factneurons.experiments.changes import MEASURES as CHANGES
from factneurons.experiments.changes import asked_around, changes
from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Summary, Work
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron
from factneurons.multilingual.join import best_first
from factneurons.statistics import Numbers

MEASURES = {
    **CHANGES,
    "neurons": "how many neurons were found; under a matched condition, how many were taken",
    "share of layer": "share of the fact's neurons that lie in the layer",
}


def matched(method: str) -> str:
    """The condition of a method's best neurons, as many as the other methods'."""
    return f"{method}, as many"


def prepare(study: Study) -> Work:
    """Every method, one after the other, on one fact."""

    def work(fact: Fact) -> Iterator[Measured]:
        study.require_known(fact)
        _, tested = study.halves(fact)
        found: dict[str, tuple[Neuron, ...]] = {}
        for method in dict.fromkeys(study.settings.methods):
            try:
                known = study.knowledge(fact, method)
            except NotAskable as error:
                if error.reason != "no-knowledge-neurons":
                    raise
                yield Measured(method, "neurons", 0.0)
                continue
            found[method] = best_first([known], known.neurons)
            yield from changes(method, study.intervene(fact, tested, known.neurons, method))
            yield from _spread(method, known.neurons, study.model.layer_count)
        if len(found) > 1:
            size = min(map(len, found.values()))
            for method, neurons in found.items():
                condition = matched(method)
                yield Measured(condition, "neurons", float(size))
                yield from changes(condition, study.intervene(fact, tested, neurons[:size], condition))
        yield from asked_around(study, fact)

    return work


def _spread(method: str, neurons: Sequence[Neuron], layers: int) -> Iterator[Measured]:
    yield Measured(method, "neurons", float(len(neurons)))
    counts = Counter(neuron.layer for neuron in neurons)
    for layer in range(layers):
        yield Measured(method, "share of layer", counts[layer] / len(neurons), place=str(layer))


def _ratio(values: Numbers) -> float:
    """Mean of the first column over the mean of the second."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(values[:, 0].mean() / values[:, 1].mean())


def _sum_of_ratios(values: Numbers) -> float:
    """|ratio of the first two columns| + |ratio of the last two|."""
    return abs(_ratio(values[:, :2])) + abs(_ratio(values[:, 2:]))


SUCCESS_RATES = (
    Summary(
        "success rate, suppress",
        "mean relative change of the facts over mean relative change of unrelated ones",
        ("related, suppress", "unrelated, suppress"),
        _ratio,
    ),
    Summary(
        "success rate, enhance",
        "the same, enhanced",
        ("related, enhance", "unrelated, enhance"),
        _ratio,
    ),
    Summary(
        "SR",
        "|success rate, suppress| + |success rate, enhance|, as the paper sums them",
        ("related, suppress", "unrelated, suppress", "related, enhance", "unrelated, enhance"),
        _sum_of_ratios,
    ),
)
"""The paper's measures of the actions, over facts."""


EXPERIMENT = Experiment(
    id="E1",
    title="Localisation",
    source="Journey to the Center of the Knowledge Neurons (AAAI 2024); Dai et al. (2022)",
    question="Does P(answer) follow when a fact's knowledge neurons are suppressed and enhanced, and only then?",
    smallest="50 facts that the model knows, of 5 relations, with 2 prompts or more each",
    example='factneurons experiment E1 --model pocket-gpt2 --facts "bundled?sample=60&seed=1" --out runs/experiments',
    measures=MEASURES,
    claims=(
        Claim("Suppressing the neurons lowers P(answer).", "related, suppress", "amig", "less"),
        Claim(
            "Suppressing them lowers it more than random neurons do.",
            "related, suppress",
            "amig",
            "less",
            f"{RANDOM_FOR}amig",
        ),
        Claim("Enhancing the neurons raises P(answer).", "related, enhance", "amig", "greater"),
        Claim(
            "Enhancing them raises it more than random neurons do.",
            "related, enhance",
            "amig",
            "greater",
            f"{RANDOM_FOR}amig",
        ),
        Claim("The fact moves more than unrelated facts do.", "specificity", "amig", "greater"),
        *(
            Claim(
                f"With as many neurons, AMIG is more specific than {name}.",
                "specificity",
                matched("amig"),
                "greater",
                matched(other),
            )
            for other, name in (("dai", "Dai et al.'s method"), ("activation", "activation"))
        ),
    ),
    prepare=prepare,
    charts=(
        Chart("Change of P(answer)", ("related, suppress", "related, enhance")),
        Chart("Change of log P(answer), nats", ("related log P, suppress", "related log P, enhance"), unit="number"),
        Chart("Change of unrelated facts", ("unrelated, suppress", "unrelated, enhance")),
        Chart("Specificity", ("specificity",)),
        Chart("Where the neurons lie", ("share of layer",), across="place"),
    ),
    summaries=SUCCESS_RATES,
)

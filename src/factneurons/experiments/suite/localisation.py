"""E1: do the located neurons carry the fact?

'Journey to the Center of the Knowledge Neurons' (AAAI 2024), experiment on localisation, after Dai et al. (2022):
suppress and enhance a fact's knowledge neurons; its own prompts should follow, prompts of other relations should not.

    r = (P after - P before) / P before
    success rate of an action = mean r on the fact's prompts / mean r on unrelated ones
    specificity = |r on the fact's prompts| - |r on unrelated ones|, mean over the two actions

The success rate explodes where unrelated prompts hardly move; specificity does not. Neurons are found with half of a
fact's prompts and tested with the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from factneurons.attribution.effects import Asked, intervene
from factneurons.attribution.settings import ACTIONS
from factneurons.attribution.types import Measurement
from factneurons.errors import NotAskable
from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Summary, Work
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron
from factneurons.statistics import Numbers

_SIGN = {"suppress": -1, "enhance": 1}

MEASURES = {
    "related, suppress": "relative change of P(answer) on the fact's other prompts, values set to 0",
    "related, enhance": "the same, values doubled",
    "unrelated, suppress": "relative change of P(answer) on facts of other relations, values set to 0",
    "unrelated, enhance": "the same, values doubled",
    "specificity": "|related change| - |unrelated change|, mean over both actions",
    "right sign, suppress": "1 if P(answer) falls on the fact's other prompts, else 0",
    "right sign, enhance": "1 if P(answer) rises, else 0",
    "left out, suppress": "measurements without a relative change, because P(answer) was 0 before; no row: none",
    "left out, enhance": "the same, values doubled",
    "neurons": "how many neurons were found",
    "share of layer": "share of the fact's neurons that lie in the layer",
}


def prepare(study: Study) -> Work:
    """Every method, one after the other, on one fact."""

    def work(fact: Fact) -> Iterator[Measured]:
        study.require_known(fact)
        _, tested = study.halves(fact)
        asked = Asked(fact, tested)
        for method in study.settings.methods:
            try:
                neurons = study.knowledge(fact, method).neurons
            except NotAskable as error:
                if error.reason != "no-knowledge-neurons":
                    raise
                yield Measured(method, "neurons", 0.0)
                continue
            found = intervene(study.model, asked, neurons, method, study.pool, study.settings.interventions)
            yield from changes(method, found)
            yield from _spread(method, neurons, study.model.layer_count)

    return work


def changes(name: str, found: Sequence[Measurement], place: str = "") -> Iterator[Measured]:
    """Relative changes and specificity of one set of neurons and of its random ones.

    Args:
        name: the condition, as it was given to `intervene`.
        found: what `intervene` measured.
        place: of every number.
    """
    for condition in (name, f"{RANDOM_FOR}{name}"):
        own = [each for each in found if each.neurons == condition]
        sizes = []
        for action in ACTIONS:
            acted = [each for each in own if each.action == action]
            related = _mean_change(each for each in acted if each.other is None)
            unrelated = _mean_change(each for each in acted if each.other is not None)
            lost = sum(not each.before > 0 for each in acted)
            if lost:
                yield Measured(condition, f"left out, {action}", float(lost), place)
            if related is not None:
                yield Measured(condition, f"related, {action}", related, place)
                yield Measured(condition, f"right sign, {action}", float(related * _SIGN[action] > 0), place)
            if unrelated is not None:
                yield Measured(condition, f"unrelated, {action}", unrelated, place)
            if related is not None and unrelated is not None:
                sizes.append(abs(related) - abs(unrelated))
        if len(sizes) == len(ACTIONS):
            yield Measured(condition, "specificity", float(np.mean(sizes)), place)


def _mean_change(measurements: Iterable[Measurement]) -> float | None:
    """Mean relative change; None where nothing was asked, or P was 0 before."""
    changes = [(each.after - each.before) / each.before for each in measurements if each.before > 0]
    return float(np.mean(changes)) if changes else None


def _spread(method: str, neurons: Sequence[Neuron], layers: int) -> Iterator[Measured]:
    yield Measured(method, "neurons", float(len(neurons)))
    counts = Counter(neuron.layer for neuron in neurons)
    for layer in range(layers):
        yield Measured(method, "share of layer", counts[layer] / len(neurons), place=str(layer))


def _ratio(values: Numbers) -> float:
    """Mean of the first column over the mean of the second."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(values[:, 0].mean() / values[:, 1].mean())


SUCCESS_RATES = (
    Summary(
        "success rate, suppress",
        "mean change on the fact's prompts over mean change on unrelated ones",
        ("related, suppress", "unrelated, suppress"),
        _ratio,
    ),
    Summary(
        "success rate, enhance",
        "the same, enhanced",
        ("related, enhance", "unrelated, enhance"),
        _ratio,
    ),
)
"""The paper's measure of an action, over facts."""


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
        Claim("AMIG is more specific than Dai et al.'s method.", "specificity", "amig", "greater", "dai"),
        Claim("AMIG is more specific than activation.", "specificity", "amig", "greater", "activation"),
    ),
    prepare=prepare,
    charts=(
        Chart("Change of P(answer)", ("related, suppress", "related, enhance")),
        Chart("Change of unrelated facts", ("unrelated, suppress", "unrelated, enhance")),
        Chart("Specificity", ("specificity",)),
        Chart("Where the neurons lie", ("share of layer",), across="place"),
    ),
    summaries=SUCCESS_RATES,
)

"""What was planted, and what was trained, model by model: read from the truth beside their weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from factneurons.planted.switched import GROUPS, Switched
from factneurons.planted.truth import Truth
from factneurons.planted.types import REGIMES


@dataclass(frozen=True, slots=True)
class PlantedModel:
    """One planted model in numbers.

    Attributes:
        base: the model that facts were planted in.
        seed: of everything drawn at random.
        accepted: regime -> facts that keep its promises.
        rejected: regime -> facts that do not and are not judged by.
        neurons: how many neurons the accepted facts have together.
        held: how far other prompts moved, see `Truth.held`.
    """

    base: str
    seed: int
    accepted: Counter[str]
    rejected: Counter[str]
    neurons: int
    held: dict[str, float]


def planted_models(folders: Sequence[Path]) -> list[PlantedModel]:
    """Read what was planted; folders of models that were trained with groups switched off are passed over.

    Raises:
        BadRun: a folder that holds no planted model, and none that was trained so.
    """
    found = []
    for folder in folders:
        if (folder / GROUPS).is_file():
            continue
        truth = Truth.load(folder)
        found.append(
            PlantedModel(
                base=Path(truth.base).name,
                seed=truth.seed,
                accepted=Counter(str(fact.regime) for fact in truth.facts),
                rejected=Counter(str(each.regime) for each in truth.rejected),
                neurons=len({neuron for fact in truth.facts for neuron in fact.neurons}),
                held=dict(truth.held),
            )
        )
    return found


def trained_models(folders: Sequence[Path]) -> list[Switched]:
    """Read what is known of models that were trained with one of two groups of neurons off, and of no others."""
    return [Switched.load(folder) for folder in folders if (folder / GROUPS).is_file()]


def regimes_of(models: Sequence[PlantedModel]) -> list[str]:
    """The regimes that occur, in their usual order."""
    return [regime for regime in REGIMES if any(each.accepted[regime] + each.rejected[regime] for each in models)]

"""How an experiment is made: one frozen record for the API, the command line and the run's manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

from factneurons.attribution.settings import (
    CONTROL_NAMES,
    METHOD_NAMES,
    AttributionSettings,
    InterventionSettings,
    SelectionSettings,
)
from factneurons.degeneracy.settings import ClustererName, DegeneracySettings
from factneurons.editing.settings import TRAINED_PARTS
from factneurons.facts.settings import PerturbationSettings
from factneurons.settings import check, option, refuse


@dataclass(frozen=True, slots=True)
class ExperimentSettings:
    """How an experiment is made.

    Experiments that use only one method take the first. A claim about a method that is not among them cannot be told.

    Raises:
        BadSetting: no methods, an unknown one, or an impossible number.
    """

    methods: tuple[str, ...] = option(
        ("amig", "dai", "activation"),
        "Attribution methods, with commas between them, of: {choices}.",
        choices=METHOD_NAMES,
    )
    draws: int = option(20, "Random neuron sets per fact that the found ones are compared with.", least=1)
    control: str = option(
        "matched",
        "Random neurons: matched in layer and strength, or authors (from all neurons, with replacement).",
        choices=CONTROL_NAMES,
    )
    attribution: AttributionSettings = option(
        AttributionSettings(), "How the method it names scores neurons; the other methods have their defaults."
    )
    selection: SelectionSettings = option(SelectionSettings(), "How the neurons of a fact are chosen from the scores.")
    unrelated: int = option(5, "Facts of other relations that are asked per fact, to see what moves.", least=0)
    multi_mask: bool = option(False, "Masked models: one mask for each token of an answer.")
    known_only: bool = option(True, "Leave out facts that the model does not know, and count them.")
    perturbation: PerturbationSettings = option(PerturbationSettings(), "How questions are perturbed.")
    perturbed: tuple[str, ...] = option(
        (),
        "Facts with perturbed prompts, whose ids are those of the facts, instead of perturbing them here: for instance "
        "perturbed:FOLDER/replace.jsonl; several with commas between them.",
    )
    new: tuple[str, ...] = option(
        (),
        "Facts to be learned, which are among the facts by their ids: for instance finetune:FOLDER/new.jsonl; several "
        "with commas between them. All others are old ones. Default: half of the subjects, or all of them in E9.",
    )
    parts: str = option(
        "all",
        "What of neurons is fine-tuned: all, or in (in-weights and biases alone, as in released code).",
        choices=TRAINED_PARTS,
    )
    clusterers: tuple[str, ...] = option(
        get_args(ClustererName),
        "How neurons are grouped, with commas between: {choices}.",
        choices=get_args(ClustererName),
    )
    degeneracy: DegeneracySettings = option(DegeneracySettings(), "How a fact's components are looked for.")
    seed: int = option(42, "Decides every random draw.")

    def __post_init__(self) -> None:
        check(self)
        if not self.methods:
            refuse("methods", self.methods, "at least one method of attribution")
        if not self.clusterers:
            refuse("clusterers", self.clusterers, "at least one clusterer")

    def scoring(self, method: str) -> AttributionSettings:
        """How a method scores neurons."""
        return self.attribution if self.attribution.method == method else AttributionSettings(method=method)

    @property
    def search(self) -> DegeneracySettings:
        """The settings of the search for components, with this seed."""
        return replace(self.degeneracy, seed=self.seed)

    @property
    def interventions(self) -> InterventionSettings:
        """The settings of the intervention test."""
        return InterventionSettings(self.draws, self.unrelated, self.seed, self.control)

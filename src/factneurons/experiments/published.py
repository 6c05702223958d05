"""What the papers report, beside what is measured here, and the settings that come nearest to their code.

Published numbers are for comparison: other models, other facts, and in part other definitions
(docs/earlier-code.md). `provenance` says how far each can be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.degeneracy.settings import ComparisonSettings, DegeneracySettings
from factneurons.experiments.settings import ExperimentSettings
from factneurons.facts.settings import EDITS, PerturbationSettings

PLOT = "plotting code"
"""A number in the code that draws the paper's figure; it may belong to another revision."""

LITERAL = "plotting code, unverified"
"""A number written into plotting code where the code around it computes something else."""

QUOTED = "quoted from the paper, not checked"


@dataclass(frozen=True, slots=True)
class Published:
    """One number of a paper.

    Attributes:
        model: the model it is of.
        experiment, measure, place, condition: the number that it is compared with here.
        value: in the unit of the measure here; shares from 0 to 1.
        provenance: PLOT, LITERAL or QUOTED.
    """

    model: str
    experiment: str
    measure: str
    place: str
    condition: str
    value: float
    provenance: str = PLOT


_GPT, _LLAMA, _BERT = "GPT-2", "LLaMA2-7b", "BERT-base-cased"
_D, _N, _R = "degenerate", "knowledge", "random for degenerate"

_BY_EDIT: dict[tuple[str, str, str], tuple[tuple[float, ...], ...]] = {
    ("E6", "loss, values", _GPT): ((47, 32, 11, 2.6), (30, 22, 3, 5), (39, 33, 8, -2)),
    ("E6", "loss, weights", _GPT): ((38, 22, 2, 3), (19, 18, 5, 4), (34, 29, 4, 4)),
    ("E6", "loss, values", _LLAMA): ((77, 44, 5, 1.76), (12, 16, 3, 0.88), (65, 50, 4, 3.5)),
    ("E6", "loss, weights", _LLAMA): ((45, 22, 2, 3), (18, 11, 3.9, 2), (77, 33, 3.8, 4.4)),
    ("E7", "answered, values", _GPT): ((11.8, 1.2, 1.33), (10.2, 3.8, 3.0), (2.11, 0.97, 0.72)),
    ("E7", "answered, weights", _GPT): ((14.7, 12.6, 2.1), (12, 9.22, 0.11), (10.2, 3.55, 1.66)),
    ("E7", "answered, values", _LLAMA): ((13.4, 3.55, 2.33), (18.5, 11.22, 0.98), (19.1, 18.0, 4.3)),
    ("E7", "answered, weights", _LLAMA): ((13.1, 12.2, 2.02), (19.6, 11, 3.9), (18.8, 3.8, 4.4)),
}
"""Percent, a row for each kind of perturbation: D, N, Rnd, and of E6 nothing suppressed."""

_LEARNED: dict[tuple[str, str], tuple[float, ...]] = {
    (_GPT, "Q_new"): (88, 83, 43, 93),
    (_GPT, "Q_old"): (83, 86, 71, 49),
    (_GPT, "Q_su"): (86, 82, 38, 91),
    (_LLAMA, "Q_new"): (98, 95, 78, 99),
    (_LLAMA, "Q_old"): (93, 91, 88, 66),
    (_LLAMA, "Q_su"): (97, 92, 71, 99),
}
"""Percent: D, N, Rnd, all."""


def _by_edit() -> Iterator[Published]:
    typed = ("E6", "loss, weights", _LLAMA, "delete", _R)  # a misprint there: two decimal points
    for (experiment, measure, model), rows in _BY_EDIT.items():
        for edit, row in zip(EDITS, rows, strict=True):
            for condition, value in zip((_D, _N, _R, "none"), row, strict=False):
                unsure = (experiment, measure, model, edit, condition) == typed
                provenance = LITERAL if unsure else PLOT
                yield Published(model, experiment, measure, edit, condition, value / 100, provenance)


def _learned() -> Iterator[Published]:
    for (model, measure), row in _LEARNED.items():
        for condition, value in zip((_D, _N, _R, "all"), row, strict=True):
            yield Published(model, "E10", measure, "", condition, value / 100)


PUBLISHED: tuple[Published, ...] = (
    Published(_BERT, "E1", "related, suppress", "", "dai", -0.2903, QUOTED),
    Published(_BERT, "E1", "related, enhance", "", "dai", 0.3117, QUOTED),
    Published(_BERT, "E1", "related, suppress", "", "activation", -0.0147, QUOTED),
    Published(_BERT, "E1", "related, enhance", "", "activation", -0.0127, QUOTED),
    *_by_edit(),
    Published(_GPT, "E9", "overlap", "top 1 %", _D, 0.9995, LITERAL),
    *_learned(),
    Published(_BERT, "E12", "change rate", "", "update", 0.485, QUOTED),
    Published(_BERT, "E12", "success rate", "", "update", 0.344, QUOTED),
    Published(_BERT, "E12", "change rate", "", "random for update", 0.047, QUOTED),
    Published(_BERT, "E12", "success rate", "", "random for update", 0.0, QUOTED),
)
"""Every published number that there is a number for here."""


def published_in(experiments: Sequence[str]) -> list[Published]:
    """The published numbers that these experiments are compared with."""
    return [each for each in PUBLISHED if each.experiment in experiments]


def as_published(settings: ExperimentSettings | None = None) -> ExperimentSettings:
    """The variants of the papers' code in the place of ours, as far as they are there (docs/earlier-code.md).

    Neurons are found by `amig_authors`; the other methods follow only because E1 compares them.
    """
    return replace(
        settings or ExperimentSettings(),
        methods=("amig_authors", "amig", "dai", "activation"),
        control="authors",
        attribution=AttributionSettings("amig_authors", rule="left", points=10, hook="authors"),
        selection=SelectionSettings(agreement="union"),
        parts="in",
        perturbation=PerturbationSettings(rule="authors"),
        degeneracy=DegeneracySettings(
            clusterer="ntc_authors",
            span="adjacent",
            connection="authors",
            filter="authors",
            comparison=ComparisonSettings(missing=1000.0),
        ),
    )

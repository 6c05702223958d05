"""What the fact-checking experiments share: checkers fitted on some subjects, and verdicts on facts about others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factneurons.attribution.settings import AttributionSettings
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.errors import BadSetting, NotAskable
from factneurons.experiments.experiment import RANDOM_FOR, Summary
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.factcheck import measures
from factneurons.factcheck.settings import AUTO
from factneurons.factcheck.statements import Case, WrongAnswers, case_of, held_out_subjects
from factneurons.factcheck.thresholds import Thresholds, choose_thresholds
from factneurons.factcheck.types import Group, Statement
from factneurons.facts.types import Fact
from factneurons.models.types import Query
from factneurons.statistics import Numbers

if TYPE_CHECKING:
    from factneurons.factcheck.relation_neurons import NeuronSets

SHARE = 0.5
"""S_r: neurons of more than half as many facts as the most frequent one."""

METHOD = "amig"

ASKING, OPEN = "asking", "open to asking"

MEASURES = {
    "right verdicts": "share of a fact's two statements, its answer and a wrong one, that are judged rightly",
    "right found": "1 if the right statement is judged true, else 0",
    "wrong believed": "1 if the wrong statement is judged true, else 0",
    "order": "1 if the right statement scores above the wrong one, 1/2 if equal, else 0",
    "score, right": "score of the right statement, in the condition's own units; of random neurons, in the first draw",
    "score, wrong": "score of the wrong statement, likewise",
    OPEN: "0 if the statements are in the very prompt that makes the fact a known one, so that asking is right about"
    " the right one by design; else 1",
}

_SCORES = ("score, right", "score, wrong")


@dataclass(frozen=True, slots=True)
class _Condition:
    """One condition: what it is called, and its thresholds."""

    name: str
    thresholds: Thresholds


class FactChecks:
    """Every condition, fitted on the known facts of four fifths of the subjects.

    Neurons are found with the first half of a fact's prompts, as everywhere in the suite. That half also decides
    whether the model knows the fact, and the statements are in one of the other prompts: about a prompt that makes a
    fact known, asking the model cannot be wrong.

    Args:
        study: the model and the facts.

    Raises:
        BadSetting: no known fact to fit with.
    """

    def __init__(self, study: Study) -> None:
        from factneurons.factcheck.scoring import enough_points

        self._study = study
        self._wrong_answers = WrongAnswers(study.facts)
        self._held_out = held_out_subjects(study.facts, seed=study.settings.seed)
        cases = list(self._training())
        if not cases:
            total = sum(not self._is_held_out(fact) for fact in study.facts)
            raise BadSetting(
                f"the model knows none of the {total} training facts, and a check is fitted with at least one"
            )
        known = [each for each in (self._knowledge(case.fact) for case in cases) if each is not None]
        queries: dict[Group, list[Query]] = defaultdict(list)
        for case in cases:
            queries[case.true.group].append(case.queries[0])
        self._sets = self._neurons(known, queries)
        asked = [(query, group) for group, own in queries.items() for query in own]
        self._settings = enough_points(
            study.model, asked, self._sets["knowledge"], AttributionSettings(METHOD)
        ).settings
        self._conditions = self._fitted(cases)

    @classmethod
    def of_study(cls, study: Study) -> FactChecks:
        """Those of a study, fitted once.

        Raises:
            BadSetting: as the class.
        """
        return study.once(("fact checks",), lambda: cls(study))

    def _training(self) -> Iterator[Case]:
        for fact in self._study.facts:
            if not self._is_held_out(fact):
                try:
                    case = self.case(fact)
                except NotAskable:
                    continue
                if case.known:
                    yield case

    def _is_held_out(self, fact: Fact) -> bool:
        return fact.subject in self._held_out[fact.relation, fact.language]

    def case(self, fact: Fact) -> Case:
        """The two statements of a fact.

        Raises:
            NotAskable: it cannot be asked.
        """
        settings = self._study.settings
        return case_of(
            self._study.model,
            fact,
            self._wrong_answers,
            seed=settings.seed,
            multi_mask=settings.multi_mask,
        )

    def test_case(self, fact: Fact) -> Case:
        """The two statements of a fact of the test.

        Raises:
            NotAskable: it was fitted with ("for-training"), cannot be asked, or is not known ("not-known").
        """
        if not self._is_held_out(fact):
            raise NotAskable("for-training", "its subject is one of those that thresholds are chosen on")
        case = self.case(fact)
        if self._study.settings.known_only and not case.known:
            raise NotAskable("not-known", f"its answer {fact.answer!r} comes first in no prompt of its first half")
        return case

    def open(self, case: Case) -> Iterator[Measured]:
        """Whether asking the model could be wrong about a fact: told once, for the claims about asking."""
        by_design = self._study.settings.known_only and not case.apart
        yield Measured(ASKING, OPEN, float(not by_design))

    def _knowledge(self, fact: Fact) -> KnowledgeNeurons | None:
        try:
            return self._study.knowledge(fact, self._study.settings.methods[0])
        except NotAskable:
            return None

    def _neurons(
        self, known: Sequence[KnowledgeNeurons], queries: Mapping[Group, Sequence[Query]]
    ) -> dict[str, NeuronSets]:
        """Condition -> S_r; the random ones are matched to the degenerate neurons, else to the knowledge neurons."""
        from factneurons.factcheck.relation_neurons import (
            find_degenerate_sets,
            grouped,
            neurons_by_relation,
            random_sets,
        )

        model, settings = self._study.model, self._study.settings
        found = find_degenerate_sets(model, known, AUTO, self._study.search)
        sets: dict[str, NeuronSets] = {
            "degenerate": neurons_by_relation({group: each.sets for group, each in found.items()}, SHARE),
            "knowledge": neurons_by_relation(
                {group: [each.neurons for each in own] for group, own in grouped(known).items()}, SHARE
            ),
        }
        matched = {**sets["knowledge"], **sets["degenerate"]}
        drawn = random_sets(model, matched, queries, draws=settings.draws, seed=settings.seed, control=settings.control)
        return sets | {f"{RANDOM_FOR}degenerate/{number}": each for number, each in enumerate(drawn)}

    def _scores(self, statements: Sequence[Statement], queries: Sequence[Query]) -> dict[str, Numbers]:
        """Condition (random ones by draw) -> scores [statements]."""
        from factneurons.factcheck.asking import SCORERS
        from factneurons.factcheck.scoring import score_statements

        groups = [each.group for each in statements]
        found = score_statements(self._study.model, queries, groups, list(self._sets.values()), self._settings).scores
        scores = dict(zip(self._sets, found.T, strict=True))
        for name, score in SCORERS.items():
            scores[name] = score(self._study.model, statements, queries)
        return scores

    def _fitted(self, cases: Sequence[Case]) -> list[_Condition]:
        statements = [each for case in cases for each in (case.true, case.false)]
        truth = np.arange(len(statements)) % 2 == 0
        fitted = []
        for name, scores in self._scores(statements, [query for case in cases for query in case.queries]).items():
            usable = np.isfinite(scores)
            if usable.any():
                groups = [each.group for each, use in zip(statements, usable, strict=True) if use]
                fitted.append(_Condition(name, choose_thresholds(groups, scores[usable], truth[usable])))
        return fitted

    def verdicts(self, case: Case, place: str = "") -> Iterator[Measured]:
        """What every condition makes of the two statements; of random neurons the mean over the draws.

        Their scores are those of the first draw: a mean over draws would be a larger ensemble than what it is beside.
        """
        scores = self._scores((case.true, case.false), case.queries)
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for condition in self._conditions:
            right, wrong = scores[condition.name].tolist()
            if not (np.isfinite(right) and np.isfinite(wrong)):
                continue
            threshold = condition.thresholds.of(case.true.group).value
            name = condition.name.partition("/")[0]
            values = (
                (float(right >= threshold) + float(wrong < threshold)) / 2,
                float(right >= threshold),
                float(wrong >= threshold),
                (1 + np.sign(right - wrong)) / 2,
                right,
                wrong,
            )
            for measure, value in zip(MEASURES, values, strict=False):
                found[name, measure].append(value)
        for (name, measure), numbers in found.items():
            yield Measured(name, measure, numbers[0] if measure in _SCORES else float(np.mean(numbers)), place)


def _f1(values: Numbers) -> float:
    """From found right statements and believed wrong ones, one of each per fact."""
    found, believed = values.sum(axis=0)
    return float(2 * found / (found + believed + len(values)))


def _precision(values: Numbers) -> float:
    found, believed = values.sum(axis=0)
    return float(found / (found + believed)) if found + believed else 0.0


def _auroc(values: Numbers) -> float:
    truth = np.arange(2 * len(values)) < len(values)
    return measures.auroc(truth, values.T.ravel())


SUMMARIES = (
    Summary(
        "F1", "harmonic mean of precision and recall, all relations pooled", ("right found", "wrong believed"), _f1
    ),
    Summary(
        "precision", "of the statements judged true, the share that is", ("right found", "wrong believed"), _precision
    ),
    Summary(
        "AUROC",
        "chance that a right statement scores above a wrong one of any fact; of random neurons, by the first draw",
        ("score, right", "score, wrong"),
        _auroc,
    ),
)
"""The papers' measures, over facts."""

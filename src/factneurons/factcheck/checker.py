"""`FactChecker`: tells statements that a model's neurons support from those they do not, with scikit-learn's interface.

    checker = FactChecker(model, condition="degenerate").fit(facts)
    checker.predict(statements)

Sources: 'Journey to the Center of the Knowledge Neurons' (AAAI 2024) and 'Cracking Factual Knowledge' (ACL 2025). The
papers fix one threshold per method by hand; here every condition chooses its own by one rule (`thresholds`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from factneurons.attribution.locate import locate
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadSetting, NotAskable, warn
from factneurons.factcheck import saving
from factneurons.factcheck.asking import SCORERS
from factneurons.factcheck.conditions import CONDITIONS
from factneurons.factcheck.relation_neurons import (
    NeuronSets,
    find_degenerate_sets,
    grouped,
    neurons_by_relation,
    random_sets,
)
from factneurons.factcheck.scoring import enough_points, score_statements
from factneurons.factcheck.settings import CheckerSettings
from factneurons.factcheck.statements import Case, WrongAnswers, case_of
from factneurons.factcheck.thresholds import Thresholds, choose_thresholds
from factneurons.factcheck.types import Group, Statement
from factneurons.facts.types import Fact, Prompt
from factneurons.models.model import Model
from factneurons.models.types import Neuron, Query
from factneurons.settings import with_options
from factneurons.statistics import Numbers

Flags = npt.NDArray[np.bool_]

TOP_NEURONS = 5
"""Neurons that a verdict names at most."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one statement.

    Attributes:
        statement: the statement.
        true: whether its score reaches the threshold; False too where there is no score.
        score: its score; NaN: none.
        threshold: that of its relation.
        probability: P(true), by the training statements with such a score; NaN: none.
        top_neurons: the neurons that contribute most, each with its signed share of the absolute values of S_r.
        reason: why there is no score, a short code; "": there is one.
    """

    statement: Statement
    true: bool
    score: float
    threshold: float
    probability: float
    top_neurons: tuple[tuple[Neuron, float], ...] = ()
    reason: str = ""


class FactChecker(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Thresholds statements by the neurons of their relation, or by what they are compared with.

    Args:
        model: a loaded model.
        settings: how, or
        **options: the settings' fields by name, for instance `condition="knowledge"`.

    Attributes:
        relation_neurons_: relation and language -> S_r.
        thresholds_: threshold and probabilities of every relation, and of all together.
        left_out_: reason -> how many training facts were left out because their statements cannot be asked; a warning
            says so too. Empty where it was fitted with statements, or loaded.
        settings_: how statements are attributed, with as many path points as completeness asks for.
        classes_: [False, True].

    Raises:
        BadSetting: an unknown name or an impossible value.
    """

    def __init__(self, model: Model, settings: CheckerSettings | None = None, **options: object) -> None:
        self.model, self.settings = model, with_options(CheckerSettings, settings, options)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The model and every field of the settings, as scikit-learn asks for them."""
        return {"model": self.model, **asdict(self.settings)}

    def set_params(self, **params: Any) -> Self:
        """Another model, or other fields of the settings.

        Raises:
            BadSetting: an unknown name or an impossible value.
        """
        self.model = params.pop("model", self.model)
        self.settings = with_options(CheckerSettings, None, {**asdict(self.settings), **params})
        return self

    def __repr__(self) -> str:
        return f"FactChecker({self.model.name!r}, condition={self.settings.condition!r})"

    def fit(
        self,
        X: Iterable[Fact] | Iterable[Statement],
        y: Sequence[bool] | Flags | None = None,
        *,
        neurons: Mapping[Group, Iterable[Collection[Neuron]]] | None = None,
    ) -> Self:
        """Find the neurons of every relation, and choose thresholds.

        Facts that the model does not know blur both: leave them out.

        Args:
            X: facts, each giving a true and a false statement; or statements.
            y: which statements are true; None: X is facts.
            neurons: sets of neurons of training facts, by relation and language; None: they are searched for. With
                the condition "random" the sets that random neurons are matched to.

        Raises:
            BadSetting: an unknown name, no true or no false statement, as many labels as statements missing, or no
                relation in which neurons were found.
        """
        condition = CONDITIONS[self.settings.condition]
        self.left_out_: Counter[str] = Counter()
        statements, queries, truth, facts = self._training(X, y)
        self.settings_ = AttributionSettings(self.settings.method)
        self.relation_neurons_: NeuronSets = {}
        if condition.by_neurons:
            found = neurons if neurons is not None else self._search(facts)
            self.relation_neurons_ = self._chosen(found, statements, queries)
            if not self.relation_neurons_:
                raise BadSetting(f"no relation of the training facts has {condition.title}, so nothing can be scored")
            if self.settings.feature == "attribution":
                pairs = list(zip(queries, (each.group for each in statements), strict=True))
                self.settings_ = enough_points(self.model, pairs, self.relation_neurons_, self.settings_).settings
        scores = self._score(statements, queries)[0]
        usable = np.isfinite(scores)
        groups = [each.group for each, use in zip(statements, usable, strict=True) if use]
        return self._with_thresholds(choose_thresholds(groups, scores[usable], truth[usable]))

    def _with_thresholds(self, thresholds: Thresholds) -> Self:
        self.thresholds_ = thresholds
        self.classes_ = np.array([False, True])
        return self

    @classmethod
    def fitted(
        cls, model: Model, thresholds: Thresholds, neurons: NeuronSets, settings: AttributionSettings, **parameters: Any
    ) -> Self:
        """A checker made of what was found elsewhere: thresholds, S_r and attribution settings."""
        checker = cls(model, **parameters)
        checker.relation_neurons_, checker.settings_ = dict(neurons), settings
        checker.left_out_ = Counter()
        return checker._with_thresholds(thresholds)

    def _training(
        self, X: Iterable[Fact] | Iterable[Statement], y: Sequence[bool] | Flags | None
    ) -> tuple[list[Statement], list[Query], Flags, list[Fact]]:
        """Statements, their queries, which are true, and the facts that the true ones state."""
        items = list(X)
        if y is None:
            facts = [item for item in items if isinstance(item, Fact)]
            if len(facts) < len(items):
                raise BadSetting("statements need labels: fit(statements, y)")
            cases = self.cases(facts, self.left_out_)
            if self.left_out_:
                reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.left_out_.items()))
                warn(f"{self.left_out_.total()} of {len(facts)} training facts left out: {reasons}")
            statements = [statement for case in cases for statement in (case.true, case.false)]
            queries = [query for case in cases for query in case.queries]
            return statements, queries, np.arange(len(statements)) % 2 == 0, facts
        statements = [item for item in items if isinstance(item, Statement)]
        truth = np.asarray(y, dtype=bool)
        if len(statements) < len(items) or truth.shape != (len(items),):
            raise BadSetting(f"{len(items)} statements need as many labels, not {truth.size}; facts need none")
        return statements, self._queries(statements), truth, _facts_of(statements, truth)

    def cases(self, facts: Sequence[Fact], left_out: Counter[str] | None = None) -> list[Case]:
        """The true and the false statement of every fact that this model can be asked.

        Args:
            facts: the facts.
            left_out: the others are counted here, by reason.
        """
        wrong_answers = WrongAnswers(facts)
        made = []
        seed, multi_mask = self.settings.seed, self.settings.multi_mask
        for fact in facts:
            try:
                made.append(case_of(self.model, fact, wrong_answers, seed=seed, multi_mask=multi_mask))
            except NotAskable as error:
                if left_out is not None:
                    left_out[error.reason] += 1
        return made

    def _search(self, facts: Sequence[Fact]) -> Mapping[Group, Iterable[Collection[Neuron]]]:
        known = locate(self.model, facts, multi_mask=self.settings.multi_mask)
        if self.settings.condition == "knowledge":
            return {group: [each.neurons for each in own] for group, own in grouped(known).items()}
        searched = find_degenerate_sets(self.model, known, self.settings.source)
        return {group: each.sets for group, each in searched.items()}

    def _chosen(
        self,
        found: Mapping[Group, Iterable[Collection[Neuron]]],
        statements: Sequence[Statement],
        queries: Sequence[Query],
    ) -> NeuronSets:
        sets = neurons_by_relation(found, self.settings.share)
        if self.settings.condition != "random":
            return sets
        by_group: dict[Group, list[Query]] = defaultdict(list)
        for statement, query in zip(statements, queries, strict=True):
            by_group[statement.group].append(query)
        usable = {group: neurons for group, neurons in sets.items() if group in by_group}
        return random_sets(self.model, usable, by_group, draws=1, seed=self.settings.seed)[0]

    def _queries(self, statements: Sequence[Statement]) -> list[Query]:
        multi_mask = self.settings.multi_mask
        return [self.model.query(each.prompt, each.candidate, multi_mask=multi_mask) for each in statements]

    def _score(
        self, statements: Sequence[Statement], queries: Sequence[Query]
    ) -> tuple[Numbers, list[dict[Neuron, float]]]:
        """Scores [n], and what each neuron of S_r contributes."""
        score = SCORERS.get(self.settings.condition)
        if score is not None:
            return score(self.model, statements, queries), [{}] * len(statements)
        groups = [each.group for each in statements]
        sets, feature = [self.relation_neurons_], self.settings.feature
        found = score_statements(self.model, queries, groups, sets, self.settings_, feature)
        return found.scores[:, 0], [each[0] for each in found.contributions]

    def _require_fitted(self) -> None:
        if not hasattr(self, "thresholds_"):
            raise NotFittedError(f"{self!r} was not fitted: call fit(facts), or FactChecker.load")

    def score_statements(self, X: Sequence[Statement]) -> Numbers:
        """The raw score of every statement, [n]; NaN where its relation has no neurons.

        Raises:
            NotAskable: this model cannot be asked a statement; `check` leaves such ones out instead.
        """
        self._require_fitted()
        return self._score(X, self._queries(X))[0]

    def decision_function(self, X: Sequence[Statement]) -> Numbers:
        """Score minus threshold, [n]: 0 or more is true; NaN where there is no score."""
        thresholds = np.array([self.thresholds_.of(each.group).value for each in X])
        decisions: Numbers = self.score_statements(X) - thresholds
        return decisions

    def predict(self, X: Sequence[Statement]) -> Flags:
        """Which statements are judged true, [n]; one without a score is not."""
        judged: Flags = self.decision_function(X) >= 0
        return judged

    def predict_proba(self, X: Sequence[Statement]) -> Numbers:
        """P(false) and P(true), [n, 2], by the training statements with such scores; NaN where there is no score."""
        true = np.array(
            [self._probability(each, score) for each, score in zip(X, self.score_statements(X), strict=True)]
        )
        return np.stack([1 - true, true], axis=1)

    def _probability(self, statement: Statement, score: float) -> float:
        return float(self.thresholds_.of(statement.group).probability(np.array([score]))[0])

    def score(self, X: Sequence[Statement], y: Sequence[bool] | Flags) -> float:
        """The share of statements that are judged as they are labelled."""
        return float(np.mean(self.predict(X) == np.asarray(y, dtype=bool)))

    def check(self, statements: Sequence[Statement]) -> list[Verdict]:
        """A verdict on every statement, with the neurons that contribute most; a reason where there can be none."""
        self._require_fitted()
        reasons: dict[int, str] = {}
        queries: dict[int, Query] = {}
        for place, statement in enumerate(statements):
            try:
                queries[place] = self._queries([statement])[0]
            except NotAskable as error:
                reasons[place] = error.reason
        asked = [statements[place] for place in queries]
        scores, contributed = self._score(asked, list(queries.values())) if asked else (np.empty(0), [])
        scored = dict(zip(queries, zip(scores.tolist(), contributed, strict=True), strict=True))
        return [
            self._verdict(statement, *scored.get(place, (float("nan"), {})), reasons.get(place, ""))
            for place, statement in enumerate(statements)
        ]

    def _verdict(
        self, statement: Statement, score: float, contributions: Mapping[Neuron, float], reason: str
    ) -> Verdict:
        threshold = self.thresholds_.of(statement.group)
        if not np.isfinite(score):
            reason = reason or "no-relation-neurons"
        return Verdict(
            statement=statement,
            true=score >= threshold.value,
            score=score,
            threshold=threshold.value,
            probability=self._probability(statement, score),
            top_neurons=top_neurons(contributions),
            reason=reason,
        )

    def save(self, folder: Path | str) -> Path:
        """Write the checker as `checker.safetensors` and `checker.json` into a folder; the model is not copied.

        Raises:
            BadSetting: the folder is a file.
        """
        self._require_fitted()
        parameters = dict(sorted(asdict(self.settings).items()))
        contents = saving.Contents(parameters, self.relation_neurons_, self.thresholds_, self.settings_)
        return saving.save(Path(folder), self.model, contents)

    @classmethod
    def load(cls, folder: Path | str, model: Model) -> Self:
        """Read a checker that was saved, for the model it was fitted with.

        Raises:
            BadSetting: no checker in the folder, a damaged one, or another model.
        """
        found = saving.load(Path(folder), model)
        return cls.fitted(model, found.thresholds, found.neurons, found.settings, **found.parameters)


def top_neurons(contributions: Mapping[Neuron, float], most: int = TOP_NEURONS) -> tuple[tuple[Neuron, float], ...]:
    """The neurons that contribute most, each with its signed share of the sum of absolute values."""
    total = sum(abs(value) for value in contributions.values())
    if not total:
        return ()
    ordered = sorted(contributions.items(), key=lambda item: (-abs(item[1]), item[0]))
    return tuple((neuron, value / total) for neuron, value in ordered[:most])


def _facts_of(statements: Sequence[Statement], truth: Flags) -> list[Fact]:
    """The facts that true statements state: those of one subject and candidate are one fact."""
    prompts: dict[tuple[Group, str, str], dict[Prompt, None]] = defaultdict(dict)
    for statement, true in zip(statements, truth, strict=True):
        if true:
            name = statement.subject or statement.prompt.text
            prompts[statement.group, name, statement.candidate].setdefault(statement.prompt)
    return [
        Fact(f"{relation}/{name}/{candidate}", relation, name, candidate, language, tuple(own))
        for ((relation, language), name, candidate), own in prompts.items()
    ]

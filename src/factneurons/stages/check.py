"""The stages `pairs` and `check`: statements of a run's facts, scored by every condition; and checkers."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from factneurons.attribution.settings import AttributionSettings
from factneurons.cli.console import StageProgress, tell
from factneurons.degeneracy.pairs import degenerate_pairs
from factneurons.degeneracy.settings import PairSettings
from factneurons.degeneracy.tables import PAIRS as PAIRS_TABLE
from factneurons.errors import BadRun, NotAskable
from factneurons.factcheck.asking import SCORERS
from factneurons.factcheck.checker import FactChecker, top_neurons
from factneurons.factcheck.relation_neurons import (
    Degenerate,
    NeuronSets,
    degenerate_of,
    enough,
    neurons_by_relation,
    random_sets,
)
from factneurons.factcheck.scoring import enough_points, score_statements
from factneurons.factcheck.settings import COMPONENTS, PAIRS, PROMPT_PAIRS
from factneurons.factcheck.statements import Case, WrongAnswers, case_of, held_out_subjects
from factneurons.factcheck.tables import CHECKS
from factneurons.factcheck.thresholds import choose_thresholds
from factneurons.factcheck.types import Group, Scored
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.findings.checks import training_rows
from factneurons.models.model import Model
from factneurons.models.prompts import ask
from factneurons.models.types import Neuron, Query
from factneurons.runs.commits import Skip
from factneurons.runs.drive import Batch, Summary, drive
from factneurons.runs.reading import degenerate_neurons_of, located_facts, pairs_of_run
from factneurons.runs.store import Run
from factneurons.stages.locate import Data, open_stage, told_what_is_kept
from factneurons.stages.located import BATCH, RunFacts
from factneurons.tables import Row, rows_of

CHECKERS = "checkers"
"""The folder of a run that the fitted checkers are saved in, one for each condition."""

_STRENGTH_QUERIES = 64
_TITLES = {"pairs": "looking for degenerate pairs", "check": "scoring statements"}


@dataclass(frozen=True, slots=True)
class Checking:
    """What `check` is asked to do: the names are those of `FactChecker`, and

    Attributes:
        test_share: the share of each relation's subjects that is kept for the test.
        draws: random neuron sets per relation.
        facts: where the run's facts are now; None: where they were.
    """

    share: float = 0.5
    source: str = "auto"
    method: str = "amig"
    feature: str = "attribution"
    test_share: float = 0.2
    draws: int = 20
    seed: int = 42
    facts: str | None = None


@dataclass(slots=True)
class _Facts:
    """The located facts of a run, with what a check needs of each.

    Attributes:
        all: the facts, as their source has them (with wrong answers).
        known: (id, language) of those that the model knows.
        neurons: (id, language) -> knowledge neurons.
        held_out: (relation, language) -> subjects that are kept for the test.
    """

    all: list[Fact] = field(default_factory=list)
    known: set[tuple[str, str]] = field(default_factory=set)
    neurons: dict[tuple[str, str], list[Neuron]] = field(default_factory=dict)
    held_out: dict[Group, frozenset[str]] = field(default_factory=dict)

    def split(self, fact: Fact) -> str:
        """Train or test."""
        return "test" if fact.subject in self.held_out[fact.relation, fact.language] else "train"

    def training(self) -> dict[Group, list[Fact]]:
        """The training facts that the model knows, by relation."""
        groups: dict[Group, list[Fact]] = defaultdict(list)
        for fact in self.all:
            if (fact.id, fact.language) in self.known and self.split(fact) == "train":
                groups[fact.relation, fact.language].append(fact)
        return dict(groups)


def _facts_of(run: Run, asked: Checking) -> _Facts:
    """Read the facts of a run anew: their wrong answers are in their source only.

    Raises:
        BadRun: the source has changed.
    """
    spec = asked.facts or str(run.manifest.data["spec"])
    source = load_facts(spec, skip_bad=True)
    if source.sha256() != run.manifest.data["sha256"]:
        raise BadRun(f"{spec} is not what {run.folder} was made of; --facts says where its facts are now")
    found = _Facts()
    for fact, row, neurons in located_facts(run):
        name = (fact.id, fact.language)
        found.neurons[name] = [neuron for neuron, _, _ in neurons]
        if row["known"]:
            found.known.add(name)
    for fact in source:
        if (fact.id, fact.language) in found.neurons:
            found.all.append(fact)
    found.held_out = held_out_subjects(found.all, asked.test_share, asked.seed)
    return found


@dataclass(frozen=True, slots=True)
class Checked:
    """What the stages leave behind.

    Attributes:
        facts: all facts that were looked at.
        degenerate: per relation, where its degenerate neurons come from.
        sets: condition -> S_r by relation; of "random" the first draw.
        settings: how statements were attributed.
        points_error: the completeness error that goes with them, see `scoring.Points`.
        unknown: how many facts the model does not know.
        summary: of the stage `check`.
        checks: the table `checks`.
        multi_mask: how the model was asked.
    """

    facts: Sequence[Fact]
    degenerate: Mapping[Group, Degenerate]
    sets: Mapping[str, NeuronSets]
    settings: AttributionSettings
    points_error: float
    unknown: int
    summary: Summary
    checks: pd.DataFrame
    multi_mask: bool


def run_check(folder: Path, model: Model, asked: Checking, *, skip_bad: bool = False) -> Checked:
    """Both stages.

    Raises:
        BadRun: the run's facts are not where they were, or it was checked with other settings before.
    """
    run = Run.open(folder)
    facts = _facts_of(run, asked)
    multi_mask = bool(run.manifest.stages["locate"].settings["multi_mask"])
    training = facts.training()
    degenerate = _degenerate(run, model, facts, training, asked, skip_bad)
    sets = {
        "degenerate": neurons_by_relation({group: each.sets for group, each in degenerate.items()}, asked.share),
        "knowledge": neurons_by_relation(
            {group: [facts.neurons[fact.id, fact.language] for fact in own] for group, own in training.items()},
            asked.share,
        ),
    }
    queries = {group: _true_queries(model, own, multi_mask) for group, own in training.items()}
    random = random_sets(
        model, {**sets["knowledge"], **sets["degenerate"]}, queries, draws=asked.draws, seed=asked.seed
    )
    sets["random"] = random[0] if random else {}
    either = [{group: [own] for group, own in sets[name].items()} for name in ("degenerate", "knowledge")]
    together = {group: [*either[0].get(group, []), *either[1].get(group, [])] for group in either[0] | either[1]}
    points = enough_points(
        model,
        [(query, group) for group, own in queries.items() for query in own],
        neurons_by_relation(together, 0.0),
        AttributionSettings(asked.method),
    )
    work = _Work(model, facts, [sets["degenerate"], sets["knowledge"], *random], points.settings, asked, multi_mask)
    summary = _drive_check(run, model, facts.all, work, asked, skip_bad)
    return Checked(
        facts=facts.all,
        degenerate=degenerate,
        sets=sets,
        settings=points.settings,
        points_error=points.error,
        unknown=len(facts.all) - len(facts.known),
        summary=summary,
        checks=Run.open(folder).table("checks"),
        multi_mask=multi_mask,
    )


def _true_queries(model: Model, facts: Sequence[Fact], multi_mask: bool) -> list[Query]:
    """One query each of some facts of a relation."""
    queries = []
    for fact in facts[:_STRENGTH_QUERIES]:
        asked, _ = ask(model, fact, multi_mask=multi_mask)
        queries += asked[:1]
    return queries


def _degenerate(
    run: Run, model: Model, facts: _Facts, training: Mapping[Group, Sequence[Fact]], asked: Checking, skip_bad: bool
) -> dict[Group, Degenerate]:
    """Components from the run's tables, pairs where they are needed."""
    components: dict[tuple[str, str], list[Neuron]] = {}
    if asked.source in ("auto", COMPONENTS):
        if "degenerate" in run.manifest.stages:
            components = {(fact.id, fact.language): neurons for fact, neurons in degenerate_neurons_of(run)}
        elif asked.source == COMPONENTS:
            raise BadRun(f"{run.folder} has no components: run factneurons degenerate {run.folder} first")
        else:
            tell(
                f"note: components of degenerate neurons enter after factneurons degenerate {run.folder}; pairs do now"
            )
    found: dict[Group, dict[str, list[list[Neuron]]]] = {
        group: {COMPONENTS: [components.get((fact.id, fact.language), []) for fact in own]}
        for group, own in training.items()
    }
    wanted = {
        (fact.id, fact.language)
        for group, own in training.items()
        for fact in own
        if asked.source != COMPONENTS and not enough(sum(map(bool, found[group][COMPONENTS])), len(own))
    }
    if wanted:
        _run_pairs(run.folder, model, wanted, skip_bad)
        pairs: dict[bool, dict[tuple[str, str], list[Neuron]]] = {True: defaultdict(list), False: defaultdict(list)}
        for name, neurons, agreed in pairs_of_run(Run.open(run.folder)):
            pairs[False][name] += neurons
            if agreed:
                pairs[True][name] += neurons
        for group, own in training.items():
            names = [(fact.id, fact.language) for fact in own]
            found[group][PAIRS] = [pairs[True].get(name, []) for name in names]
            found[group][PROMPT_PAIRS] = [pairs[False].get(name, []) for name in names]
    return {group: degenerate_of(found[group], len(own), asked.source) for group, own in training.items()}


def _run_pairs(folder: Path, model: Model, wanted: set[tuple[str, str]], skip_bad: bool) -> None:
    """The stage `pairs`: degenerate pairs of the wanted facts; a later start may want more."""
    located = Run.open(folder)
    data = Data(str(located.manifest.data["spec"]), str(located.manifest.data["sha256"]))
    with (
        open_stage(folder, "pairs", asdict(PairSettings()), 0, model, data) as run,
        told_what_is_kept(run, "pairs"),
        StageProgress(_TITLES["pairs"]) as progress,
    ):
        facts = RunFacts(located, model, run.done("pairs"))
        stream = (fact for fact in facts if (fact.id, fact.language) in wanted)

        def work(batch: list[Fact]) -> Batch:
            rows: list[Row] = []
            skips: list[Skip] = []
            for fact in batch:
                found = next(iter(degenerate_pairs(model, facts.take(fact))))
                own = PAIRS_TABLE.rows([found])
                rows += own
                if not own:
                    skips.append(Skip.of(fact, "no-pair", "none of its prompts has a degenerate pair", askable=True))
            return Batch({"pairs": rows}, skips)

        drive(run, "pairs", stream, work, batch_size=BATCH, skip_bad=skip_bad, progress=progress, total=len(wanted))


class _Work:
    """Scores the statements of a batch of facts under every condition."""

    def __init__(
        self,
        model: Model,
        facts: _Facts,
        sets: Sequence[NeuronSets],
        settings: AttributionSettings,
        asked: Checking,
        multi_mask: bool,
    ) -> None:
        self._model, self._facts, self._sets, self._settings = model, facts, sets, settings
        self._asked, self._multi_mask = asked, multi_mask
        self._wrong_answers = WrongAnswers(facts.all)
        # degenerate and knowledge neurons, then the draws of random ones
        self._conditions = [("degenerate", 0), ("knowledge", 0), *(("random", draw) for draw in range(len(sets) - 2))]

    def digest(self) -> str:
        """What the scores rest on, for the run's manifest."""
        plain = [
            [[*group, [tuple(neuron) for neuron in own]] for group, own in sorted(each.items())] for each in self._sets
        ]
        return hashlib.sha256(json.dumps([plain, asdict(self._settings)]).encode()).hexdigest()[:16]

    def __call__(self, batch: list[Fact]) -> Batch:
        cases: list[Case] = []
        skips: list[Skip] = []
        for fact in batch:
            try:
                cases.append(
                    case_of(self._model, fact, self._wrong_answers, seed=self._asked.seed, multi_mask=self._multi_mask)
                )
            except NotAskable as error:
                skips.append(Skip.of(fact, error.reason, str(error), askable=True))
        return Batch(rows_of([CHECKS], self._scored(cases) if cases else ()), skips)

    def _scored(self, cases: Sequence[Case]) -> Iterator[Scored]:
        statements = [statement for case in cases for statement in (case.true, case.false)]
        queries = [query for case in cases for query in case.queries]
        groups = [statement.group for statement in statements]
        found = score_statements(self._model, queries, groups, self._sets, self._settings, self._asked.feature)
        answers = {name: score(self._model, statements, queries) for name, score in SCORERS.items()}
        for row, statement in enumerate(statements):
            case = cases[row // 2]
            split = self._facts.split(case.fact)
            known = (statement.fact_id, statement.language) in self._facts.known
            truth = row % 2 == 0
            for place, (name, draw) in enumerate(self._conditions):
                most = top_neurons(found.contributions[row][place]) if split == "test" and not draw else ()
                yield Scored(statement, truth, split, known, name, float(found.scores[row, place]), draw, most)
            for name, scores in answers.items():
                yield Scored(statement, truth, split, known, name, float(scores[row]))


def _drive_check(
    located: Run, model: Model, facts: Sequence[Fact], work: _Work, asked: Checking, skip_bad: bool
) -> Summary:
    data = Data(str(located.manifest.data["spec"]), str(located.manifest.data["sha256"]))
    kept = {name: value for name, value in asdict(asked).items() if name not in ("seed", "facts")}
    settings = {**kept, "neurons": work.digest()}
    with (
        open_stage(located.folder, "check", settings, asked.seed, model, data) as run,
        told_what_is_kept(run, "check"),
        StageProgress(_TITLES["check"]) as progress,
    ):
        return drive(
            run, "check", facts, work, batch_size=BATCH, skip_bad=skip_bad, progress=progress, total=len(facts)
        )


def fitted_checkers(folder: Path, model: Model, asked: Checking, checked: Checked) -> dict[str, FactChecker]:
    """A checker for each condition that has scores of known training facts, saved in the run.

    Returns:
        condition -> checker; none at all where the model knows no training fact.
    """
    checkers = {}
    for name, train in training_rows(checked.checks).groupby("condition"):
        first = train[train["draw"] == 0]
        groups = list(zip(first["relation"], first["language"], strict=True))
        scores, truth = first["score"].to_numpy(np.float64), first["truth"].to_numpy(bool)
        condition = str(name)
        checker = FactChecker.fitted(
            model,
            choose_thresholds(groups, scores, truth),
            checked.sets.get(condition, {}),
            checked.settings,
            condition=condition,
            share=asked.share,
            source=asked.source,
            method=asked.method,
            feature=asked.feature,
            multi_mask=checked.multi_mask,
            seed=asked.seed,
        )
        checker.save(folder / CHECKERS / condition)
        checkers[condition] = checker
    return checkers

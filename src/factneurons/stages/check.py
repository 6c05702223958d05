"""`run_check`: statements of a run's facts, scored under every condition; thresholds, and checkers that use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadRun, NotAskable
from factneurons.factcheck.asking import SCORERS
from factneurons.factcheck.checker import FactChecker, top_neurons
from factneurons.factcheck.parsing import ParsedLine, Parser
from factneurons.factcheck.relation_neurons import Degenerate, NeuronSets
from factneurons.factcheck.relation_sets import (
    CheckedFacts,
    Name,
    NeuronsOf,
    RelationSets,
    degenerate_sets,
    name_of,
    relation_sets,
    without_components,
)
from factneurons.factcheck.scoring import score_statements
from factneurons.factcheck.settings import AUTO, COMPONENTS, CheckSettings
from factneurons.factcheck.statements import Case, WrongAnswers, case_of, deciding, held_out_subjects
from factneurons.factcheck.tables import CHECKS
from factneurons.factcheck.thresholds import choose_thresholds
from factneurons.factcheck.types import Group, Scored
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.findings.checks import training_rows
from factneurons.models.model import Model
from factneurons.models.prompts import ask
from factneurons.runs.counts import Summary
from factneurons.runs.drive import Batch
from factneurons.runs.reading import degenerate_neurons_of, located_facts, positions_of
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run
from factneurons.settings import with_options
from factneurons.stages.display import Display, Shown, display_of
from factneurons.stages.located import opened
from factneurons.stages.pairs import find_pairs, neurons_of_pairs
from factneurons.stages.stage import Data, Plan, Stage, drive_stage
from factneurons.tables import rows_of

CHECK = Stage("check", "scoring statements", ("checks",), ("locate", "degenerate", "pairs"))

CHECKERS = "checkers"
"""The folder of a run that the fitted checkers are saved in, one for each condition."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A run that was checked.

    Attributes:
        run: the run, with the tables `checks` and `pairs`.
        model: the model.
        facts: all facts that were looked at.
        degenerate: per relation, where its degenerate neurons come from.
        sets: condition -> S_r by relation; of "random" the first draw.
        settings: how statements were attributed.
        points_error: the completeness error that goes with them, see `scoring.Points`.
        unknown: how many facts the model does not know, by the prompts that decide it.
        checks: the table `checks`.
        multi_mask: how the model was asked.
        checkers: condition -> a fitted checker, saved in the run; none where the model knows no training fact.
    """

    run: Run
    model: Model
    facts: Sequence[Fact]
    degenerate: Mapping[Group, Degenerate]
    sets: Mapping[str, NeuronSets]
    settings: AttributionSettings
    points_error: float
    unknown: int
    checks: pd.DataFrame
    multi_mask: bool
    checkers: Mapping[str, FactChecker]

    @property
    def checkers_folder(self) -> Path:
        """Where the checkers are saved, each in a folder of its own."""
        return self.run.folder / CHECKERS

    @property
    def summary(self) -> Summary:
        """What this call did."""
        return self.run.summaries[CHECK.name]

    def table(self, name: str) -> pd.DataFrame:
        """A whole table of the run."""
        return self.run.table(name)

    def read(self, lines: Iterable[str]) -> list[ParsedLine]:
        """Statements about the relations of these facts, one a line: sentences, or JSON."""
        return list(Parser(self.facts, self.model, multi_mask=self.multi_mask).read(lines))


def run_check(
    run: Run | Path | str,
    model: Model | str | None = None,
    *,
    settings: CheckSettings | None = None,
    facts: str | Path | Iterable[Fact] | None = None,
    skip_bad: bool = False,
    progress: Shown = None,
    **options: object,
) -> Checked:
    """Score true and false statements of a run's facts, choose thresholds, and save a checker for each condition.

    What was done before is not done again, and what was stopped goes on. The same as `factneurons check`.

    Args:
        run: a run in which facts were located, or its folder.
        model: the model, or where it is now; None: where it was.
        settings: how to check.
        facts: where the run's facts are now; None: where they were. Their wrong answers are in their source only.
        skip_bad: leave out facts that fail, count them, and go on.
        progress: who shows what goes on: a Display, a callable for lines of text, or None.
        **options: fields of `settings` by name, for instance `source="pairs", draws=5`.

    Raises:
        BadRun: the run's facts are not where they were, it was checked with other settings before, or its neurons
            are meant elsewhere than where the answer is read off.
        BadSetting: an unknown option or an impossible value.
    """
    asked = with_options(CheckSettings, settings, options)
    display = display_of(progress)
    located, found = opened(run, model, display)
    if (positions := positions_of(located)) != "target":
        raise BadRun(
            f"{located.folder}: its neurons are meant at positions {positions!r}, and a check reads neurons where the "
            "answer is read off; locate with --positions target"
        )
    multi_mask = bool(located.manifest.stages["locate"].settings["multi_mask"])
    checked = _facts_of(located, found, facts, asked, multi_mask)
    with_pairs, degenerate = _degenerate(located, found, checked, asked, skip_bad, display)
    sets = relation_sets(found, checked, degenerate, asked, multi_mask)
    work = _Work(found, checked, sets, asked, multi_mask)
    done = drive_stage(
        CHECK,
        with_pairs,
        found,
        Data.of(located),
        lambda run: Plan(checked.all, work, len(checked.all)),
        settings=asdict(asked) | {"neurons": sets.digest(), "statements": "apart from what makes facts known"},
        seed=asked.seed,
        skip_bad=skip_bad,
        display=display,
    )
    by_condition = {"degenerate": sets.degenerate, "knowledge": sets.knowledge, "random": sets.random[0]}
    table = done.table("checks")
    display.finished(CHECK.name, done)
    return Checked(
        run=done,
        model=found,
        facts=checked.all,
        degenerate=degenerate,
        sets=by_condition,
        settings=sets.settings,
        points_error=sets.points_error,
        unknown=len(checked.all) - len(checked.known),
        checks=table,
        multi_mask=multi_mask,
        checkers=_fitted(done, found, table, by_condition, sets.settings, asked, multi_mask),
    )


def _facts_of(
    run: Run, model: Model, given: str | Path | Iterable[Fact] | None, asked: CheckSettings, multi_mask: bool
) -> CheckedFacts:
    """Read the facts of a run anew.

    Raises:
        BadRun: the source has changed.
    """
    source = load_facts(str(run.manifest.data["spec"]) if given is None else given, skip_bad=True)
    if source.sha256() != run.manifest.data["sha256"]:
        raise BadRun(f"{source.spec} is not what {run.folder} was made of; --facts says where its facts are now")
    in_any, neurons = set(), {}
    for fact, row, own in located_facts(run):
        neurons[name_of(fact)] = [each.neuron for each in own]
        if row["known"]:
            in_any.add(name_of(fact))
    facts = [fact for fact in source if name_of(fact) in neurons]
    known = _known(model, [fact for fact in facts if name_of(fact) in in_any], multi_mask)
    return CheckedFacts(facts, known, neurons, held_out_subjects(facts, asked.test_share, asked.seed))


def _known(model: Model, facts: Sequence[Fact], multi_mask: bool) -> frozenset[Name]:
    """The facts whose answer comes first in one of the prompts that decide it."""
    asked = [(name_of(fact), query) for fact in facts for query in deciding(ask(model, fact, multi_mask=multi_mask)[0])]
    ranks = model.evaluate([query for _, query in asked])
    return frozenset(name for (name, _), each in zip(asked, ranks, strict=True) if each.rank == 1)


def _degenerate(
    run: Run, model: Model, facts: CheckedFacts, asked: CheckSettings, skip_bad: bool, display: Display
) -> tuple[Run, dict[Group, Degenerate]]:
    """Components from the run's tables, pairs where they are needed; and the run with the pairs in it."""
    components = _components(run, asked, display)
    training = facts.training()
    wanted = without_components(training, components) if asked.source != COMPONENTS else set()
    agreed: NeuronsOf = {}
    every: NeuronsOf = {}
    if wanted:
        run = find_pairs(run, model, wanted, skip_bad=skip_bad, display=display)
        agreed, every = neurons_of_pairs(run)
    return run, degenerate_sets(training, components, agreed, every, asked.source)


def _components(run: Run, asked: CheckSettings, display: Display) -> NeuronsOf:
    if asked.source not in (AUTO, COMPONENTS):
        return {}
    if "degenerate" in run.manifest.stages:
        return {name_of(fact): neurons for fact, neurons in degenerate_neurons_of(run)}
    command = f"factneurons degenerate {run.folder}"
    if asked.source == COMPONENTS:
        raise BadRun(f"{run.folder} has no components: run {command} first")
    display.note(f"note: components of degenerate neurons enter after {command}; pairs do now")
    return {}


class _Work:
    """Scores the statements of a batch of facts under every condition."""

    def __init__(
        self, model: Model, facts: CheckedFacts, sets: RelationSets, asked: CheckSettings, multi_mask: bool
    ) -> None:
        self._model, self._facts, self._asked, self._multi_mask = model, facts, asked, multi_mask
        self._conditions, self._settings = sets.conditions, sets.settings
        self._wrong_answers = WrongAnswers(facts.all)

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
        sets = [own for _, _, own in self._conditions]
        found = score_statements(self._model, queries, groups, sets, self._settings, self._asked.feature)
        answers = {name: score(self._model, statements, queries) for name, score in SCORERS.items()}
        for row, statement in enumerate(statements):
            case = cases[row // 2]
            split = self._facts.split(case.fact)
            truth = row % 2 == 0
            for place, (name, draw, _) in enumerate(self._conditions):
                most = top_neurons(found.contributions[row][place]) if split == "test" and not draw else ()
                score = float(found.scores[row, place])
                yield Scored(statement, truth, split, case.known, name, score, draw, most, case.apart)
            for name, scores in answers.items():
                yield Scored(statement, truth, split, case.known, name, float(scores[row]), apart=case.apart)


def _fitted(
    run: Run,
    model: Model,
    checks: pd.DataFrame,
    sets: Mapping[str, NeuronSets],
    settings: AttributionSettings,
    asked: CheckSettings,
    multi_mask: bool,
) -> dict[str, FactChecker]:
    """A checker for each condition that has scores of known training facts, saved in the run."""
    checkers = {}
    for name, train in training_rows(checks).groupby("condition"):
        first = train[train["draw"] == 0]
        groups = list(zip(first["relation"], first["language"], strict=True))
        scores, truth = first["score"].to_numpy(np.float64), first["truth"].to_numpy(bool)
        condition = str(name)
        checker = FactChecker.fitted(
            model,
            choose_thresholds(groups, scores, truth),
            sets.get(condition, {}),
            settings,
            condition=condition,
            share=asked.share,
            source=asked.source,
            method=asked.method,
            feature=asked.feature,
            multi_mask=multi_mask,
            seed=asked.seed,
        )
        checker.save(run.folder / CHECKERS / condition)
        checkers[condition] = checker
    return checkers

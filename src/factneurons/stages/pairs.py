"""The stage `pairs`: degenerate pairs of the facts that `check` wants them of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from factneurons.degeneracy.pairs import degenerate_pairs
from factneurons.degeneracy.settings import PairSettings
from factneurons.degeneracy.tables import PAIRS as PAIRS_TABLE
from factneurons.factcheck.relation_sets import Name, NeuronsOf, name_of
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.runs.drive import Batch, Work
from factneurons.runs.reading import pairs_of_run
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run
from factneurons.stages.display import Display
from factneurons.stages.located import RunFacts
from factneurons.stages.stage import Data, Plan, Stage, drive_stage
from factneurons.tables import Row

PAIRS = Stage("pairs", "looking for degenerate pairs", ("pairs",))


def find_pairs(run: Run, model: Model, wanted: Collection[Name], *, skip_bad: bool, display: Display) -> Run:
    """Degenerate pairs of the wanted facts; a later call may want more."""

    def plan(run: Run) -> Plan:
        facts = RunFacts(run, model, run.done(PAIRS.name))
        return Plan((fact for fact in facts if name_of(fact) in wanted), _work(model, facts), len(wanted), facts.forget)

    return drive_stage(
        PAIRS, run, model, Data.of(run), plan, settings=PairSettings(), skip_bad=skip_bad, display=display
    )


def _work(model: Model, facts: RunFacts) -> Work:
    def work(batch: list[Fact]) -> Batch:
        rows: list[Row] = []
        skips: list[Skip] = []
        found = degenerate_pairs(model, [facts.take(fact) for fact in batch])
        for fact, pairs in zip(batch, found, strict=True):
            own = PAIRS_TABLE.rows([pairs])
            rows += own
            if not own:
                skips.append(Skip.of(fact, "no-pair", "none of its prompts has a degenerate pair", askable=True))
        return Batch({"pairs": rows}, skips)

    return work


def neurons_of_pairs(run: Run) -> tuple[NeuronsOf, NeuronsOf]:
    """The neurons of the pairs that a fact's prompts agree on, and those of any prompt's pairs, by fact."""
    agreed: dict[Name, list[Neuron]] = defaultdict(list)
    every: dict[Name, list[Neuron]] = defaultdict(list)
    for name, neurons, together in pairs_of_run(run):
        every[name] += neurons
        if together:
            agreed[name] += neurons
    return agreed, every

"""The stages that test neurons: the found ones are suppressed and enhanced, and so are matched random ones."""

from __future__ import annotations

from itertools import chain

from factneurons.attribution.effects import Asked, intervention
from factneurons.attribution.settings import InterventionSettings
from factneurons.attribution.tables import INTERVENTIONS
from factneurons.attribution.types import Measurement
from factneurons.errors import NotAskable
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.questions import Asking
from factneurons.models.types import Neuron
from factneurons.runs.drive import Batch, Work
from factneurons.runs.reading import degenerate_neurons_of
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run
from factneurons.stages.display import Display
from factneurons.stages.located import RunFacts
from factneurons.stages.stage import Data, Plan, Stage, drive_stage
from factneurons.tables import rows_of

TEST_KNOWLEDGE = Stage("test_knowledge", "testing knowledge neurons", ("interventions",))
TEST_DEGENERATE = Stage("test_degenerate", "testing degenerate neurons", ("interventions",), ("locate", "degenerate"))
TESTS = {"knowledge": TEST_KNOWLEDGE, "degenerate": TEST_DEGENERATE}
"""Which neurons are changed -> the stage."""


def test_neurons(
    run: Run, model: Model, neurons: str, settings: InterventionSettings, *, skip_bad: bool, display: Display
) -> Run:
    """Suppress and enhance the knowledge or the degenerate neurons of every fact of a run."""
    stage = TESTS[neurons]

    def plan(run: Run) -> Plan:
        facts = RunFacts(run, model, run.done(stage.name))
        return Plan(facts, _work(run, model, facts, settings, neurons), facts.total(), facts.forget)

    tested = drive_stage(
        stage, run, model, Data.of(run), plan, settings=settings, seed=settings.seed, skip_bad=skip_bad, display=display
    )
    display.finished(stage.name, tested)
    return tested


def _work(run: Run, model: Model, facts: RunFacts, settings: InterventionSettings, name: str) -> Work:
    pool = facts.pool()
    degenerate: dict[str, list[Neuron]] = {}
    if name == "degenerate":
        degenerate = {fact.key: neurons for fact, neurons in degenerate_neurons_of(run)}

    def work(batch: list[Fact]) -> Batch:
        searches: list[Asking[list[Measurement]]] = []
        skips: list[Skip] = []
        for fact in batch:
            known = facts.take(fact)
            neurons = degenerate.get(fact.key, []) if name == "degenerate" else known.neurons
            if not neurons:
                skips.append(Skip.of(fact, f"no-{name}-neurons", f"it has no {name} neurons to change", askable=True))
                continue
            try:
                searches.append(intervention(model, Asked(fact, known.queries), neurons, name, pool, settings))
            except NotAskable as error:
                skips.append(Skip.of(fact, error.reason, str(error), askable=True))
        return Batch(rows_of([INTERVENTIONS], chain.from_iterable(model.answer(searches))), skips)

    return work

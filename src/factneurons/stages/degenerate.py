"""`run_degenerate`: which neurons of a run's facts back each other up, what they carry, and what changing them does."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from factneurons.attribution.settings import InterventionSettings
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.acquisition import measure_acquisition
from factneurons.degeneracy.carried import carried_search
from factneurons.degeneracy.distances import GapUnits
from factneurons.degeneracy.find import degenerate_search
from factneurons.degeneracy.settings import CarriedSettings, DegeneracySettings
from factneurons.degeneracy.tables import ACQUISITION, CARRIED, FOUND
from factneurons.degeneracy.types import CarriedFacts, DegenerateNeurons, FactCurves
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.questions import Asking
from factneurons.runs.drive import Batch, Work
from factneurons.runs.store import Run
from factneurons.settings import split_options, with_options
from factneurons.stages.display import Display, Shown, display_of
from factneurons.stages.located import RunFacts, opened
from factneurons.stages.stage import Data, Plan, Stage, drive_stage
from factneurons.stages.test_neurons import test_neurons
from factneurons.tables import rows_of

DEGENERATE = Stage(
    "degenerate",
    "looking for degenerate neurons",
    ("degenerate", "components", "barcodes", "connections", "acquisition", "carried"),
)


def run_degenerate(
    run: Run | Path | str,
    model: Model | str | None = None,
    *,
    settings: DegeneracySettings | None = None,
    tests: InterventionSettings | None = None,
    skip_bad: bool = False,
    progress: Shown = None,
    **options: object,
) -> Run:
    """Find the degenerate knowledge neurons of a run's facts, test them, and keep all of it in the run.

    What was done before is not done again, and what was stopped goes on. The same as `factneurons degenerate`.

    Args:
        run: a run in which facts were located, or its folder.
        model: the model, or where it is now; None: where it was.
        settings: how to search.
        tests: how the neurons that were found are tested against random ones.
        skip_bad: leave out facts that fail, count them, and go on.
        progress: who shows what goes on: a Display, a callable for lines of text, or None.
        **options: fields of the two records by name, for instance `clusterer="ntc", draws=5, seed=1`.

    Returns:
        the run: `table("degenerate")`, `table("components")` and so on.

    Raises:
        BadRun: nothing was located in it, or it was searched with other settings before.
        BadSetting: an unknown option or an impossible value.
    """
    own = split_options(options, DegeneracySettings, InterventionSettings)
    search = with_options(DegeneracySettings, settings, own[DegeneracySettings])
    test = with_options(InterventionSettings, tests, own[InterventionSettings])
    display = display_of(progress)
    located, found = opened(run, model, display)
    searched = find_degenerate(located, found, search, skip_bad=skip_bad, display=display)
    return test_neurons(searched, found, "degenerate", test, skip_bad=skip_bad, display=display)


def find_degenerate(
    run: Run, model: Model, settings: DegeneracySettings, *, skip_bad: bool = False, display: Display
) -> Run:
    """The stage `degenerate`: components of every located fact, whether they are distinct, and what they carry."""
    carried = CarriedSettings(seed=settings.seed)
    kept = asdict(settings) | {"carried": {name: each for name, each in asdict(carried).items() if name != "seed"}}

    def plan(run: Run) -> Plan:
        facts = RunFacts(run, model, run.done(DEGENERATE.name))
        return Plan(facts, _work(model, facts, settings, carried), facts.total(), facts.forget)

    searched = drive_stage(
        DEGENERATE,
        run,
        model,
        Data.of(run),
        plan,
        settings=kept,
        seed=settings.seed,
        skip_bad=skip_bad,
        display=display,
    )
    display.finished(DEGENERATE.name, searched)
    return searched


def _work(model: Model, facts: RunFacts, settings: DegeneracySettings, carried: CarriedSettings) -> Work:
    units = GapUnits(model, settings)
    pool, by_neuron = facts.knowledge_pool(), facts.by_neuron(settings)

    def search(known: KnowledgeNeurons) -> Asking[tuple[DegenerateNeurons, FactCurves, CarriedFacts | None]]:
        found = yield from degenerate_search(model, known, settings, units, by_neuron.carrying(known.fact))
        curves = yield from measure_acquisition(known, found, settings)
        others = (yield from carried_search(model, known, found, pool, carried)) if found.components else None
        return found, FactCurves(known.fact, settings.clusterer, curves), others

    def work(batch: list[Fact]) -> Batch:
        found, curves, carrying = zip(*model.answer(search(facts.take(fact)) for fact in batch), strict=True)
        carried_rows = rows_of([CARRIED], [each for each in carrying if each is not None])
        return Batch(rows_of(FOUND, found) | rows_of([ACQUISITION], curves) | carried_rows)

    return work

"""`plan_suite`: every cell of a suite before it is run: what it needs, how long it takes, and what is there.

Time that is left of an experiment comes from the folder, where some of it was measured in one go, else from a probe: a
few facts are located with the model, and an experiment takes a measured multiple of that (`experiments.costs`). Memory
is what the engine holds itself to: the weights, its budget for rows, and what training adds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from factneurons.errors import FactneuronsError, NotAskable
from factneurons.experiments.cells import SuiteCell, chosen_cells
from factneurons.experiments.costs import COSTS
from factneurons.experiments.experiment import Experiment
from factneurons.experiments.published import as_published as published_settings
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.facts.types import Fact
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.passes.memory import budget_bytes, model_bytes
from factneurons.runs.store import MANIFEST, Run
from factneurons.settings import with_options
from factneurons.stages.experiment import HeldFacts, held_facts, stage_of
from factneurons.stages.suite import obstacle, placed

PROBED = 4
"""How many facts are located to see how fast a model is, after one that warms it up."""

_FLOAT32 = 4
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an experiment will take on one model, all its cells together.

    Attributes:
        seconds: about how long what is left takes; None: cannot be told.
        memory: about how many bytes the model takes with it, beside Python and PyTorch; None: cannot be told.
        basis: what it rests on, or why it cannot be told.
    """

    seconds: float | None
    memory: int | None
    basis: str


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell of a suite on one model, before it is run.

    Attributes:
        cell: the cell.
        model: the model's name.
        there: what is there already, in words.
        estimate: what its experiment will take; shared by the experiment's cells.
        obstacle: why it is left out; "" where it is not.
    """

    cell: SuiteCell
    model: str
    there: str
    estimate: Estimate
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class _Probe:
    """What was seen of a model."""

    located: float | None
    parameters: int
    memory: int


def plan_suite(
    models: Sequence[Model | str],
    facts: str | Path | Iterable[Fact],
    out: Path | str,
    *,
    only: Sequence[str] = (),
    settings: ExperimentSettings | None = None,
    as_published: bool = False,
    limit: int | None = None,
    skip_bad: bool = False,
    load: Callable[[str], Model] = load_model,
    **options: object,
) -> list[PlannedCell]:
    """What `run_suite` would do, how long it would take, and what is there already; nothing is written.

    Every model is loaded for a few seconds; one that cannot be is planned without time and memory. Arguments as in
    `run_suite`.

    Raises:
        BadRun: the folder of a model is something else.
        BadSetting: no model or the same one twice, an unknown name in `only`, an unknown option.
    """
    how = with_options(ExperimentSettings, settings, options)
    how = published_settings(how) if as_published else how
    held = held_facts(facts, limit=limit, skip_bad=skip_bad)
    cells, planned = chosen_cells(only), []
    for model, name, folder in placed(models, Path(out)):
        probe = _probed(model, held, how, load) if any(not obstacle(cell, held) for cell in cells) else ""
        for cell in cells:
            left_out = obstacle(cell, held)
            estimate = Estimate(0, 0, "left out") if left_out else _estimate(folder, cell.experiment, held, how, probe)
            planned.append(
                PlannedCell(cell, name, _there(folder, cell.experiment, len(held.facts)), estimate, left_out)
            )
    return planned


def _probed(model: Model | str, held: HeldFacts, how: ExperimentSettings, load: Callable[[str], Model]) -> _Probe | str:
    """What is seen of a model, or why nothing is."""
    try:
        loaded = model if isinstance(model, Model) else load(model)
        located = seconds_to_locate(Study(loaded, held.facts, how))
    except FactneuronsError as error:
        return " ".join(str(error).split())
    backbone = loaded.backbone
    parameters = sum(each.numel() for each in backbone.module.parameters())
    return _Probe(located, parameters, model_bytes(backbone) + budget_bytes(backbone))


def seconds_to_locate(study: Study, *, clock: Callable[[], float] = time.monotonic) -> float | None:
    """Seconds that locating one fact takes with the study's first method; None: no fact can be asked.

    Args:
        study: the model and the facts.
        clock: seconds since some moment.
    """
    askable = list(_askable(study, 1 + PROBED))
    began = 0.0
    for group in (askable[:1], askable[1:] or askable):
        began = clock()
        study.expect(group)
        for fact in group:
            try:
                study.knowledge(fact, study.settings.methods[0])
            except NotAskable:
                continue
    return (clock() - began) / max(1, len(askable) - 1) if askable else None


def _askable(study: Study, most: int) -> Iterable[Fact]:
    for fact in study.facts:
        if most == 0:
            return
        try:
            study.queries(fact)
        except NotAskable:
            continue
        most -= 1
        yield fact


def _estimate(
    folder: Path, experiment: Experiment, held: HeldFacts, how: ExperimentSettings, probe: _Probe | str
) -> Estimate:
    cost = COSTS[experiment.id]
    memory = None if isinstance(probe, str) else probe.memory + _FLOAT32 * cost.copies * probe.parameters
    done, pace = _recorded(folder, experiment)
    left = max(0, len(held.facts) - done)
    if left == 0 or pace is not None:
        return Estimate(left * (pace or 0.0), memory, f"{done} facts measured here" if left else "it is there")
    if isinstance(probe, str):
        return Estimate(None, memory, probe)
    if probe.located is None:
        return Estimate(None, memory, "no fact can be asked")
    times = cost.of_fact(how.draws)
    if times is None:
        return Estimate(None, memory, f"what {experiment.id} costs has not been measured; the first facts will tell")
    return Estimate(left * probe.located * times, memory, f"from {PROBED} located facts, {probe.located:.2g} s each")


def _recorded(folder: Path, experiment: Experiment) -> tuple[int, float | None]:
    """How many facts are dealt with, and seconds a fact; None unless they were measured in one go."""
    stage = stage_of(experiment).name
    if not (folder / MANIFEST).exists():
        return 0, None
    run = Run.open(folder)
    record = run.manifest.stages.get(stage)
    if record is None:
        return 0, None
    dealt = run.counts(stage).read
    if len(record.starts) > 1 or not dealt or not record.updated:
        return dealt, None
    seconds = datetime.fromisoformat(record.updated) - datetime.fromisoformat(record.starts[0].time)
    return dealt, seconds.total_seconds() / dealt


def _there(folder: Path, experiment: Experiment, facts: int) -> str:
    """What a run holds of an experiment, in words."""
    stage = stage_of(experiment).name
    if not (folder / MANIFEST).exists():
        return "nothing yet"
    run = Run.open(folder)
    if stage not in run.manifest.stages:
        return "nothing yet"
    counts, state = run.counts(stage), run.manifest.stages[stage].state
    return f"{counts.done + sum(counts.skipped.values())} of {facts} facts, {counts.done} measured, {state}"

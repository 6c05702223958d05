"""`run_suite`: every experiment of the papers on several models, and one page about all of them.

A folder holds a run for each model, and the page. One `Study` serves all experiments of a model, so that its located
neurons, components, perturbed questions and random sets are found once. A stopped suite goes on where it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from factneurons.errors import BadRun, BadSetting, FactneuronsError
from factneurons.experiments.cells import SuiteCell, chosen_cells
from factneurons.experiments.experiment import Experiment
from factneurons.experiments.published import as_published as published_settings
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import Study
from factneurons.facts.types import Fact
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.report.sections.experiments import write_experiments
from factneurons.report.sections.suite import PAGE, SuiteModel, write_suite
from factneurons.runs.manifest import differences, plain
from factneurons.runs.store import MANIFEST, Run
from factneurons.settings import with_options
from factneurons.stages.display import Display, Shown, display_of
from factneurons.stages.experiment import HeldFacts, held_facts, measure

_BROKEN = (FactneuronsError, ArithmeticError, MemoryError, RuntimeError, ValueError)
"""What ends one experiment and not the suite: bad input, and what a model or a device makes of it."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What a suite came to.

    Attributes:
        folder: where it is kept; a folder inside for each model.
        page: the page about it.
        results: a row per cell, model and language; docs/experiments.md has the columns.
        ladders: what models of one family tell together, by size and by training (E11); likewise.
        failures: (model, experiment's id, reason) of what could not be measured; a later call tries again.
    """

    folder: Path
    page: Path
    results: pd.DataFrame
    ladders: pd.DataFrame
    failures: tuple[tuple[str, str, str], ...]


def run_suite(
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
    progress: Shown = None,
    **options: object,
) -> Suite:
    """Run the cells of the papers on every model, and write their page, suite.html.

    What was done before is not done again. An experiment that fails is told and does not stop the others. The same as
    `factneurons suite`.

    Args:
        models: models, or names or folders of them; one is held at a time where names are given. A folder of models'
            folders, as of checkpoints, stands for all of them, in the order of their names.
        facts: facts, or where they are, as `load_facts` takes it. All are held in memory.
        out: the suite's folder.
        only: frameworks, groups or experiments, as `chosen_cells` takes them; default: all.
        settings: how the experiments are made.
        as_published: use the variants of the papers' code, as far as they are there.
        limit: only the first so many facts.
        skip_bad: leave out bad records and facts that fail, count them, and go on.
        load: loads models that are given by name; for instance `partial(load_model, device="cuda:1", chat=True)`.
        progress: who shows what goes on: a Display, a callable for lines of text, or None.
        **options: fields of `settings` by name, for instance `draws=5`.

    Raises:
        BadRun: the folder is something else, or was made with other settings or data.
        BadSetting: no model or the same one twice, no cell that these facts allow, an unknown option or an impossible
            value; before anything is done.
        BadFact: a bad record.
    """
    how = with_options(ExperimentSettings, settings, options)
    how = published_settings(how) if as_published else how
    held = held_facts(facts, limit=limit, skip_bad=skip_bad)
    runs = placed(models, Path(out))
    cells = [cell for cell in chosen_cells(only) if not obstacle(cell, held)]
    if not cells:
        raise BadSetting(f"only is {','.join(only)}: {obstacle(chosen_cells(only)[0], held)}")
    display, failures = display_of(progress), list[tuple[str, str, str]]()
    for each in chosen_cells(only):
        if each not in cells:
            display.note(f"{each.name} is left out: {obstacle(each, held)}")
    experiments = list(dict.fromkeys(cell.of for cell in cells))
    for _, _, folder in runs:
        _refuse_other(folder, experiments, how, held)
    for model, name, folder in runs:
        made = _OneModel(name, folder, held, how, skip_bad, display)
        failures += made.run(model, load, [cell.experiment for cell in {c.of: c for c in cells}.values()])
    told = [SuiteModel(name, folder.name, {of: why for own, of, why in failures if own == name})
            for _, name, folder in runs]  # fmt: skip
    results, ladders = write_suite(Path(out), told, cells, held.source.spec)
    return Suite(Path(out), Path(out) / PAGE, results, ladders, tuple(failures))


@dataclass(frozen=True, slots=True)
class _OneModel:
    """The experiments of one model, one after the other."""

    name: str
    folder: Path
    held: HeldFacts
    settings: ExperimentSettings
    skip_bad: bool
    display: Display

    def run(
        self, model: Model | str, load: Callable[[str], Model], experiments: Sequence[Experiment]
    ) -> list[tuple[str, str, str]]:
        """Measure them and write their page; returns what failed."""
        try:
            loaded = model if isinstance(model, Model) else load(model)
        except FactneuronsError as error:
            return [self._failed(each, error) for each in experiments]
        study = Study(loaded, self.held.facts, self.settings)
        failures, run = [], None
        for each in experiments:
            self.display.note(f"{self.name}: {each.id}, {each.title}")
            try:
                run = measure(each, study, self.held, self.folder, skip_bad=self.skip_bad, display=self.display)
            except _BROKEN as error:
                failures.append(self._failed(each, error))
        if run is not None:
            write_experiments(run)
        return failures

    def _failed(self, experiment: Experiment, error: BaseException) -> tuple[str, str, str]:
        why = " ".join(str(error).split()) or type(error).__name__
        if not isinstance(error, FactneuronsError):
            why = f"{type(error).__name__}: {why}"
        self.display.note(f"{self.name}: {experiment.id} failed: {why}")
        return self.name, experiment.id, why


def placed(models: Sequence[Model | str], out: Path) -> list[tuple[Model | str, str, Path]]:
    """Every model, its name, and the folder of its run; those that lie in a folder of models each by itself.

    Raises:
        BadRun: a folder is something else.
        BadSetting: no model, or the same one twice.
    """
    if out.is_file():
        raise BadRun(f"{out} is a file; a suite needs a folder")
    every = [each for model in models for each in _inside(model)]
    names = [model.name if isinstance(model, Model) else str(model) for model in every]
    folders = [out / (re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model") for name in names]
    if not names or len(set(folders)) < len(folders):
        raise BadSetting(f"models is {','.join(names)!r}: give one or more models, each once")
    for folder in folders:
        Run.check_folder(folder)
    return list(zip(every, names, folders, strict=True))


def _inside(model: Model | str) -> list[Model | str]:
    """The model, or, of a folder that is none and holds some, those, in the order of their names."""
    if isinstance(model, Model) or (Path(model) / "config.json").exists():
        return [model]
    return [str(config.parent) for config in sorted(Path(model).glob("*/config.json"))] or [model]


def obstacle(cell: SuiteCell, held: HeldFacts) -> str:
    """Why these facts do not allow a cell; "" where they do."""
    languages = sorted({fact.language for fact in held.facts})
    if len(languages) < cell.languages:
        return f"it needs facts in {cell.languages} languages, and these are in {', '.join(languages) or 'none'}"
    return ""


def _refuse_other(folder: Path, experiments: Sequence[str], how: ExperimentSettings, held: HeldFacts) -> None:
    """Refuse a folder of other settings or data before a model is loaded.

    Raises:
        BadRun: the first field that differs.
    """
    if not (folder / MANIFEST).exists():
        return
    manifest, sha256 = Run.open(folder).manifest, held.source.sha256()
    for of in experiments:
        record = manifest.stages.get(of.lower())
        if record is None:
            continue
        old = {**record.settings, "seed": record.seed, "data": manifest.data["sha256"]}
        for field, was, now in differences(old, {**plain(how), "data": sha256}):
            raise BadRun(
                f"{folder}: {of} was made with other settings: {field} was {was}, is {now} now; use the old ones, or "
                "another --out"
            )

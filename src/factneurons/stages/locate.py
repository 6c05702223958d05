"""The stages of a run, wired together: what is asked, what works on it, where its rows go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from factneurons.attribution.effects import Asked, intervene
from factneurons.attribution.locate import locate_batch
from factneurons.attribution.settings import AttributionSettings, InterventionSettings, SelectionSettings
from factneurons.attribution.tables import INTERVENTIONS, LOCATED
from factneurons.attribution.types import KnowledgeNeurons, Located
from factneurons.cli.console import StageProgress, counted, tell
from factneurons.degeneracy.acquisition_measured import measure_acquisition
from factneurons.degeneracy.carried import carried_facts
from factneurons.degeneracy.find import degenerate_neurons
from factneurons.degeneracy.scale import GapUnits
from factneurons.degeneracy.settings import CarriedSettings, DegeneracySettings
from factneurons.degeneracy.tables import ACQUISITION, CARRIED, FOUND
from factneurons.degeneracy.types import FactCurves
from factneurons.errors import BadFact, BadNumber, BadRun, FactneuronsError, NotAskable
from factneurons.facts.problems import Skipped
from factneurons.facts.source import FactSource, load_facts
from factneurons.facts.types import Fact
from factneurons.models.fingerprint import model_fingerprint
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.runs.commits import Skip
from factneurons.runs.drive import Batch, Summary, drive
from factneurons.runs.manifest import Manifest, command_line
from factneurons.runs.reading import degenerate_neurons_of, merged
from factneurons.runs.store import Run
from factneurons.stages.located import BATCH, RunFacts
from factneurons.tables import Row
from factneurons.tables import rows_of as rows_in

_COUNTED_BYTES = 50_000_000
"""Data files up to this size are counted first, for the time left; larger ones would take a minute."""

_TITLES = {
    "locate": "locating knowledge neurons",
    "degenerate": "looking for degenerate neurons",
    "test_knowledge": "testing knowledge neurons",
    "test_degenerate": "testing degenerate neurons",
}


@dataclass(frozen=True, slots=True)
class Data:
    """What the facts of a run come from.

    Attributes:
        spec: as it was asked for.
        sha256: the hash of the data.
        limit: only the first so many facts are asked for now; the rest may follow.
    """

    spec: str
    sha256: str
    limit: int | None = None


def open_stage(folder: Path, stage: str, settings: Any, seed: int, model: Model, data: Data) -> Run:
    """Create or resume a run for one stage, and tell what that did.

    Raises:
        BadRun: the folder was made with another model, other data or other settings.
    """
    manifest = Manifest.for_stage(
        stage,
        settings=settings,
        seed=seed,
        command=command_line(),
        model=model.name,
        model_files=model_fingerprint(model.backbone),
        dtype=str(model.backbone.dtype).removeprefix("torch."),
        device=str(model.backbone.device),
        data=data.spec,
        data_sha256=data.sha256,
        model_shape={
            "family": model.backbone.adapter.family,
            "kind": model.kind,
            "layers": model.layer_count,
            "width": model.width,
        },
        extent={} if data.limit is None else {"limit": data.limit},
    )
    run = Run.create_or_resume(folder, manifest, stage)
    for note in run.notes:
        tell(note)
    return run


@dataclass(frozen=True, slots=True)
class Locating:
    """What `locate` is asked to do.

    Attributes:
        facts: the spec of the facts.
        attribution, selection, multi_mask: decide the numbers.
        limit: only the first so many facts; a resumed run may go further.
        revision: of a model of the hub, kept so that later stages find the same one.
        skip_bad: leave out bad records and facts that fail, and go on.
    """

    facts: str
    attribution: AttributionSettings
    selection: SelectionSettings
    multi_mask: bool = False
    limit: int | None = None
    revision: str | None = None
    skip_bad: bool = False

    def settings(self) -> dict[str, Any]:
        """What a resumed run may not change."""
        names = ("attribution", "selection", "multi_mask", "revision")
        return {name: value for name, value in asdict(self).items() if name in names}


def run_locate(folder: Path, model: Model, asked: Locating) -> Summary:
    """The stage `locate`: knowledge neurons of every fact that can be asked.

    Raises:
        BadRun: the folder is another run's, or no run's.
        FactneuronsError: a bad record or fact; what came before it is kept.
    """
    skips: list[Skip] = []
    source = load_facts(
        asked.facts,
        skip_bad=asked.skip_bad,
        on_skip=lambda left_out: skips.append(skip_of(left_out)),
        limit=asked.limit,
    )

    data = Data(asked.facts, source.sha256(), asked.limit)

    def stream() -> Iterator[Fact | Skip]:
        for fact in source:
            yield from _drained(skips)
            yield fact
        yield from _drained(skips)

    def work(facts: list[Fact]) -> Batch:
        found = locate_batch(model, facts, asked.attribution, asked.selection, multi_mask=asked.multi_mask)
        return Batch(rows_in(LOCATED, found), [skip for each in found for skip in _refused(each)])

    with (
        open_stage(folder, "locate", asked.settings(), 0, model, data) as run,
        told_what_is_kept(run, "locate"),
        StageProgress(_TITLES["locate"]) as progress,
    ):
        summary = drive(
            run,
            "locate",
            stream(),
            work,
            batch_size=BATCH,
            skip_bad=asked.skip_bad,
            progress=progress,
            total=_count(source, asked.limit),
        )
    return _something(run, model, summary)


@contextmanager
def told_what_is_kept(run: Run, stage: str) -> Iterator[None]:
    """Add to the error of one record or fact what was finished before it, and how to go on."""
    try:
        yield
    except (BadFact, BadNumber) as error:
        kept = run.counts(stage).done
        finished = f"{counted(kept, 'fact')} finished before it: kept in {run.folder}; " if kept else ""
        raise FactneuronsError(f"{error} ({finished}--skip-bad leaves out what is bad and goes on)") from error


def _count(source: FactSource, limit: int | None) -> int | None:
    """How many facts and bad records the source holds, where counting them takes no time worth mentioning."""
    if not source.files or sum(path.stat().st_size for path in source.files) > _COUNTED_BYTES:
        return None
    again = load_facts(source, skip_bad=True, limit=limit)
    return sum(1 for _ in again) + sum(again.skipped.values())


def _something(run: Run, model: Model, summary: Summary) -> Summary:
    """The summary, if anything was located.

    Raises:
        BadRun: no fact at all.
    """
    total = run.counts("locate")
    if not total.read:
        raise BadRun(f"{run.manifest.data['spec']} holds no facts that its options choose, so there is nothing to do")
    if not total.done:
        reasons = ", ".join(f"{count} {reason}" for reason, count in total.skipped.items())
        example = next(row["detail"] for tables in run.committed("locate", "skipped") for row in tables["skipped"])
        raise BadRun(
            f"none of the {counted(total.read, 'fact')} of {run.manifest.data['spec']} can be asked of {model.name} "
            f"({reasons}); for instance: {example}"
        )
    return summary


def skip_of(left_out: Skipped) -> Skip:
    """What was left out on reading, as a run keeps it."""
    return Skip(
        reason=left_out.reason,
        detail=left_out.detail,
        fact_id=left_out.fact_id,
        source=left_out.source,
        prompt=left_out.prompt,
        part=left_out.part,
    )


def _drained(skips: list[Skip]) -> Iterator[Skip]:
    while skips:
        yield skips.pop(0)


def _refused(found: Located) -> Iterator[Skip]:
    for refusal in found.refusals:
        yield Skip.of(found.fact, refusal.reason, refusal.detail, prompt=refusal.prompt.text)
    if found.known is None:
        reasons = sorted({refusal.reason for refusal in found.refusals})
        yield Skip.of(
            found.fact, reasons[0], f"none of its {len(found.refusals)} prompts can be asked: {', '.join(reasons)}"
        )


def model_of(folder: Path, name: str | None, **options: Any) -> Model:
    """The model that the run in a folder was made with.

    Args:
        folder: the run's folder.
        name: where the model is now; None: where it was.
        options: passed on to `load_model`.

    Raises:
        BadRun: no run, or nothing was located in it yet.
    """
    run = Run.open(folder)
    if "locate" not in run.manifest.stages or not run.counts("locate").done:
        raise BadRun(f"{folder}: nothing was located in it; run factneurons locate --out {folder} first")
    stage = run.manifest.stages["locate"]
    if stage.state != "done":
        done = run.counts("locate").done
        tell(
            f"note: locate did not come to its end here; only the {counted(done, 'fact')} located so far are looked at"
        )
    return load_model(
        name or str(run.manifest.model["name"]),
        dtype=str(run.manifest.model["dtype"]),
        revision=stage.settings.get("revision"),
        **options,
    )


def run_degenerate(folder: Path, model: Model, settings: DegeneracySettings, *, skip_bad: bool = False) -> Summary:
    """The stage `degenerate`: components of every located fact, and the p-value of its partition."""
    carried = CarriedSettings(seed=settings.seed)
    kept = {name: value for name, value in asdict(settings).items() if name != "seed"}
    kept["carried"] = {name: value for name, value in asdict(carried).items() if name != "seed"}
    return _follow(
        folder,
        model,
        "degenerate",
        kept,
        settings.seed,
        lambda facts: _degenerate_work(model, facts, settings, carried),
        skip_bad=skip_bad,
    )


def _degenerate_work(
    model: Model, facts: RunFacts, settings: DegeneracySettings, carried: CarriedSettings
) -> Callable[[list[Fact]], Batch]:
    units = GapUnits(model, settings)
    pool, by_neuron = facts.knowledge_pool(), facts.by_neuron(settings)

    def rows_of(known: KnowledgeNeurons) -> Iterator[dict[str, list[Row]]]:
        found = degenerate_neurons(model, known, settings, units, by_neuron.carrying(known.fact))
        yield rows_in(FOUND, [found])
        curves = measure_acquisition(model, known, found, settings)
        yield rows_in([ACQUISITION], [FactCurves(known.fact, settings.clusterer, curves)])
        if found.components:
            yield rows_in([CARRIED], [carried_facts(model, known, found, pool, carried)])

    def work(batch: list[Fact]) -> Batch:
        return Batch(merged(rows for fact in batch for rows in rows_of(facts.take(fact))))

    return work


def run_intervene(
    folder: Path, model: Model, settings: InterventionSettings, name: str, *, skip_bad: bool = False
) -> Summary:
    """The stages `test_knowledge` and `test_degenerate`: suppress and enhance, against matched random neurons."""
    kept = {key: value for key, value in asdict(settings).items() if key != "seed"}
    return _follow(
        folder,
        model,
        f"test_{name}",
        kept,
        settings.seed,
        lambda facts: _test_work(folder, model, facts, settings, name),
        skip_bad=skip_bad,
    )


def _test_work(
    folder: Path, model: Model, facts: RunFacts, settings: InterventionSettings, name: str
) -> Callable[[list[Fact]], Batch]:
    pool = facts.pool()
    degenerate: dict[str, list[Neuron]] = {}
    if name == "degenerate":
        degenerate = {fact.key: neurons for fact, neurons in degenerate_neurons_of(Run.open(folder))}

    def work(batch: list[Fact]) -> Batch:
        measured, skips = [], []
        for fact in batch:
            known = facts.take(fact)
            neurons = degenerate.get(fact.key, []) if name == "degenerate" else known.neurons
            if not neurons:
                skips.append(Skip.of(fact, f"no-{name}-neurons", f"it has no {name} neurons to change", askable=True))
                continue
            try:
                measured += intervene(model, Asked(fact, known.queries), neurons, name, pool, settings)
            except NotAskable as error:
                skips.append(Skip.of(fact, error.reason, str(error), askable=True))
        return Batch(rows_in([INTERVENTIONS], measured), skips)

    return work


def _follow(
    folder: Path,
    model: Model,
    stage: str,
    settings: dict[str, Any],
    seed: int,
    make_work: Callable[[RunFacts], Callable[[list[Fact]], Batch]],
    *,
    skip_bad: bool,
) -> Summary:
    """A stage over the facts that were located in the same run."""
    located = Run.open(folder)
    data = Data(str(located.manifest.data["spec"]), str(located.manifest.data["sha256"]))
    with (
        open_stage(folder, stage, settings, seed, model, data) as run,
        told_what_is_kept(run, stage),
        StageProgress(_TITLES[stage]) as progress,
    ):
        facts = RunFacts(located, model, run.done(stage))
        total = located.counts("locate").rows.get("facts", 0)
        return drive(
            run,
            stage,
            facts,
            make_work(facts),
            batch_size=BATCH,
            skip_bad=skip_bad,
            progress=progress,
            total=total,
        )

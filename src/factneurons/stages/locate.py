"""`run_locate`: the knowledge neurons of facts, tested against random ones, kept in a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path

from factneurons.attribution.locate import locate_batch
from factneurons.attribution.methods import method_named
from factneurons.attribution.settings import AttributionSettings, InterventionSettings, SelectionSettings
from factneurons.attribution.tables import LOCATED
from factneurons.attribution.target_size import Group, shares_of
from factneurons.attribution.types import Located
from factneurons.errors import BadRun
from factneurons.facts.problems import Skipped
from factneurons.facts.source import FactSource, load_facts
from factneurons.facts.types import Fact
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.runs.counts import counted
from factneurons.runs.drive import Batch
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run
from factneurons.settings import refuse, split_options, with_options
from factneurons.stages.display import Display, Shown, display_of
from factneurons.stages.stage import Data, Plan, Stage, drive_stage
from factneurons.stages.test_neurons import test_neurons
from factneurons.tables import rows_of

LOCATE = Stage("locate", "locating knowledge neurons", ("facts", "neurons", "completeness"), needs=())

_COUNTED_BYTES = 50_000_000
"""Data files up to this size are counted first, for the time left; larger ones would take a minute."""


def run_locate(
    model: Model | str | os.PathLike[str],
    facts: str | Path | Iterable[Fact],
    out: Path | str,
    *,
    settings: AttributionSettings | None = None,
    selection: SelectionSettings | None = None,
    tests: InterventionSettings | None = None,
    multi_mask: bool = False,
    limit: int | None = None,
    revision: str | None = None,
    skip_bad: bool = False,
    progress: Shown = None,
    **options: object,
) -> Run:
    """Find the knowledge neurons of facts, test them against random ones, and keep all of it in a run.

    What was done before is not done again, and what was stopped goes on. The same as `factneurons locate`.

    Args:
        model: a model, or the name or folder of one.
        facts: facts, or where they are, as `load_facts` takes it.
        out: the run's folder; a new one, or that of a run made with the same settings.
        settings: how neurons are scored.
        selection: how they are chosen.
        tests: how they are tested against random ones.
        multi_mask: cloze models: ask for an answer of several tokens with as many masks.
        limit: only the first so many facts; a later call may go further.
        revision: of a model of the hub; kept, so that later stages find the same one.
        skip_bad: leave out bad records and facts that fail, count them, and go on.
        progress: who shows what goes on: a Display, a callable for lines of text, or None.
        **options: fields of the three records by name, for instance `method="dai", threshold=0.3, draws=5`.

    Returns:
        the run: `table("facts")`, `table("neurons")`, `table("interventions")` and so on.

    Raises:
        BadRun: the folder is another run's or no run's, or no fact could be asked.
        BadSetting: an unknown option or an impossible value.
        FactneuronsError: a bad record or fact; what came before it is kept.
    """
    own = split_options(options, AttributionSettings, SelectionSettings, InterventionSettings)
    how = with_options(AttributionSettings, settings, own[AttributionSettings])
    choice = with_options(SelectionSettings, selection, own[SelectionSettings])
    test = with_options(InterventionSettings, tests, own[InterventionSettings])
    method_named(how.method)
    if choice.target_size and limit is not None:  # a later call may go further, and the first facts' shares be others
        refuse("limit", limit, "None with target_size, which asks all facts; FACTS?limit= chooses some")
    display = display_of(progress)
    skips: list[Skip] = []
    source = load_facts(facts, skip_bad=skip_bad, on_skip=lambda left_out: skips.append(skip_of(left_out)), limit=limit)
    Run.check_folder(out)
    asked = model if isinstance(model, Model) else load_model(model, revision=revision)

    kept = {
        "attribution": asdict(how),
        "selection": asdict(choice),
        "multi_mask": multi_mask,
        "revision": revision,
    }

    @cache
    def shares() -> dict[Group, float]:
        found = shares_of(asked, load_facts(source, skip_bad=True), how, choice, multi_mask=multi_mask)
        for (relation, language), share in found.items():
            display.note(f"{relation} ({language}): neurons that {share:.0%} of a fact's prompts agree on")
        return found

    def search(batch: list[Fact]) -> list[Located]:
        moved = shares() if choice.target_size else None
        return locate_batch(asked, batch, how, choice, multi_mask=multi_mask, shares=moved)

    located = keep_located(
        search, asked, source, skips, Path(out), settings=kept, limit=limit, skip_bad=skip_bad, display=display
    )
    return test_neurons(located, asked, "knowledge", test, skip_bad=skip_bad, display=display)


def keep_located(
    search: Callable[[list[Fact]], list[Located]],
    model: Model,
    source: FactSource,
    skips: list[Skip],
    out: Path,
    *,
    settings: Mapping[str, object],
    limit: int | None,
    skip_bad: bool,
    display: Display,
) -> Run:
    """The stage `locate`: what a search finds for every fact of a source, kept in a run.

    Args:
        search: from a few facts to what was found.
        model: the model.
        source: the facts.
        skips: where the source's bad records are put.
        out: the run's folder.
        settings: what decides the numbers, as the manifest keeps it.
        limit: only the first so many facts.
        skip_bad: leave out facts that fail.
        display: is shown what goes on.

    Raises:
        BadRun: the folder is another run's, or no fact could be asked.
    """

    def work(batch: list[Fact]) -> Batch:
        found = search(batch)
        return Batch(rows_of(LOCATED, found), [skip for each in found for skip in _refused(each)])

    located = drive_stage(
        LOCATE,
        out,
        model,
        Data(source.spec, source.sha256(), limit),
        lambda run: Plan(with_skips(source, skips), work, _count(source, limit)),
        settings=settings,
        skip_bad=skip_bad,
        display=display,
    )
    _check_anything(located, model)
    display.finished(LOCATE.name, located)
    return located


def with_skips(facts: Iterable[Fact], skips: list[Skip]) -> Iterator[Fact | Skip]:
    """Facts, and between them what was left out on reading them, which comes into `skips` meanwhile."""
    for fact in facts:
        yield from _drained(skips)
        yield fact
    yield from _drained(skips)


def _drained(skips: list[Skip]) -> Iterator[Skip]:
    while skips:
        yield skips.pop(0)


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


def _count(source: FactSource, limit: int | None) -> int | None:
    """How many facts and bad records the source holds, where counting them takes no time worth mentioning."""
    if not source.files or sum(path.stat().st_size for path in source.files) > _COUNTED_BYTES:
        return None
    again = load_facts(source, skip_bad=True, limit=limit)
    return sum(1 for _ in again) + sum(again.skipped.values())


def _check_anything(run: Run, model: Model) -> None:
    """Refuse a run in which nothing was located.

    Raises:
        BadRun: no fact at all.
    """
    total, spec = run.counts("locate"), run.manifest.data["spec"]
    if not total.read:
        raise BadRun(f"{spec} holds no facts that its options choose, so there is nothing to do")
    if not total.done:
        reasons = ", ".join(f"{count} {reason}" for reason, count in total.skipped.items())
        example = next(row["detail"] for tables in run.committed("locate", "skipped") for row in tables["skipped"])
        raise BadRun(
            f"none of the {counted(total.read, 'fact')} of {spec} can be asked of {model.name} ({reasons}); "
            f"for instance: {example}"
        )


def _refused(found: Located) -> Iterator[Skip]:
    for refusal in found.refusals:
        yield Skip.of(found.fact, refusal.reason, refusal.detail, prompt=refusal.prompt.text)
    if found.known is None:
        reasons = sorted({refusal.reason for refusal in found.refusals})
        yield Skip.of(
            found.fact, reasons[0], f"none of its {len(found.refusals)} prompts can be asked: {', '.join(reasons)}"
        )

"""The stages of `languages`: join the facts of a run over its languages, and test what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from factneurons.attribution.effects import Asked, intervene
from factneurons.attribution.settings import AttributionSettings, InterventionSettings
from factneurons.attribution.types import Measurement
from factneurons.cli.console import StageProgress
from factneurons.errors import BadRun, BadSetting
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.multilingual.agnostic import agnostic
from factneurons.multilingual.join import by_fact, joined
from factneurons.multilingual.plan import ByLanguage, Plan, plan_of
from factneurons.multilingual.settings import LanguageSettings
from factneurons.multilingual.tables import JOINED, LANGUAGE_EFFECTS
from factneurons.multilingual.types import LANGUAGE_MISSING, REASONS, JoinedFact, LanguageIndependent, fact_in_all
from factneurons.runs.commits import Skip
from factneurons.runs.drive import Batch, Summary, drive
from factneurons.runs.reading import joined_sets
from factneurons.runs.store import Run
from factneurons.stages.locate import Data, open_stage, told_what_is_kept
from factneurons.stages.located import BATCH, RunFacts
from factneurons.tables import rows_of

STAGE, TEST = "languages", "test_languages"
_TITLES = {STAGE: "joining languages", TEST: "testing neurons in every language"}

Work = Callable[[list[Fact]], Batch]


def run_languages(folder: Path, model: Model, settings: LanguageSettings, *, skip_bad: bool = False) -> Summary:
    """The stage `languages`: what the languages of every located fact share.

    All facts of the run are held in memory, with their neurons: the languages of one fact may stand far apart.

    Raises:
        BadRun: fewer than two languages, a language without facts, or ids that do not join.
    """
    located = Run.open(folder)
    run_facts = RunFacts(located, model, set())
    facts = by_fact(run_facts.all_known())
    try:
        plan = plan_of(facts, settings)
    except BadSetting as error:
        raise BadRun(f"{folder}: {error}") from error
    kept = {name: value for name, value in asdict(settings).items() if name != "seed"}
    kept |= {"languages": list(plan.languages), "cuts": dict(zip(plan.languages, plan.cuts, strict=True))}
    how = AttributionSettings(**located.manifest.stages["locate"].settings["attribution"])

    def find(fact: ByLanguage) -> LanguageIndependent:
        if settings.rule != "agnostic":
            return joined(fact, plan, settings, model.width)
        asked = {language: run_facts.with_queries(each) for language, each in fact.items()}
        return agnostic(model, asked, plan, settings, how)

    def work(batch: list[Fact]) -> Batch:
        found = [(fact, find(facts[fact.id])) for fact in batch]
        joined = [JoinedFact(fact, each, tuple(plan.cuts)) for fact, each in found if each.takes_part]
        return Batch(rows_of(JOINED, joined), [_skip(fact, each) for fact, each in found if not each.takes_part])

    return _stage(folder, model, STAGE, kept, settings.seed, _stream(facts, plan), work, len(facts), skip_bad)


def _stream(facts: Mapping[str, ByLanguage], plan: Plan) -> Iterator[Fact | Skip]:
    """Every fact once, in all its languages; one that lacks a language is left out."""
    for fact_id in sorted(facts):
        fact = facts[fact_id]
        missing = plan.missing(fact)
        if missing:
            first = next(iter(fact.values())).fact
            detail = f"{fact_id!r} was located in {', '.join(sorted(fact))}, not in {', '.join(missing)}"
            yield Skip(LANGUAGE_MISSING, detail, first.id, first.language, first.source, askable=True)
        else:
            yield fact_in_all([fact[language].fact for language in plan.languages])


def _skip(fact: Fact, found: LanguageIndependent) -> Skip:
    return Skip.of(fact, found.reason, f"{fact.id!r}: {REASONS[found.reason]}", askable=True)


def run_test_languages(
    folder: Path, model: Model, settings: InterventionSettings, *, skip_bad: bool = False
) -> Summary:
    """The stage `test_languages`: every set, suppressed and enhanced while the fact is asked in every language."""
    run = Run.open(folder)
    sets = joined_sets(run)
    facts = RunFacts(run, model, run.done(TEST) if TEST in run.manifest.stages else set())
    languages = run.manifest.stages[STAGE].settings["languages"]
    pool = facts.pool()

    def measured(fact: Fact) -> Iterator[Measurement]:
        asked = Asked(fact, facts.take(fact).queries)
        for language, neurons in sets[fact.id].items():
            if neurons:
                name = "language" if language else "shared"
                for each in intervene(model, asked, neurons, name, pool, settings):
                    yield replace(each, neurons_of=language)

    def work(batch: list[Fact]) -> Batch:
        found = {fact.key: list(measured(fact)) for fact in batch}
        nothing = [fact for fact in batch if not found[fact.key]]
        skips = [Skip.of(fact, "no-neurons", "no language has neurons for it", askable=True) for fact in nothing]
        return Batch(rows_of([LANGUAGE_EFFECTS], [each for own in found.values() for each in own]), skips)

    stream = (fact for fact in facts if fact.id in sets and fact.language in languages)
    kept = {key: value for key, value in asdict(settings).items() if key != "seed"}
    total = len(sets) * len(languages)
    return _stage(folder, model, TEST, kept, settings.seed, stream, work, total, skip_bad)


def _stage(
    folder: Path,
    model: Model,
    stage: str,
    settings: Mapping[str, Any],
    seed: int,
    stream: Iterable[Fact | Skip],
    work: Work,
    total: int,
    skip_bad: bool,
) -> Summary:
    located = Run.open(folder)
    data = Data(str(located.manifest.data["spec"]), str(located.manifest.data["sha256"]))
    with (
        open_stage(folder, stage, settings, seed, model, data) as run,
        told_what_is_kept(run, stage),
        StageProgress(_TITLES[stage]) as progress,
    ):
        return drive(run, stage, stream, work, batch_size=BATCH, skip_bad=skip_bad, progress=progress, total=total)

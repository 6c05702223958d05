"""`run_languages`: what the languages of a run's facts share, and what it does in each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from factneurons.attribution.effects import Asked, intervene
from factneurons.attribution.settings import AttributionSettings, InterventionSettings
from factneurons.attribution.types import Measurement
from factneurons.errors import BadRun, BadSetting
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.multilingual.agnostic import agnostic
from factneurons.multilingual.join import by_fact, joined
from factneurons.multilingual.plan import ByLanguage, plan_of
from factneurons.multilingual.plan import Plan as JoiningPlan
from factneurons.multilingual.settings import LanguageSettings
from factneurons.multilingual.tables import JOINED, LANGUAGE_EFFECTS
from factneurons.multilingual.types import LANGUAGE_MISSING, REASONS, LanguageIndependent, fact_in_all
from factneurons.runs.drive import Batch, Work
from factneurons.runs.reading import joined_sets
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run
from factneurons.settings import split_options, with_options
from factneurons.stages.display import Display, Shown, display_of
from factneurons.stages.located import RunFacts, opened
from factneurons.stages.stage import Data, Plan, Stage, drive_stage
from factneurons.tables import rows_of

LANGUAGES = Stage("languages", "joining languages", ("languages", "language_neurons"))
TEST_LANGUAGES = Stage(
    "test_languages", "testing neurons in every language", ("language_effects",), ("locate", "languages")
)


def run_languages(
    run: Run | Path | str,
    model: Model | str | None = None,
    *,
    settings: LanguageSettings | None = None,
    tests: InterventionSettings | None = None,
    skip_bad: bool = False,
    progress: Shown = None,
    **options: object,
) -> Run:
    """Find the language-independent neurons of a run's facts, test them in every language, and keep it in the run.

    What was done before is not done again, and what was stopped goes on. The same as `factneurons languages`.

    Args:
        run: a run that holds the same facts, by their ids, in two or more languages; or its folder.
        model: the model, or where it is now; None: where it was.
        settings: how the languages are joined.
        tests: how the neurons are tested against random ones.
        skip_bad: leave out facts that fail, count them, and go on.
        progress: who shows what goes on: a Display, a callable for lines of text, or None.
        **options: fields of the two records by name, for instance `rule="union", draws=5`.

    Returns:
        the run: `table("languages")`, `table("language_neurons")`, `table("language_effects")`.

    Raises:
        BadRun: fewer than two languages, a language without facts, or ids that do not join.
        BadSetting: an unknown option or an impossible value.
    """
    own = split_options(options, LanguageSettings, InterventionSettings)
    joining = with_options(LanguageSettings, settings, own[LanguageSettings])
    test = with_options(InterventionSettings, tests, own[InterventionSettings])
    display = display_of(progress)
    located, found = opened(run, model, display)
    done = join_languages(located, found, joining, skip_bad=skip_bad, display=display)
    return test_languages(done, found, test, skip_bad=skip_bad, display=display)


def join_languages(run: Run, model: Model, settings: LanguageSettings, *, skip_bad: bool, display: Display) -> Run:
    """The stage `languages`: what the languages of every located fact share.

    All facts of the run are held in memory, with their neurons: the languages of one fact may stand far apart.
    """
    run_facts = RunFacts(run, model)
    facts = by_fact(run_facts.all_known())
    try:
        chosen = plan_of(facts, settings)
    except BadSetting as error:
        raise BadRun(f"{run.folder}: {error}") from error
    located_by = run.manifest.stages["locate"].settings["attribution"]
    if settings.rule == "agnostic":
        AttributionSettings(**located_by)  # refuses, before anything is done, neurons that were given without scores

    def find(fact: ByLanguage) -> LanguageIndependent:
        if settings.rule != "agnostic":
            return joined(fact, chosen, settings, model.backbone.widths)
        asked = {language: run_facts.with_queries(each) for language, each in fact.items()}
        return agnostic(model, asked, chosen, settings, AttributionSettings(**located_by))

    def work(batch: list[Fact]) -> Batch:
        found = [(fact, find(facts[fact.id])) for fact in batch]
        return Batch(
            rows_of(JOINED, [each for _, each in found]),
            [_skip(fact, each) for fact, each in found if not each.takes_part],
        )

    cuts = dict(zip(chosen.languages, chosen.cuts, strict=True))
    done = drive_stage(
        LANGUAGES,
        run,
        model,
        Data.of(run),
        lambda run: Plan(_stream(facts, chosen), work, len(facts)),
        settings=asdict(settings) | {"languages": list(chosen.languages), "cuts": cuts},
        seed=settings.seed,
        skip_bad=skip_bad,
        display=display,
    )
    display.finished(LANGUAGES.name, done)
    return done


def _stream(facts: Mapping[str, ByLanguage], chosen: JoiningPlan) -> Iterator[Fact | Skip]:
    """Every fact once, in all its languages; one that lacks a language is left out."""
    for fact_id in sorted(facts):
        fact = facts[fact_id]
        missing = chosen.missing(fact)
        if missing:
            first = next(iter(fact.values())).fact
            detail = f"{fact_id!r} was located in {', '.join(sorted(fact))}, not in {', '.join(missing)}"
            yield Skip(LANGUAGE_MISSING, detail, first.id, first.language, first.source, askable=True)
        else:
            yield fact_in_all([fact[language].fact for language in chosen.languages])


def _skip(fact: Fact, found: LanguageIndependent) -> Skip:
    return Skip.of(fact, found.reason, f"{fact.id!r}: {REASONS[found.reason]}", askable=True)


def test_languages(run: Run, model: Model, settings: InterventionSettings, *, skip_bad: bool, display: Display) -> Run:
    """The stage `test_languages`: every set, suppressed and enhanced while the fact is asked in every language."""
    sets = joined_sets(run)
    languages = run.manifest.stages[LANGUAGES.name].settings["languages"]

    def plan(run: Run) -> Plan:
        facts = RunFacts(run, model, run.done(TEST_LANGUAGES.name))
        stream = (fact for fact in facts if fact.id in sets and fact.language in languages)
        return Plan(stream, _test_work(model, facts, sets, settings), len(sets) * len(languages))

    tested = drive_stage(
        TEST_LANGUAGES,
        run,
        model,
        Data.of(run),
        plan,
        settings=settings,
        seed=settings.seed,
        skip_bad=skip_bad,
        display=display,
    )
    display.finished(TEST_LANGUAGES.name, tested)
    return tested


def _test_work(
    model: Model, facts: RunFacts, sets: Mapping[str, Mapping[str, list[Neuron]]], settings: InterventionSettings
) -> Work:
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

    return work

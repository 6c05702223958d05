"""`run`: the whole main job, one stage after the other; each goes on where it was stopped."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from factneurons.attribution.settings import AttributionSettings, InterventionSettings, SelectionSettings
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.facts.types import Fact
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.multilingual.settings import LanguageSettings
from factneurons.report.page import run_report
from factneurons.runs.store import Run
from factneurons.settings import split_options, with_options
from factneurons.stages.degenerate import run_degenerate
from factneurons.stages.display import Shown
from factneurons.stages.languages import run_languages
from factneurons.stages.locate import run_locate


def run(
    model: Model | str | os.PathLike[str],
    facts: str | Path | Iterable[Fact],
    out: Path | str,
    *,
    multi_mask: bool = False,
    limit: int | None = None,
    revision: str | None = None,
    skip_bad: bool = False,
    progress: Shown = None,
    **options: object,
) -> Run:
    """Do everything: locate and test, look for degenerate neurons and test them, join languages, write the report.

    Languages are joined where some fact was located in several. What was done before is not done again, and what was
    stopped goes on. The same as `factneurons run`.

    Args:
        model: a model, or the name or folder of one.
        facts: facts, or where they are, as `load_facts` takes it.
        out: the run's folder; a new one, or that of a run made with the same settings.
        multi_mask: cloze models: ask for an answer of several tokens with as many masks.
        limit: only the first so many facts; a later call may go further.
        revision: of a model of the hub; kept, so that later stages find the same one.
        skip_bad: leave out bad records and facts that fail, count them, and go on.
        progress: who shows what goes on: a Display, a callable for lines of text, or None.
        **options: fields of the records of all stages by name, for instance `method="dai", draws=5`; a field that
            several stages have goes to each.

    Returns:
        the run; its page is report.html in the run's folder.

    Raises:
        BadRun: the folder is another run's or no run's, or no fact could be asked.
        BadSetting: an unknown option or an impossible value, before anything is done.
        FactneuronsError: a bad record or fact; what came before it is kept.
    """
    records = (AttributionSettings, SelectionSettings, InterventionSettings, DegeneracySettings, LanguageSettings)
    own = split_options(options, *records)
    how = with_options(AttributionSettings, None, own[AttributionSettings])
    choice = with_options(SelectionSettings, None, own[SelectionSettings])
    tests = with_options(InterventionSettings, None, own[InterventionSettings])
    search = with_options(DegeneracySettings, None, own[DegeneracySettings])
    joining = with_options(LanguageSettings, None, own[LanguageSettings])
    Run.check_folder(out)
    asked = model if isinstance(model, Model) else load_model(model, revision=revision)
    made = run_locate(
        asked,
        facts,
        out,
        settings=how,
        selection=choice,
        tests=tests,
        multi_mask=multi_mask,
        limit=limit,
        revision=revision,
        skip_bad=skip_bad,
        progress=progress,
    )
    made = run_degenerate(made, asked, settings=search, tests=tests, skip_bad=skip_bad, progress=progress)
    if in_several_languages(made):
        made = run_languages(made, asked, settings=joining, tests=tests, skip_bad=skip_bad, progress=progress)
    run_report(made)
    return made


def in_several_languages(run: Run) -> bool:
    """Whether some fact was located in several languages."""
    seen: dict[str, str] = {}
    return any(seen.setdefault(row["fact_id"], row["language"]) != row["language"] for row in run.rows("facts"))

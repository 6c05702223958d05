"""`test_neurons`: neurons found elsewhere, tested as our own are, kept in a run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from factneurons.attribution.given import GIVEN, GivenNeurons, given_batch
from factneurons.attribution.settings import AttributionSettings, InterventionSettings
from factneurons.attribution.types import Located
from factneurons.errors import BadFact
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run
from factneurons.settings import with_options
from factneurons.stages import test_neurons as tests_of_runs
from factneurons.stages.display import Shown, display_of
from factneurons.stages.locate import keep_located, skip_of


def test_neurons(
    model: Model | str | os.PathLike[str],
    facts: str | Path | Iterable[Fact],
    neurons: str | Path | Mapping[str, Iterable[tuple[int, int]]],
    out: Path | str,
    *,
    tests: InterventionSettings | None = None,
    multi_mask: bool = False,
    limit: int | None = None,
    revision: str | None = None,
    skip_bad: bool = False,
    progress: Shown = None,
    **options: object,
) -> Run:
    """Test neurons that another tool found against random ones, and keep all of it in a run.

    The run is like one of `run_locate`, its method is called "given", and a neuron's score is what P(answer) loses
    without it alone; `run_degenerate` and `run_report` go on with it. The same as `factneurons test`.

    Args:
        model: a model, or the name or folder of one.
        facts: facts, or where they are, as `load_facts` takes it.
        neurons: a file (`attribution/given.py` says which), or a fact's id -> its neurons.
        out: the run's folder; a new one, or that of a run made with the same neurons.
        tests: how they are tested against random ones.
        multi_mask: cloze models: ask for an answer of several tokens with as many masks.
        limit: only the first so many facts; a later call may go further.
        revision: of a model of the hub; kept, so that later stages find the same one.
        skip_bad: leave out bad records and facts that fail, count them, and go on.
        progress: who shows what goes on: a Display, a callable for lines of text, or None.
        **options: fields of `tests` by name, for instance `draws=5`.

    Raises:
        BadFact: the file cannot be read, holds nothing, or none of its facts is among these.
        BadSetting: it is of another model (says the sizes), or an unknown option.
        BadRun: the folder is another run's or no run's, or no fact could be asked.
    """
    test = with_options(InterventionSettings, tests, options)
    display = display_of(progress)
    given = _given(neurons)
    skips: list[Skip] = []
    source = load_facts(facts, skip_bad=skip_bad, on_skip=lambda left_out: skips.append(skip_of(left_out)), limit=limit)
    again = load_facts(source, skip_bad=skip_bad, limit=limit)
    of_facts = given.of_facts(again)
    if given.by_place and sum(again.skipped.values()):
        raise BadFact(f"{given.source}: it names no facts, and records of {source.spec} are left out: which is whose?")
    Run.check_folder(out)
    asked = model if isinstance(model, Model) else load_model(model, revision=revision)
    given.check(asked)
    named = len(given.by_place or given.by_name)
    if len(of_facts) < named:
        display.note(
            f"note: {len(of_facts)} of the {named} facts of {given.source} are tested, the others are not here"
        )

    def search(batch: list[Fact]) -> list[Located]:
        return given_batch(asked, batch, of_facts, multi_mask=multi_mask)

    kept = {
        "attribution": asdict(AttributionSettings()) | {"method": GIVEN},
        "selection": {"neurons": _hash(of_facts)},
        "multi_mask": multi_mask,
        "revision": revision,
    }
    located = keep_located(
        search, asked, source, skips, Path(out), settings=kept, limit=limit, skip_bad=skip_bad, display=display
    )
    return tests_of_runs.test_neurons(located, asked, "knowledge", test, skip_bad=skip_bad, display=display)


def _given(neurons: str | Path | Mapping[str, Iterable[tuple[int, int]]]) -> GivenNeurons:
    if not isinstance(neurons, Mapping):
        return GivenNeurons.read(neurons)
    own = {(name, ""): tuple(dict.fromkeys(Neuron(*each) for each in found)) for name, found in neurons.items()}
    if not any(own.values()):
        raise BadFact("there are no neurons to test")
    return GivenNeurons("neurons", own)


def _hash(of_facts: Mapping[str, tuple[Neuron, ...]]) -> str:
    """What tells one set of given neurons from another."""
    text = repr(sorted((key, sorted(map(tuple, own))) for key, own in of_facts.items()))
    return hashlib.sha256(text.encode()).hexdigest()

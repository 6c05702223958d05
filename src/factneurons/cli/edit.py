"""`factneurons edit`: change one fact through its neurons, and see what else it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from factneurons.cli import show
from factneurons.cli.options import (
    FACTS_HELP,
    MODEL_HELP,
    Device,
    DeviceMap,
    Dtype,
    Fields,
    RemoteCode,
    Revision,
    settings_as_options,
)
from factneurons.editing.build import drawn
from factneurons.editing.evaluation import check_answers, effects_of, evaluate_edit
from factneurons.editing.kinds import KINDS, kind_named
from factneurons.editing.settings import EditSettings
from factneurons.editing.storage import DELTA, DESCRIPTION
from factneurons.errors import BadSetting
from factneurons.facts.related import RelatedFacts
from factneurons.facts.source import load_facts
from factneurons.facts.types import BLANK, Fact, Prompt
from factneurons.models.load import load_model
from factneurons.models.types import Neuron
from factneurons.report.sections.edits import PAGE, write_edit_page
from factneurons.runs.files import disk_errors_in_one_line

MEASUREMENTS = "measurements.csv"
MODEL = "model"

_KINDS = "; ".join(f"{kind.name}: {kind.summary}" for kind in KINDS.values())


_FIELDS = Fields("method neurons languages shared by most_shared margin kept multi_mask draws dry_run save_model seed")


@settings_as_options
def edit(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)],
    *,
    fact: Annotated[
        str,
        typer.Option(help=f"A fact's id, one of its prompts with {BLANK}, or (erase-relation) a relation's name."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the edit goes; with --dry-run nothing is written.")
    ],
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ANSWER",
            help="The new answer; of another language as zh=ANSWER. Default there: as facts with that answer have it.",
        ),
    ] = None,
    facts: Annotated[
        str, typer.Option(metavar="FACTS", help=f"Where the fact is, and what is asked beside it. {FACTS_HELP}")
    ] = "bundled?reverse=yes",
    answer: Annotated[
        str | None, typer.Option(help="The answer as it is now, for a prompt that is none of FACTS.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help=f"{_KINDS}. Default: least-change with a new answer, else suppress.")
    ] = None,
    settings: Annotated[EditSettings, _FIELDS],
    neurons: Annotated[
        str | None, typer.Option(help="The neurons to change, as LAYER.INDEX with commas. Default: they are found.")
    ] = None,
    languages: Annotated[
        str | None, typer.Option(help="The languages to edit, with commas. Default: the first the fact is in.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Several languages: only the neurons that all of them have.")
    ] = False,
    by: Annotated[
        str, typer.Option(help="What is measured: weights, or values (changed only where the answer is asked for).")
    ] = "weights",
    draws: Annotated[int, typer.Option(help="Random neuron sets that go through the same edit.")] = 5,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing.")] = False,
    save_model: Annotated[
        bool, typer.Option("--save-model", help=f"Write the edited model too, into FOLDER/{MODEL}.")
    ] = False,
    dtype: Dtype = "float32",
    device: Device = None,
    device_map: DeviceMap = None,
    revision: Revision = None,
    trust_remote_code: RemoteCode = False,
) -> None:
    """Change a fact through the out-weights of its neurons, and measure what the change does.

    The edit is a few kilobytes: factneurons delta shows, applies, undoes and stacks edits. The model's own files stay
    as they are.
    """
    usual = "suppress" if not to else "least-change"
    settings = replace(settings, kind=kind or usual, join="shared" if shared else "all")
    _check_folder(out, dry_run, save_model)
    around = RelatedFacts(load_facts(facts))
    chosen = _relation(around, fact, settings) if kind_named(settings.kind).relation else None
    given = chosen or _fact(around, fact, answer, _names(languages))
    answers, own = _answers(around, given[0], to or ()), _neurons(neurons)
    check_answers(given, answers, settings.kind)
    loaded = load_model(
        model,
        dtype=dtype,
        device=device,
        device_map=device_map,
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    evaluation = evaluate_edit(loaded, given, around, settings, to=answers, neurons=own, draws=draws, by=by)
    effects = effects_of(evaluation.table)
    show.evaluated(evaluation, effects)
    if dry_run:
        show.dry_run(out)
        return
    with disk_errors_in_one_line(out):
        evaluation.edit.save(out)
        evaluation.table.to_csv(out / MEASUREMENTS, index=False)
        write_edit_page(out / PAGE, evaluation, effects)
        saved = evaluation.edit.save_model(loaded, out / MODEL) if save_model else None
    show.written(out, out / PAGE, loaded.name, saved)


def _check_folder(out: Path, dry_run: bool, save_model: bool) -> None:
    names = [DELTA, DESCRIPTION, *([MODEL] if save_model else [])]
    there = next((out / name for name in names if (out / name).exists()), None)
    if there is not None and not dry_run:
        raise BadSetting(f"{there} exists already: choose another --out")


def _names(languages: str | None) -> tuple[str, ...]:
    return () if languages is None else tuple(name.strip() for name in languages.split(","))


def _fact(around: RelatedFacts, text: str, answer: str | None, languages: Sequence[str]) -> tuple[Fact, ...]:
    """The fact with that id or prompt, in every language that is edited."""
    found = [fact for fact in around.facts if fact.id == text]
    found = found or [fact for fact in around.facts if any(prompt.text == text for prompt in fact.prompts)]
    if not found:
        return _own(around, text, answer, languages)
    if answer is not None:
        raise BadSetting(f"--answer is for prompts that are in no fact; this one is {found[0].id}: {found[0].answer}")
    here = around.languages(found[0])
    missing = [language for language in languages if language not in here]
    if missing:
        raise BadSetting(f"{found[0].id} is not there in {', '.join(missing)}; it is in {', '.join(here)}")
    return tuple(here[language] for language in languages or (found[0].language,))


def _own(around: RelatedFacts, text: str, answer: str | None, languages: Sequence[str]) -> tuple[Fact, ...]:
    """A fact of one prompt that is none of the facts."""
    if BLANK not in text:
        close = get_close_matches(text, [fact.id for fact in around.facts], n=3, cutoff=0.4)
        hint = f"; near it: {', '.join(close)}" if close else ""
        raise BadSetting(f"there is no fact {text!r}{hint} (or give a prompt with {BLANK} and --answer)")
    if answer is None:
        raise BadSetting(f"no fact has the prompt {text!r}: say its answer as it is now with --answer")
    if len(languages) > 1:
        raise BadSetting("a prompt that is in no fact is in one language: --languages names several")
    prompt = Prompt.parse(text)
    subject = prompt.left.strip() or prompt.right.strip()
    return (Fact("prompt", "prompt", subject, answer, (*languages, "en")[0], (prompt,)),)


def _relation(around: RelatedFacts, name: str, settings: EditSettings) -> tuple[Fact, ...]:
    """Facts of a relation, in the first language it is in."""
    own = [fact for fact in around.facts if fact.relation == name]
    if not own:
        relations = sorted({fact.relation for fact in around.facts})
        raise BadSetting(f"--fact: there is no relation {name!r}; there are: {', '.join(relations)}")
    return tuple(drawn((fact for fact in own if fact.language == own[0].language), settings.seed))[
        : settings.relation_facts
    ]


def _answers(around: RelatedFacts, fact: Fact, given: Sequence[str]) -> dict[str, str]:
    """Language -> new answer, wherever it is known."""
    answers: dict[str, str] = {}
    known = {other.language for other in around.facts} | {fact.language}
    for text in given:
        language, mark, rest = text.partition("=")
        own, new = (language.strip(), rest) if mark and language.strip() in known else (fact.language, text)
        if own in answers:
            raise BadSetting(f"--to: there are two new answers in {own}: {answers[own]!r} and {new!r}")
        answers[own] = new.strip()
    if fact.language in answers:
        answers = around.translated(fact, answers[fact.language]) | answers
    return answers


def _neurons(text: str | None) -> tuple[Neuron, ...] | None:
    """(Neuron(2, 17), Neuron(3, 5)) of "2.17,3.5"."""
    if text is None:
        return None
    found = []
    for part in text.split(","):
        layer, _, index = part.strip().partition(".")
        if not layer.isdecimal() or not index.isdecimal():
            raise BadSetting(f"--neurons: {part.strip()!r} is not of the form LAYER.INDEX, for instance 2.17,3.5")
        found.append(Neuron(int(layer), int(index)))
    return tuple(found)

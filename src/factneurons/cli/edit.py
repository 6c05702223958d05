"""`factneurons edit`: change one fact through its neurons, and see what else it does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.options import (
    FACTS_HELP,
    MODEL_HELP,
    Fields,
    Loading,
    settings_as_options,
)
from factneurons.errors import BadSetting
from factneurons.report.sections.edits import PAGE, write_edit_page
from factneurons.runs.files import disk_errors_in_one_line

EXAMPLES: dict[str, tuple[str, ...]] = {
    "edit": (
        "factneurons edit pocket-gpt2 --fact capital/spain --to Paris --out edits/spain",
        "factneurons edit pocket-gpt2 --fact capital/spain --to Paris --languages en,zh --out edits/both --dry-run",
    ),
}

MEASUREMENTS = "measurements.csv"
MODEL = "model"

_KINDS = "; ".join(f"{kind.name}: {kind.summary}" for kind in fn.EDIT_KINDS.values())


_FIELDS = Fields("method neurons languages shared by most_shared margin kept multi_mask draws dry_run save_model seed")


EditedModel = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP)]
FactName = Annotated[
    str,
    typer.Option(help=f"A fact's id, one of its prompts with {fn.BLANK}, or (erase-relation) a relation's name."),
]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the edit goes; with --dry-run nothing is written.")]
To = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ANSWER",
        help="The new answer; of another language as zh=ANSWER. Default there: as facts with that answer have it.",
    ),
]
Facts = Annotated[
    str, typer.Option(metavar="FACTS", help=f"Where the fact is, and what is asked beside it. {FACTS_HELP}")
]
Answer = Annotated[str | None, typer.Option(help="The answer as it is now, for a prompt that is none of FACTS.")]
KindName = Annotated[
    str | None, typer.Option(help=f"{_KINDS}. Default: least-change with a new answer, else suppress.")
]
Neurons = Annotated[
    str | None, typer.Option(help="The neurons to change, as LAYER.INDEX with commas. Default: they are found.")
]
Languages = Annotated[
    str | None, typer.Option(help="The languages to edit, with commas. Default: the first the fact is in.")
]
Shared = Annotated[bool, typer.Option("--shared", help="Several languages: only the neurons that all of them have.")]
By = Annotated[
    str, typer.Option(help="What is measured: weights, or values (changed only where the answer is asked for).")
]
Draws = Annotated[int, typer.Option(help="Random neuron sets that go through the same edit.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing.")]
SaveModel = Annotated[bool, typer.Option("--save-model", help=f"Write the edited model too, into FOLDER/{MODEL}.")]


@settings_as_options
def edit(
    model: EditedModel,
    *,
    fact: FactName,
    out: Out,
    to: To = None,
    facts: Facts = "bundled?reverse=yes",
    answer: Answer = None,
    kind: KindName = None,
    settings: Annotated[fn.EditSettings, _FIELDS],
    neurons: Neurons = None,
    languages: Languages = None,
    shared: Shared = False,
    by: By = "weights",
    draws: Draws = 5,
    dry_run: DryRun = False,
    save_model: SaveModel = False,
    loading: Annotated[Loading, Fields("dtype device device_map revision trust_remote_code allow_pickle chat")],
) -> None:
    """Change a fact through the out-weights of its neurons, and measure what the change does.

    The edit is a few kilobytes: factneurons delta shows, applies, undoes and stacks edits. The model's own files stay
    as they are.
    """
    usual = "suppress" if not to else "least-change"
    settings = replace(settings, kind=kind or usual, join="shared" if shared else "all")
    if not dry_run:
        check_folder(out, save_model)
    around = fn.RelatedFacts(fn.load_facts(facts))
    given = fn.facts_to_edit(around, fact, settings, answer=answer, languages=_names(languages))
    answers, own = fn.answers_by_language(around, given[0], to or ()), neurons_of(neurons)
    fn.check_answers(given, answers, settings.kind)
    loaded = loading.model(model)
    evaluation = fn.evaluate_edit(loaded, given, around, settings, to=answers, neurons=own, draws=draws, by=by)
    effects = fn.effects_of(evaluation.table)
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


def check_folder(out: Path, save_model: bool) -> None:
    """Refuse a folder that holds what would be written."""
    names = [*fn.EDIT_FILES, *([MODEL] if save_model else [])]
    there = next((out / name for name in names if (out / name).exists()), None)
    if there is not None:
        raise BadSetting(f"{there} exists already: choose another --out")


def _names(languages: str | None) -> tuple[str, ...]:
    return () if languages is None else tuple(name.strip() for name in languages.split(","))


def neurons_of(text: str | None) -> tuple[fn.Neuron, ...] | None:
    """(Neuron(2, 17), Neuron(3, 5)) of "2.17,3.5"."""
    if text is None:
        return None
    found = []
    for part in text.split(","):
        layer, _, index = part.strip().partition(".")
        if not layer.isdecimal() or not index.isdecimal():
            raise BadSetting(f"--neurons: {part.strip()!r} is not of the form LAYER.INDEX, for instance 2.17,3.5")
        found.append(fn.Neuron(int(layer), int(index)))
    return tuple(found)

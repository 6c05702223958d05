"""`factneurons finetune`: let a few neurons, or the whole model, learn facts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import factneurons as fn
from factneurons.cli import show
from factneurons.cli.console import tell
from factneurons.cli.edit import MODEL, EditedModel, Neurons, SaveModel, check_folder, neurons_of
from factneurons.cli.options import (
    FactsSpec,
    Fields,
    Limit,
    Loading,
    settings_as_options,
)
from factneurons.errors import BadRun, BadSetting
from factneurons.runs.counts import counted
from factneurons.runs.files import disk_errors_in_one_line
from factneurons.runs.reading import degenerate_neurons_of, located_facts
from factneurons.runs.store import Run

EXAMPLES: dict[str, tuple[str, ...]] = {
    "finetune": (
        "factneurons finetune pocket-gpt2 --facts 'bundled?relation=capital&lang=en&sample=20' --counterfactual "
        "--out edits/capitals",
        "factneurons finetune pocket-gpt2 --facts new.jsonl --run runs/capital --out edits/new",
    ),
}

CHECKPOINT = "checkpoint"

_FIELDS = Fields("target epochs batch learning_rate parts held_out multi_mask seed")

Out = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="Where the edit goes; a fine-tuning that was stopped goes on from it."),
]
RunName = Annotated[
    Path | None, typer.Option("--run", metavar="RUN", help="Fine-tune the knowledge neurons of this run's facts.")
]
Degenerate = Annotated[bool, typer.Option("--degenerate", help="Of the run only the neurons of degenerate components.")]
WholeModel = Annotated[bool, typer.Option("--whole-model", help="Fine-tune every parameter of the model.")]
Method = Annotated[str, typer.Option(help="Without neurons, run or whole model: what finds the facts' own neurons.")]
Counterfactual = Annotated[
    bool, typer.Option("--counterfactual", help="Learn another answer of the relation instead of each fact's own.")
]


@settings_as_options
def finetune(
    model: EditedModel,
    *,
    facts: FactsSpec,
    out: Out,
    neurons: Neurons = None,
    run: RunName = None,
    degenerate: Degenerate = False,
    whole_model: WholeModel = False,
    method: Method = "amig",
    counterfactual: Counterfactual = False,
    limit: Limit = None,
    settings: Annotated[fn.FinetuneSettings, _FIELDS],
    save_model: SaveModel = False,
    loading: Annotated[Loading, Fields("dtype device revision trust_remote_code allow_pickle")],
) -> None:
    """Train only the in- and out-weights and biases of some neurons on facts; everything else keeps every bit.

    What is written is an edit: factneurons delta shows, applies, undoes and stacks it. The model's own files stay as
    they are. The answers are predicted, nothing else; training stops when enough prompts are answered rightly.
    """
    if sum([neurons is not None, run is not None, whole_model]) > 1:
        raise BadSetting("--neurons, --run and --whole-model exclude each other: give one of them, or none")
    if degenerate and run is None:
        raise BadSetting("--degenerate says which neurons of a run are meant: give --run RUN with it")
    check_folder(out, save_model)
    given = neurons_of(neurons) if run is None else _of_run(run, degenerate)
    asked = list(fn.load_facts(facts, limit=limit))
    loaded = loading.model(model)
    if given is None and not whole_model:
        located = fn.locate(loaded, asked, method=method, multi_mask=settings.multi_mask).located
        given = sorted({neuron for each in located if each.known is not None for neuron in each.known.neurons})
        if not given:
            raise BadSetting(f"{method} finds no neurons for these facts: give --neurons, --run or --whole-model")
    wanted = _counterfactual(asked, settings.seed) if counterfactual else asked
    edit = fn.finetune_neurons(loaded, given, wanted, settings, checkpoint=out / CHECKPOINT, report=tell)
    with disk_errors_in_one_line(out):
        edit.save(out)
        shutil.rmtree(out / CHECKPOINT)
        saved = edit.save_model(loaded, out / MODEL) if save_model else None
    show.described(edit)
    show.written(out, None, loaded.name, saved)


def _of_run(folder: Path, degenerate: bool) -> list[fn.Neuron]:
    run = Run.open(folder)
    if degenerate:
        found = {neuron for _, own in degenerate_neurons_of(run) for neuron in own}
    else:
        found = {each.neuron for _, _, own in located_facts(run) for each in own}
    if not found:
        which = "degenerate components (factneurons degenerate finds them)" if degenerate else "knowledge neurons"
        raise BadRun(f"{folder}: none of its facts has {which}, so there is nothing to fine-tune")
    return sorted(found)


def _counterfactual(facts: Sequence[fn.Fact], seed: int) -> list[fn.Fact]:
    around = fn.RelatedFacts(facts)
    found = [around.counterfactual(fact, seed) for fact in facts]
    kept = [fact for fact in found if fact is not None]
    if len(kept) < len(facts):
        tell(f"note: {counted(len(facts) - len(kept), 'fact')} left out: no other answer of the relation")
    return kept

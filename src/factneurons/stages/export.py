"""`export_neurons`: the neurons of a run, or of facts in memory, written for another tool."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from factneurons.attribution.exported import NEURON_FORMATS, neurons_as
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.errors import BadFact, BadSetting
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.runs.files import disk_errors_in_one_line, replace_file
from factneurons.runs.store import Run
from factneurons.settings import check_choice
from factneurons.stages.located import known_of, model_of


def export_neurons(
    neurons: Run | str | os.PathLike[str] | KnowledgeNeurons | Iterable[KnowledgeNeurons],
    format: str,
    path: str | os.PathLike[str],
    *,
    model: Model | str | None = None,
) -> Path:
    """Write knowledge neurons as another tool takes them. The same as `factneurons export`.

    Args:
        neurons: a run or its folder, or the knowledge neurons of one fact or of many.
        format: a name of `NEURON_FORMATS`.
        path: the file; what is there is replaced. A name without the format's ending gets it.
        model: the model they were found in, or its name; of a run: None means where it was.

    Returns:
        The file.

    Raises:
        BadSetting: an unknown format, no model beside neurons in memory, or a model that no hooks can be written for.
        BadFact: no fact has a neuron.
        BadRun: no run, or the file cannot be written.
    """
    check_choice("format", format, NEURON_FORMATS)
    if isinstance(neurons, Run | str | os.PathLike):
        run = neurons if isinstance(neurons, Run) else Path(neurons)
        asked = model if isinstance(model, Model) else model_of(run, model)
        known = known_of(run, asked)
    else:
        known = [neurons] if isinstance(neurons, KnowledgeNeurons) else list(neurons)
        if model is None:
            raise BadSetting("model is None: neurons in memory need the model that they were found in")
        asked = model if isinstance(model, Model) else load_model(model)
    if not any(each.neurons for each in known):
        raise BadFact(f"none of the {len(known)} facts has a neuron to export")
    text = neurons_as(format, asked, known)
    suffix = NEURON_FORMATS[format].suffix
    file = Path(path) if Path(path).suffix == suffix else Path(f"{os.fspath(path)}{suffix}")
    with disk_errors_in_one_line(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, text.encode())
    return file

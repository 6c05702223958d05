"""Find the neurons in which a language model keeps a fact, which of them back each other up, and test both.

import factneurons as fn

model = fn.load_model("pocket-gpt2")
facts = fn.load_facts("bundled?relation=capital&lang=en")
known = fn.locate(model, facts, method="amig")
degenerate = fn.find_degenerate(model, known)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factneurons.attribution import (
        Attribution,
        AttributionSettings,
        KnowledgeNeurons,
        SelectionSettings,
        attribute,
        locate,
    )
    from factneurons.degeneracy import DegeneracySettings, DegenerateNeurons, degenerate_pairs, find_degenerate
    from factneurons.editing import Edit, EditSettings, edit, read_edit, save_edited, stacked, write_edit
    from factneurons.errors import FactneuronsError, NotAskable
    from factneurons.experiments import degenerate_or_redundant
    from factneurons.factcheck import FactChecker, Statement
    from factneurons.facts import Fact, Prompt, describe, load_facts, write_jsonl
    from factneurons.models import Model, Neuron, Query, load_model
    from factneurons.multilingual import (
        LanguageIndependent,
        LanguageSettings,
        consistency,
        language_agnostic,
        language_independent,
    )
    from factneurons.planted import PlantingSettings, Truth, plant, read_truth
    from factneurons.report import write_report
    from factneurons.runs import Run

__version__ = "0.1.0"

__all__ = [
    "Attribution",
    "AttributionSettings",
    "DegeneracySettings",
    "DegenerateNeurons",
    "Edit",
    "EditSettings",
    "Fact",
    "FactChecker",
    "FactneuronsError",
    "KnowledgeNeurons",
    "LanguageIndependent",
    "LanguageSettings",
    "Model",
    "Neuron",
    "NotAskable",
    "PlantingSettings",
    "Prompt",
    "Query",
    "Run",
    "SelectionSettings",
    "Statement",
    "Truth",
    "attribute",
    "consistency",
    "degenerate_or_redundant",
    "degenerate_pairs",
    "describe",
    "edit",
    "find_degenerate",
    "language_agnostic",
    "language_independent",
    "load_facts",
    "load_model",
    "locate",
    "plant",
    "read_edit",
    "read_truth",
    "save_edited",
    "stacked",
    "write_edit",
    "write_jsonl",
    "write_report",
]

_ROOMS = {
    "attribution": (
        "Attribution",
        "AttributionSettings",
        "KnowledgeNeurons",
        "SelectionSettings",
        "attribute",
        "locate",
    ),
    "degeneracy": ("DegeneracySettings", "DegenerateNeurons", "degenerate_pairs", "find_degenerate"),
    "editing": ("Edit", "EditSettings", "edit", "read_edit", "save_edited", "stacked", "write_edit"),
    "errors": ("FactneuronsError", "NotAskable"),
    "experiments": ("degenerate_or_redundant",),
    "factcheck": ("FactChecker", "Statement"),
    "facts": ("Fact", "Prompt", "describe", "load_facts", "write_jsonl"),
    "models": ("Model", "Neuron", "Query", "load_model"),
    "multilingual": (
        "LanguageIndependent",
        "LanguageSettings",
        "consistency",
        "language_agnostic",
        "language_independent",
    ),
    "planted": ("PlantingSettings", "Truth", "plant", "read_truth"),
    "pocket": (),
    "report": ("write_report",),
    "runs": ("Run",),
}
"""Where each name lives. A room is imported when something of it is first used: PyTorch takes seconds."""


def __getattr__(name: str) -> object:
    for room, names in _ROOMS.items():
        if name == room:
            return import_module(f"{__name__}.{room}")
        if name in names:
            value = globals()[name] = getattr(import_module(f"{__name__}.{room}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    own = (name for name in globals() if name.startswith("__"))
    return sorted({*own, *__all__, *_ROOMS})

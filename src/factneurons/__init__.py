"""Find the neurons in which a language model keeps a fact, which of them back each other up, and test both.

import factneurons as fn

model = fn.load_model("pocket-gpt2")
facts = fn.load_facts("bundled?relation=capital&lang=en")
known = fn.locate(model, facts)
degenerate = fn.find_degenerate(model, known)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factneurons.asking.ask import ask
    from factneurons.asking.describe import describe_neuron
    from factneurons.asking.types import Answered, NeuronDescription
    from factneurons.attribution.attribute import attribute
    from factneurons.attribution.exported import NEURON_FORMATS, NeuronFormat
    from factneurons.attribution.locate import KnowledgeNeuronTable, locate
    from factneurons.attribution.settings import AttributionSettings, InterventionSettings, SelectionSettings
    from factneurons.attribution.types import Attribution, KnowledgeNeurons
    from factneurons.degeneracy.carried import carried_facts
    from factneurons.degeneracy.find import find_degenerate
    from factneurons.degeneracy.pairs import degenerate_pairs
    from factneurons.degeneracy.settings import ComparisonSettings, DegeneracySettings, PairSettings
    from factneurons.degeneracy.tables import DegenerateNeuronTable, DegeneratePairTable
    from factneurons.degeneracy.types import DegenerateNeurons
    from factneurons.editing.build import edit
    from factneurons.editing.chosen import answers_by_language, facts_to_edit
    from factneurons.editing.evaluation import EditEffect, EditEvaluation, check_answers, effects_of, evaluate_edit
    from factneurons.editing.finetuning import finetune_neurons
    from factneurons.editing.kinds import EDIT_KINDS
    from factneurons.editing.settings import EditSettings, FinetuneSettings
    from factneurons.editing.storage import EDIT_FILES, StoredEdit, edits_in
    from factneurons.editing.types import Edit, stack_edits
    from factneurons.errors import FactneuronsError, NotAskable
    from factneurons.experiments.cells import SUITE_NAMES
    from factneurons.experiments.experiment import Experiment
    from factneurons.experiments.settings import ExperimentSettings
    from factneurons.experiments.study import Study
    from factneurons.experiments.suite import EXPERIMENTS
    from factneurons.experiments.verdicts import verdicts_of
    from factneurons.factcheck.checker import FactChecker, Verdict
    from factneurons.factcheck.conditions import CONDITIONS
    from factneurons.factcheck.parsing import ParsedLine, reason_in_words
    from factneurons.factcheck.settings import CONDITION_NAMES, CheckerSettings, CheckSettings
    from factneurons.factcheck.types import Statement
    from factneurons.facts.description import Description, describe
    from factneurons.facts.formats.registry import FORMATS, SUFFIXES
    from factneurons.facts.perturbing import Perturbed, perturb
    from factneurons.facts.related import RelatedFacts
    from factneurons.facts.settings import PerturbationSettings
    from factneurons.facts.source import load_facts
    from factneurons.facts.types import BLANK, Fact, Prompt
    from factneurons.facts.writing import write_jsonl
    from factneurons.models.bundled import POCKET_MODELS, pocket_path
    from factneurons.models.doctor import diagnose
    from factneurons.models.generation import generate
    from factneurons.models.load import load_model
    from factneurons.models.model import Model
    from factneurons.models.saving import save_model
    from factneurons.models.types import DTYPES, Neuron, Query
    from factneurons.multilingual.agnostic import language_agnostic
    from factneurons.multilingual.join import language_independent
    from factneurons.multilingual.paraphrases import consistency
    from factneurons.multilingual.settings import LanguageSettings
    from factneurons.multilingual.tables import ConsistencyTable, LanguageIndependentTable
    from factneurons.multilingual.types import LanguageIndependent
    from factneurons.planted.plant import Planted, plant
    from factneurons.planted.settings import MIX, MIXES, ORDERED, RANDOM_MODELS, PlantingSettings
    from factneurons.planted.truth import Truth
    from factneurons.planted.types import REGIMES
    from factneurons.pocket.training import train_pocket
    from factneurons.report.page import run_report
    from factneurons.report.reading import findings_of
    from factneurons.runs.status import RunStatus, run_status
    from factneurons.runs.store import Run, compact_run
    from factneurons.stages.check import Checked, run_check
    from factneurons.stages.degenerate import run_degenerate
    from factneurons.stages.display import Display
    from factneurons.stages.experiment import run_experiment
    from factneurons.stages.export import export_neurons
    from factneurons.stages.given import test_neurons
    from factneurons.stages.hub import push_to_hub
    from factneurons.stages.languages import run_languages
    from factneurons.stages.locate import run_locate
    from factneurons.stages.located import known_of, model_of
    from factneurons.stages.run import run
    from factneurons.stages.suite import Suite, run_suite
    from factneurons.stages.suite_plan import Estimate, PlannedCell, plan_suite
    from factneurons.stages.verify import verify_run
    from factneurons.tables import ResultTable

__version__ = "0.1.0"

__all__ = [
    "BLANK",
    "CONDITIONS",
    "CONDITION_NAMES",
    "DTYPES",
    "EDIT_FILES",
    "EDIT_KINDS",
    "EXPERIMENTS",
    "FORMATS",
    "MIX",
    "MIXES",
    "NEURON_FORMATS",
    "ORDERED",
    "POCKET_MODELS",
    "RANDOM_MODELS",
    "REGIMES",
    "SUFFIXES",
    "SUITE_NAMES",
    "Answered",
    "Attribution",
    "AttributionSettings",
    "CheckSettings",
    "Checked",
    "CheckerSettings",
    "ComparisonSettings",
    "ConsistencyTable",
    "DegeneracySettings",
    "DegenerateNeuronTable",
    "DegenerateNeurons",
    "DegeneratePairTable",
    "Description",
    "Display",
    "Edit",
    "EditEffect",
    "EditEvaluation",
    "EditSettings",
    "Estimate",
    "Experiment",
    "ExperimentSettings",
    "Fact",
    "FactChecker",
    "FactneuronsError",
    "FinetuneSettings",
    "InterventionSettings",
    "KnowledgeNeuronTable",
    "KnowledgeNeurons",
    "LanguageIndependent",
    "LanguageIndependentTable",
    "LanguageSettings",
    "Model",
    "Neuron",
    "NeuronDescription",
    "NeuronFormat",
    "NotAskable",
    "PairSettings",
    "ParsedLine",
    "PerturbationSettings",
    "Perturbed",
    "PlannedCell",
    "Planted",
    "PlantingSettings",
    "Prompt",
    "Query",
    "RelatedFacts",
    "ResultTable",
    "Run",
    "RunStatus",
    "SelectionSettings",
    "Statement",
    "StoredEdit",
    "Study",
    "Suite",
    "Truth",
    "Verdict",
    "answers_by_language",
    "ask",
    "attribute",
    "carried_facts",
    "check_answers",
    "compact_run",
    "consistency",
    "degenerate_pairs",
    "describe",
    "describe_neuron",
    "diagnose",
    "edit",
    "edits_in",
    "effects_of",
    "evaluate_edit",
    "export_neurons",
    "facts_to_edit",
    "find_degenerate",
    "findings_of",
    "finetune_neurons",
    "generate",
    "known_of",
    "language_agnostic",
    "language_independent",
    "load_facts",
    "load_model",
    "locate",
    "model_of",
    "perturb",
    "plan_suite",
    "plant",
    "pocket_path",
    "push_to_hub",
    "reason_in_words",
    "run",
    "run_check",
    "run_degenerate",
    "run_experiment",
    "run_languages",
    "run_locate",
    "run_report",
    "run_status",
    "run_suite",
    "save_model",
    "stack_edits",
    "test_neurons",
    "train_pocket",
    "verdicts_of",
    "verify_run",
    "write_jsonl",
]

_MODULES = {
    "asking.ask": ("ask",),
    "asking.describe": ("describe_neuron",),
    "asking.types": ("Answered", "NeuronDescription"),
    "attribution.exported": ("NEURON_FORMATS", "NeuronFormat"),
    "attribution.locate": ("KnowledgeNeuronTable", "locate"),
    "attribution.attribute": ("attribute",),
    "attribution.settings": ("AttributionSettings", "InterventionSettings", "SelectionSettings"),
    "attribution.types": ("Attribution", "KnowledgeNeurons"),
    "degeneracy.carried": ("carried_facts",),
    "degeneracy.find": ("find_degenerate",),
    "degeneracy.pairs": ("degenerate_pairs",),
    "degeneracy.settings": ("ComparisonSettings", "DegeneracySettings", "PairSettings"),
    "degeneracy.tables": ("DegenerateNeuronTable", "DegeneratePairTable"),
    "degeneracy.types": ("DegenerateNeurons",),
    "editing.build": ("edit",),
    "editing.chosen": ("answers_by_language", "facts_to_edit"),
    "editing.evaluation": ("EditEffect", "EditEvaluation", "check_answers", "effects_of", "evaluate_edit"),
    "editing.finetuning": ("finetune_neurons",),
    "editing.kinds": ("EDIT_KINDS",),
    "editing.settings": ("EditSettings", "FinetuneSettings"),
    "editing.storage": ("EDIT_FILES", "StoredEdit", "edits_in"),
    "editing.types": ("Edit", "stack_edits"),
    "errors": ("FactneuronsError", "NotAskable"),
    "experiments.cells": ("SUITE_NAMES",),
    "experiments.experiment": ("Experiment",),
    "experiments.settings": ("ExperimentSettings",),
    "experiments.study": ("Study",),
    "experiments.suite": ("EXPERIMENTS",),
    "experiments.verdicts": ("verdicts_of",),
    "factcheck.checker": ("FactChecker", "Verdict"),
    "factcheck.conditions": ("CONDITIONS",),
    "factcheck.parsing": ("ParsedLine", "reason_in_words"),
    "factcheck.settings": ("CONDITION_NAMES", "CheckSettings", "CheckerSettings"),
    "factcheck.types": ("Statement",),
    "facts.description": ("Description", "describe"),
    "facts.formats.registry": ("FORMATS", "SUFFIXES"),
    "facts.perturbing": ("Perturbed", "perturb"),
    "facts.related": ("RelatedFacts",),
    "facts.settings": ("PerturbationSettings",),
    "facts.source": ("load_facts",),
    "facts.types": ("BLANK", "Fact", "Prompt"),
    "facts.writing": ("write_jsonl",),
    "models.bundled": ("POCKET_MODELS", "pocket_path"),
    "models.doctor": ("diagnose",),
    "models.generation": ("generate",),
    "models.load": ("load_model",),
    "models.saving": ("save_model",),
    "models.model": ("Model",),
    "models.types": ("DTYPES", "Neuron", "Query"),
    "multilingual.agnostic": ("language_agnostic",),
    "multilingual.join": ("language_independent",),
    "multilingual.paraphrases": ("consistency",),
    "multilingual.settings": ("LanguageSettings",),
    "multilingual.tables": ("ConsistencyTable", "LanguageIndependentTable"),
    "multilingual.types": ("LanguageIndependent",),
    "planted.plant": ("Planted", "plant"),
    "planted.settings": ("MIX", "MIXES", "ORDERED", "PlantingSettings", "RANDOM_MODELS"),
    "planted.truth": ("Truth",),
    "planted.types": ("REGIMES",),
    "pocket.training": ("train_pocket",),
    "report.page": ("run_report",),
    "report.reading": ("findings_of",),
    "runs.status": ("RunStatus", "run_status"),
    "runs.store": ("Run", "compact_run"),
    "stages.check": ("Checked", "run_check"),
    "stages.degenerate": ("run_degenerate",),
    "stages.display": ("Display",),
    "stages.experiment": ("run_experiment",),
    "stages.export": ("export_neurons",),
    "stages.given": ("test_neurons",),
    "stages.hub": ("push_to_hub",),
    "stages.languages": ("run_languages",),
    "stages.locate": ("run_locate",),
    "stages.located": ("known_of", "model_of"),
    "stages.run": ("run",),
    "stages.suite": ("Suite", "run_suite"),
    "stages.suite_plan": ("Estimate", "PlannedCell", "plan_suite"),
    "stages.verify": ("verify_run",),
    "tables": ("ResultTable",),
}
"""Where each name lives. A module is imported when something of it is first used: PyTorch takes seconds."""


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    own = (name for name in globals() if name.startswith("__"))
    return sorted({*own, *__all__})

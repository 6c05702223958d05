"""Neurons that carry a fact in several languages, and how well a fact's paraphrases agree on its neurons."""

from factneurons.multilingual.agnostic import language_agnostic
from factneurons.multilingual.join import language_independent
from factneurons.multilingual.paraphrases import Consistency, FactConsistency, consistency, consistency_of
from factneurons.multilingual.settings import LanguageSettings
from factneurons.multilingual.types import LanguageIndependent

__all__ = [
    "Consistency",
    "FactConsistency",
    "LanguageIndependent",
    "LanguageSettings",
    "consistency",
    "consistency_of",
    "language_agnostic",
    "language_independent",
]

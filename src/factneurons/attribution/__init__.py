"""Which neurons carry a fact: integrated gradients inside each layer, and the choice of neurons by their scores."""

from factneurons.attribution.locate import KnowledgeNeuronTable, locate
from factneurons.attribution.methods import METHODS, attribute
from factneurons.attribution.quadrature import RULES
from factneurons.attribution.selection import SelectionSettings
from factneurons.attribution.settings import AttributionSettings
from factneurons.attribution.types import Attribution, KnowledgeNeurons

__all__ = [
    "METHODS",
    "RULES",
    "Attribution",
    "AttributionSettings",
    "KnowledgeNeuronTable",
    "KnowledgeNeurons",
    "SelectionSettings",
    "attribute",
    "locate",
]

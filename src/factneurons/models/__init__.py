"""Who is asked: Hugging Face models, their neurons, queries, probabilities and interventions."""

from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.types import Evaluation, Neuron, Query

__all__ = ["Evaluation", "Model", "Neuron", "Query", "load_model"]

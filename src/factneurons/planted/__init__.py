"""Models with facts put into chosen neurons: ground truth to judge every method by."""

from factneurons.planted.plant import Planted, plant
from factneurons.planted.settings import PlantingSettings
from factneurons.planted.truth import read_truth
from factneurons.planted.types import PlantedComponent, PlantedFact, Truth

__all__ = ["Planted", "PlantedComponent", "PlantedFact", "PlantingSettings", "Truth", "plant", "read_truth"]

"""What is measured over many facts: interventions, acquisition, redundancy, their random controls, and statistics."""

from factneurons.experiments.redundancy import degenerate_or_redundant

__all__ = ["degenerate_or_redundant"]

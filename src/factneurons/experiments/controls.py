"""Random neurons to compare with, as the rooms below draw them (`attribution.controls`)."""

from factneurons.attribution.controls import Strengths, matched_random, strengths

__all__ = ["Strengths", "matched_random", "strengths"]

"""Scores in the model's own precision, before they are rounded to float32 for keeping."""

import numpy as np
import pytest

from factneurons.attribution.methods import METHODS
from factneurons.attribution.settings import AttributionSettings
from factneurons.models.passes.capture import capture
from factneurons.models.query import placed


@pytest.fixture(scope="session")
def exact_scores():
    """exact_scores(model, query, **settings): float64 scores [layers, width], the mean over answer tokens."""

    def score(model, query, **options):
        settings = AttributionSettings(**options)
        query = placed(query, settings.positions)
        items = [(0, (token,)) for token in range(len(query.answer_ids))]
        captured = capture(model.backbone, [query], items, pre=settings.before_activation(model.kind))
        found = METHODS[settings.method].score(model, captured, items, settings)
        return np.stack([layer.double().mean(0).numpy() for layer in found.scores])

    return score


@pytest.fixture(scope="session")
def tolerance(family_row):
    """tolerance(family): what two ways of computing the same may differ by, relative to a layer's maximum."""
    return lambda family: 1e-10 if family_row[family].exact else 1e-5

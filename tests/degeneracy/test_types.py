"""What is read off the records: layers, persistence, the neurons of all components, the losses of a curve."""

from __future__ import annotations

import math
from typing import get_args

from factneurons.degeneracy.types import (
    STORAGE,
    AcquisitionCurve,
    AcquisitionPoint,
    Component,
    DegeneratePair,
    DegeneratePairs,
    StorageVerdict,
    union_of,
)
from factneurons.models.types import Neuron

A, B, C = Neuron(2, 0), Neuron(0, 5), Neuron(2, 7)


def test_a_component_has_layers_and_a_life():
    component = Component((A, B, C), 0.5, 2.0, 0.1, 0.2, math.nan)
    assert component.layers == (0, 2)
    assert component.persistence == 1.5


def test_neurons_of_many_groups_come_sorted_and_once():
    assert union_of([(A, B), (C, A)]) == (B, A, C)
    pairs = (DegeneratePair((A, B), (0.0, 0.0), 0.9, 1.0), DegeneratePair((A, C), (0.0, 0.0), 0.9, 1.0))
    assert DegeneratePairs(None, pairs, (), 0.9, 3, 0, "").neurons == (B, A, C)


def test_a_curve_knows_its_groups_and_losses():
    points = tuple(AcquisitionPoint(k, 1, drop) for k, drop in ((1, 0.0), (2, 0.2), (3, 0.9)))
    curve = AcquisitionCurve("components", 6, points)
    assert (curve.groups, curve.drop_all) == (3, 0.9)


def test_every_verdict_has_a_meaning():
    assert set(STORAGE) == set(get_args(StorageVerdict))

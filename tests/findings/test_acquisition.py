"""The acquisition table: numbers by hand from rows by hand, and a search with several clusterers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.tables import ACQUISITION
from factneurons.errors import BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.findings.acquisition import acquisition_by_clusterer, acquisition_summaries, summaries_frame
from factneurons.models.types import Neuron, Query


def points(fact, clusterer, which, drops, size):
    return [
        {"fact_id": fact, "language": "en", "clusterer": clusterer, "which": which, "groups": len(drops), "size": size,
         "k": k, "subsets": math.comb(len(drops), k), "mean_drop": drop}
        for k, drop in enumerate(drops, start=1)
    ]  # fmt: skip


def searched(*facts):
    return pd.DataFrame([{"fact_id": fact, "language": "en", "subject": f"subject of {fact}"} for fact in facts])


def test_numbers_by_hand():
    rows = [
        *points("a", "ntc", "components", [0.0, 0.1, 0.9], 6),
        *points("b", "ntc", "components", [0.1, 0.5], 6),
        *points("a", "ntc", "random for components", [0.3, 0.6, 0.9], 6),
        *points("a", "kmeans", "candidates", [0.2, 0.4], 4),
    ]
    summaries = acquisition_summaries(pd.DataFrame(rows), searched("a", "b", "c", "d"))
    assert [(each.clusterer, each.which) for each in summaries] == [
        ("kmeans", "candidates"),
        ("ntc", "components"),
        ("ntc", "random for components"),
    ]
    ntc = summaries[1]
    assert ntc.facts == 2
    assert ntc.share.estimate == 0.5
    assert ntc.proper.estimate == pytest.approx((0.05 + 0.1) / 2)  # 3 of one and 3 of two; 2 of one
    assert ntc.all.estimate == pytest.approx(0.7)
    assert ntc.jump.estimate == pytest.approx((0.85 + 0.4) / 2)
    assert ntc.index.estimate == pytest.approx(((1 - 0.1 / 0.9) + (1 - 0.1 / 0.5)) / 2)
    assert (ntc.groups.estimate, ntc.size.estimate) == (2.5, 2.5)
    assert ntc.proper.low <= ntc.proper.estimate <= ntc.proper.high
    assert summaries[0].jump.estimate == pytest.approx(0.2)


def test_subjects_are_resampled_together():
    rows = [point for fact in "abcd" for point in points(fact, "ntc", "components", [0.0, ord(fact) / 200], 4)]
    apart = searched(*"abcd")
    together = apart.assign(subject=["x", "x", "y", "y"])
    (free,), (bound,) = (acquisition_summaries(pd.DataFrame(rows), facts) for facts in (apart, together))
    assert (free.all.clusters, bound.all.clusters) == (4, 2)
    assert free.share.estimate == bound.share.estimate == 1


def test_a_loss_of_nothing_has_no_index():
    (summary,) = acquisition_summaries(pd.DataFrame(points("a", "ntc", "candidates", [0.0, 0.0], 4)), searched("a"))
    assert summary.index is None
    frame = summaries_frame([summary])
    assert frame["share"].tolist() == [1]
    assert {"proper", "proper_low", "proper_high", "jump", "clusterer", "index"} <= set(frame.columns)


def test_a_fact_that_was_not_searched_is_refused():
    with pytest.raises(BadSetting, match="'a' is not among those searched"):
        acquisition_summaries(pd.DataFrame(points("a", "ntc", "components", [0.0, 0.5], 4)), searched("b"))


def test_nothing_found_is_no_summary():
    empty = pd.DataFrame(columns=ACQUISITION.names)
    assert acquisition_summaries(empty, searched("a")) == []


class TwoGroups:
    """Neurons 0 to 5 of two layers; either half of them suffices, and they are connected within halves."""

    halves = tuple(frozenset(Neuron(place % 2, place) for place in range(first, first + 6)) for first in (0, 6))

    def vectors(self, neurons):
        return np.array([[0.1, *(2.0 * (neuron in half) for half in self.halves)] for neuron in neurons])

    def out_weights(self, neurons):
        return self.vectors(neurons)

    def in_weights(self, neurons):
        return self.vectors(neurons)[:, None]

    @property
    def backbone(self):
        return self

    def norm_gain(self, layer):
        return np.ones(3)

    def in_encoder(self, layer):
        return False

    width = 12

    def probabilities_with(self, queries, neuron_sets, factor=0.0):
        row = [0.9 if any(not half & set(s) for half in self.halves) else 0.09 for s in neuron_sets]
        return np.array([row] * len(queries))


@pytest.fixture
def known():
    prompt = Prompt("Foo is ___.")
    neurons = tuple(sorted(frozenset.union(*TwoGroups.halves)))
    fact = Fact("capital/foo", "capital", "Foo", "Bar", "en", (prompt,))
    query = Query(prompt, "Bar", (1, 2), (1,), (3,), (0,), ((0,),))
    return KnowledgeNeurons(fact, neurons, (1.0,) * 12, (1.0,) * 12, (query,), "amig", 0.3, False, 0.9, 1)


def test_clusterers_are_compared_on_the_same_facts(known):
    names = ("ntc", "ntc_authors")
    frame = acquisition_by_clusterer(TwoGroups(), [known], names, DegeneracySettings(tau1=0.5))
    assert list(frame.columns) == ACQUISITION.names
    assert set(frame["clusterer"]) <= set(names)
    components = frame[(frame["clusterer"] == "ntc") & (frame["which"] == "components")]
    assert components["mean_drop"].tolist() == pytest.approx([0, 0.9])
    assert components["size"].tolist() == [12, 12]
    random = frame[frame["which"] == "random for components"]
    assert random["mean_drop"].iloc[0] > 0.3
    table = ACQUISITION.to_arrow(frame.to_dict("records"))
    assert table.num_rows == len(frame)
    with pytest.raises(BadSetting, match="must be one of"):
        acquisition_by_clusterer(TwoGroups(), [known], ["no such"])

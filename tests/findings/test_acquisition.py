"""The acquisition table: numbers by hand from rows by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from factneurons.degeneracy.tables import ACQUISITION
from factneurons.errors import BadSetting
from factneurons.findings.acquisition import acquisition_summaries, summaries_frame


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

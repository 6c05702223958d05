"""The acquisition table: numbers by hand from rows by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from factneurons.degeneracy.tables import ACQUISITION
from factneurons.errors import BadSetting
from factneurons.findings.acquisition import NAMES, acquisitions_of
from factneurons.findings.overview import findings_frame


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
    kmeans, both = acquisitions_of(pd.DataFrame(rows), searched("a", "b", "c", "d"))
    assert (kmeans.clusterer, kmeans.which) == ("kmeans", "candidates")
    assert (both.clusterer, both.which) == ("ntc", "components")
    ntc = both.findings
    assert ntc["proper"].n == 2
    assert ntc["share"].value == 0.5
    assert (ntc["share"].control.estimate, ntc["proper"].control.n) == (0.25, 1)
    assert ntc["jump"].control.estimate == pytest.approx(0.9 - 0.45)
    assert ntc["proper"].value == pytest.approx((0.05 + 0.1) / 2)  # 3 of one and 3 of two; 2 of one
    assert ntc["all"].value == pytest.approx(0.7)
    assert ntc["jump"].value == pytest.approx((0.85 + 0.4) / 2)
    assert ntc["index"].value == pytest.approx(((1 - 0.1 / 0.9) + (1 - 0.1 / 0.5)) / 2)
    assert (ntc["groups"].value, ntc["size"].value) == (2.5, 2.5)
    assert ntc["proper"].interval.low <= ntc["proper"].value <= ntc["proper"].interval.high
    assert kmeans.findings["jump"].value == pytest.approx(0.2)


def test_subjects_are_resampled_together():
    rows = [point for fact in "abcd" for point in points(fact, "ntc", "components", [0.0, ord(fact) / 200], 4)]
    apart = searched(*"abcd")
    together = apart.assign(subject=["x", "x", "y", "y"])
    (free,), (bound,) = (acquisitions_of(pd.DataFrame(rows), facts) for facts in (apart, together))
    assert (free.findings["all"].interval.clusters, bound.findings["all"].interval.clusters) == (4, 2)
    assert free.findings["share"].value == bound.findings["share"].value == 1


def test_a_loss_of_nothing_has_no_index():
    (summary,) = acquisitions_of(pd.DataFrame(points("a", "ntc", "candidates", [0.0, 0.0], 4)), searched("a"))
    assert "index" not in summary.findings
    frame = findings_frame(summary.findings.values())
    assert frame.loc[frame["finding"] == NAMES["share"], "value"].tolist() == [1]
    assert {"finding", "clusterer", "which", "value", "low", "high", "facts", "control"} <= set(frame.columns)


def test_a_fact_that_was_not_searched_is_refused():
    with pytest.raises(BadSetting, match="'a' is not among those searched"):
        acquisitions_of(pd.DataFrame(points("a", "ntc", "components", [0.0, 0.5], 4)), searched("b"))


def test_nothing_found_is_no_summary():
    empty = pd.DataFrame(columns=ACQUISITION.names)
    assert acquisitions_of(empty, searched("a")) == []

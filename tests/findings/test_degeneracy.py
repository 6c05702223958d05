"""What the tables of a search come to, by hand."""

import pandas as pd
import pytest

from factneurons.findings.degeneracy import carried_of, degeneracy_of, spread_of


@pytest.fixture
def facts():
    return pd.DataFrame(
        [{"fact_id": name, "language": "en", "subject": name.upper(), "neurons": n} for n, name in enumerate("abcd")]
    )


def row(name, components, grouping, storage):
    return {
        **{"fact_id": name, "language": "en", "components": components, "grouping": grouping},
        **{"storage": storage, "reason": "" if components else "too-few-neurons", "drop_all": 0.5, "coverage": 0.8},
        "degeneracy_index": 0.9,
    }


def test_degeneracy_by_hand(facts):
    rows = [
        row("a", 2, "distinct", "degenerate"),
        row("b", 3, "arbitrary", "interchangeable"),
        row("c", 2, "undecided", "undecided"),
        row("d", 0, "no-groups", "single"),
    ]
    found = degeneracy_of(pd.DataFrame(rows), facts)
    assert (found.searched, found.having, found.share.value, found.distinct, found.undecided) == (4, 3, 0.75, 1, 1)
    assert (found.index.value, found.drop_all.n, found.components.largest) == (pytest.approx(0.9), 3, 3)
    assert found.reasons == {"too-few-neurons": 1}
    assert {name: count for name, count in found.storage.items() if count} == {
        "degenerate": 1, "interchangeable": 1, "undecided": 1, "single": 1
    }  # fmt: skip
    assert degeneracy_of(pd.DataFrame(rows)[:0], facts) is None


def test_what_components_carry_is_a_mean_over_facts(facts):
    rows = [("a", 0.1, 0.0), ("a", 0.3, 0.1), ("b", 0.6, 0.05)]
    table = pd.DataFrame(
        [
            {"fact_id": name, "language": "en", "other_facts": found, "random_other_facts": random}
            for name, found, random in rows
        ]
    )
    found = carried_of(table, facts)
    assert found.value == pytest.approx((0.2 + 0.6) / 2)
    assert found.control.estimate == pytest.approx(0.05)
    assert (
        carried_of(table.assign(other_facts=None, random_other_facts=None).astype({"other_facts": float}), facts)
        is None
    )


def test_spread(facts):
    spread = spread_of(facts, "neurons", "neurons")
    assert (spread.smallest, spread.lower, spread.median, spread.upper, spread.largest) == (0, 0.75, 1.5, 2.25, 3)
    assert spread.mean.value == 1.5
    assert spread_of(facts[:0], "neurons", "neurons") is None

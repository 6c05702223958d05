"""Re-pairing against every pairing there is, counted by hand."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest

from factneurons.findings.repairing import DRAWS, repaired


def tables_of(sets, relations, needed):
    """sets: [facts][languages] -> neurons of layer 0."""
    languages = pd.DataFrame(
        {"fact_id": [str(n) for n in range(len(sets))], "relation": relations, "needed": [needed] * len(sets)}
    )
    rows = [
        {
            "fact_id": str(number),
            "layer": 0,
            "index": neuron,
            "languages": [f"l{k}" for k, found in enumerate(own) if neuron in found],
        }
        for number, own in enumerate(sets)
        for neuron in sorted(set().union(*own))
    ]
    return languages, pd.DataFrame(rows, columns=["fact_id", "layer", "index", "languages"])


def size(parts, needed):
    every = [neuron for found in parts for neuron in found]
    return sum(every.count(neuron) >= needed for neuron in set(every))


def every_pairing(sets, needed):
    """What all facts together share under every pairing."""
    count = len(sets)
    for moved in product(permutations(range(count)), repeat=len(sets[0]) - 1):
        yield sum(
            size([sets[n][0], *(sets[to[n]][k] for k, to in enumerate(moved, start=1))], needed) for n in range(count)
        )


@pytest.mark.parametrize(("languages", "needed"), [(2, 2), (3, 3), (3, 2), (2, 1)])
def test_draws_come_to_what_all_pairings_do(languages, needed):
    rng = np.random.default_rng(languages + needed)
    sets = [[set(rng.choice(6, size=3, replace=False).tolist()) for _ in range(languages)] for _ in range(4)]
    found = repaired(*tables_of(sets, ["r"] * 4, needed), list("abcd"), "all")
    own = sum(size(each, needed) for each in sets)
    pairings = list(every_pairing(sets, needed))
    assert found.size.value == own / 4
    assert found.size.control.estimate == pytest.approx(np.mean(pairings) / 4, abs=0.1)
    exact = np.mean([total <= own if needed == 1 else total >= own for total in pairings])
    assert found.size.p_value == pytest.approx(exact, abs=4 * 0.5 / DRAWS**0.5)


def test_no_fact_meets_another_relations():
    sets = [[{0, n}, {0, 10 + n}] for n in range(1, 4)] + [[{5, n}, {5, 10 + n}] for n in range(6, 9)]
    tables = tables_of(sets, ["r"] * 3 + ["s"] * 3, 2)
    within, over_all = (repaired(*tables, list("abcdef"), among) for among in ("relation", "all"))
    assert within.size.control.estimate == 1
    assert over_all.size.control.estimate == pytest.approx(0.5, abs=0.05)


def test_facts_without_neurons_take_part():
    found = repaired(*tables_of([[{1}, {1}], [set(), set()]], ["r", "r"], 2), ["a", "b"], "all")
    assert found.size.value == 0.5
    assert found.size.control.estimate == pytest.approx(0.25, abs=0.05)
    nothing = repaired(*tables_of([[set(), set()]] * 2, ["r", "r"], 2), ["a", "b"], "all")
    assert (nothing.size.value, nothing.size.control.estimate, nothing.size.p_value) == (0, 0, 1)


def test_nothing_to_pair_with():
    tables = tables_of([[{1}, {1}], [{2}, {2}]], ["r", "s"], 2)
    assert repaired(*tables, ["a", "b"], "relation") is None
    assert repaired(*tables, ["a", "b"], "all").alone == 0


def test_a_subjects_facts_move_together_to_a_subject_with_as_many():
    """Two subjects of two facts: every pairing gives all or nothing; the third has no other to change places with."""
    sets = [[{1}, {1}], [{1}, {1}], [{2}, {2}], [{2}, {2}], [{1}, {2}]]
    found = repaired(*tables_of(sets, ["r"] * 5, 2), ["a", "a", "b", "b", "c"], "all")
    assert (found.size.n, found.alone, found.size.value) == (4, 1, 1)
    assert found.size.control.estimate == pytest.approx(0.5, abs=0.05)
    assert found.size.p_value == pytest.approx(0.5, abs=0.05)  # 1 of 2 pairings; one by one it would be 4 of 24
    across = repaired(*tables_of(sets[:4], ["r", "s", "r", "s"], 2), ["a", "a", "b", "b"], "relation")
    assert (across.size.n, across.alone) == (4, 0)

"""Verdicts and means from rows that are written down."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Summary
from factneurons.experiments.verdicts import cells_of, judged_together, verdicts_of
from factneurons.statistics import SIGNIFICANCE, holm, paired_permutation_test

MEASURES = {"loss": "what is lost", "gain": "what is won"}


def ratio(values):
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(values[:, 0].mean() / values[:, 1].mean())


def experiment(*claims, summaries=()):
    return Experiment(
        id="E0",
        title="Nothing",
        source="nobody",
        question="Is it so?",
        smallest="one fact",
        example="factneurons experiment E0",
        measures=MEASURES,
        claims=claims,
        prepare=lambda study: lambda fact: (),
        charts=(Chart("Loss", ("loss",)),),
        summaries=summaries,
    )


def row(number, value, condition="amig", measure="loss", place="", language="en", subject=None):
    return {
        "fact_id": f"fact/{number}",
        "language": language,
        "relation": "capital",
        "subject": subject or f"subject {number}",
        "experiment": "E0",
        "condition": condition,
        "measure": measure,
        "place": place,
        "value": value,
    }


LESS = Claim("It is lost.", "loss", "amig", "less")


def judged(rows, *claims):
    return verdicts_of(pd.DataFrame(rows), experiment(*claims))


def test_a_clear_difference_holds_its_reverse_fails_and_none_cannot_be_told():
    down = [row(number, -0.5 - number / 100) for number in range(12)]
    up = [row(number, 0.5 + number / 100) for number in range(12)]
    mixed = [row(number, (-1.0) ** number) for number in range(12)]
    assert [judged(rows, LESS)[0].verdict for rows in (down, up, mixed)] == ["holds", "fails", "cannot tell"]


def test_too_few_facts_decide_nothing():
    """Four facts can be flipped in 16 ways: p is at least 2/16."""
    (only,) = judged([row(number, -1.0) for number in range(4)], LESS)
    assert (only.verdict, only.facts, only.p_value) == ("cannot tell", 4, 2 / 16)


def test_facts_of_one_subject_are_one_piece_of_evidence():
    rows = [row(number, -1.0, subject="one") for number in range(40)]
    (only,) = judged(rows, LESS)
    assert (only.verdict, only.p_value) == ("cannot tell", 1.0)


def test_conditions_are_compared_fact_by_fact_and_only_where_both_are_there():
    against = Claim("More than random.", "loss", "amig", "less", f"{RANDOM_FOR}amig")
    rows = [row(number, -0.1 * number - 0.2) for number in range(10)]
    rows += [row(number, -0.1 * number, f"{RANDOM_FOR}amig") for number in range(8)]
    (only,) = judged(rows, against)
    assert only.facts == 8
    assert only.difference.estimate == pytest.approx(-0.2)
    assert only.verdict == "holds"


def test_places_are_averaged_or_compared():
    rows = [row(number, value, place=place) for number in range(10) for place, value in (("en", -1.0), ("zh", 1.0))]
    mean = Claim("On average.", "loss", "amig", "less")
    here = Claim("In English.", "loss", "amig", "less", place="en")
    between = Claim("English below Chinese.", "loss", "amig", "less", "amig", place="en", against_place="zh")
    found = judged(rows, mean, here, between)
    assert [each.difference.estimate for each in found] == [0, -1, -2]
    assert [each.verdict for each in found] == ["cannot tell", "holds", "holds"]


def test_every_language_is_tested_and_all_are_corrected_together():
    rows = [row(number, -1.0, language=language) for number in range(6) for language in ("en", "zh")]
    gain = Claim("It is won.", "gain", "amig", "greater")
    found = judged(rows, LESS, gain)
    assert [(each.claim.measure, each.language) for each in found] == [
        ("loss", "en"),
        ("loss", "zh"),
        ("gain", "en"),
        ("gain", "zh"),
    ]
    assert [each.p_value for each in found] == [4 / 64, 4 / 64, None, None]
    assert [each.difference for each in found[2:]] == [None, None]


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=5, max_size=12), st.lists(st.integers(-4, 4), min_size=5, max_size=12))
def test_p_values_are_those_of_the_plain_test_corrected(first, second):
    rows = [row(number, value) for number, value in enumerate(first)]
    rows += [row(number, value, measure="gain") for number, value in enumerate(second)]
    claims = (LESS, Claim("It is won.", "gain", "amig", "greater"))
    plain = [paired_permutation_test(values, np.zeros(len(values))).p_value for values in (first, second)]
    found = judged(rows, *claims)
    assert [each.p_value for each in found] == pytest.approx(holm(plain).tolist())
    for each, sign in zip(found, (-1, 1), strict=True):
        assert (each.verdict != "cannot tell") == (each.p_value <= SIGNIFICANCE)
        assert each.verdict == "cannot tell" or (each.verdict == "holds") == (sign * each.difference.estimate > 0)


def test_both_directions_are_one_family():
    """Five facts, all down: 1/32 in one direction would have decided, but either direction would have counted."""
    for value in (-1.0, 1.0):
        (only,) = judged([row(number, value) for number in range(5)], LESS)
        assert (only.verdict, only.p_value) == ("cannot tell", 2 / 32)


def test_means_come_in_the_order_of_the_measures_each_control_beside_its_condition():
    rows = [
        row(number, float(number), condition, measure, place)
        for number in range(3)
        for condition in (f"{RANDOM_FOR}amig", "dai", "amig")
        for measure, place in (("gain", ""), ("loss", "10"), ("loss", "2"))
    ]
    cells = cells_of(pd.DataFrame(rows), experiment())
    assert [(cell.measure, cell.condition, cell.place) for cell in cells] == [
        *(("loss", condition, place) for condition in ("amig", f"{RANDOM_FOR}amig", "dai") for place in ("2", "10")),
        *(("gain", condition, "") for condition in ("amig", f"{RANDOM_FOR}amig", "dai")),
    ]
    assert {cell.interval.estimate for cell in cells} == {1.0}


def test_a_summary_is_of_all_facts_that_have_its_measures_and_counts_the_others():
    rows = [row(number, 2.0) for number in range(5)] + [row(number, 4.0, measure="gain") for number in range(4)]
    (summary,) = cells_of(pd.DataFrame(rows), experiment(summaries=(Summary("r", "", ("loss", "gain"), ratio),)))[2:]
    assert (summary.measure, summary.interval.estimate, summary.interval.n) == ("r", 0.5, 4)
    assert (summary.left_out, summary.reason) == (1, "not all of its measures are there")


def test_a_summary_that_is_no_number_says_why():
    summaries = (Summary("r", "", ("loss", "gain"), ratio),)
    rows = [row(number, value, measure=measure) for number in range(5) for measure, value in (("loss", 1), ("gain", 0))]
    *_, none = cells_of(pd.DataFrame(rows), experiment(summaries=summaries))
    assert (none.measure, none.left_out, none.reason) == ("r", 5, "it is a ratio to 0")
    *_, none = cells_of(pd.DataFrame([row(number, 1.0) for number in range(5)]), experiment(summaries=summaries))
    assert (none.measure, none.left_out, none.reason) == ("r", 5, "not all of its measures are there")
    assert np.isnan(none.interval.estimate)


def test_facts_about_which_the_design_decides_do_not_enter():
    """Where there is no other fact the claim cannot be told by design, and it is in no family."""
    where = Claim("It is lost.", "loss", "amig", "less", where="gain")
    rows = [row(number, -0.5 - number / 100) for number in range(24)]
    decided = [row(number, float(number < 12), "asking", "gain") for number in range(24)]
    some, every = judged([*rows, *decided], where, LESS)
    assert (some.verdict, some.facts, some.by_design) == ("holds", 12, 12)
    assert (every.verdict, every.facts, every.by_design) == ("holds", 24, 0)
    none, every = judged([*rows, *(each | {"value": 0.0} for each in decided)], where, LESS)
    assert (none.verdict, none.facts, none.by_design, none.p_value) == ("cannot tell by design", 0, 24, None)
    assert every.p_value == judged(rows, LESS)[0].p_value
    nothing, _ = judged([row(1, 1.0, measure="gain")], where, LESS)
    assert (nothing.verdict, nothing.by_design) == ("cannot tell", 0)


def test_claims_of_several_tables_are_corrected_together():
    one = pd.DataFrame([row(number, -1 - number / 10) for number in range(9)])
    other = pd.DataFrame([row(number, (-1) ** number * number) for number in range(9)])
    alone = [judged_together([(table, LESS, "en")])[0].p_value for table in (one, other)]
    both = judged_together([(one, LESS, "en"), (other, LESS, "en"), (one, LESS, "zh")])
    assert [each.p_value for each in both[:2]] == pytest.approx(holm(alone))
    assert (both[2].verdict, both[2].facts, both[2].p_value) == ("cannot tell", 0, None)


def test_with_too_few_subjects_nothing_could_have_been_told_and_it_says_how_many_would_do():
    claim = Claim("More.", "loss", "amig", "random")
    for count, could in ((4, False), (5, False), (6, True), (9, True)):
        rows = [row(n, value, condition) for n in range(count) for value, condition in ((1.0, "amig"), (0.0, "random"))]
        (tested,) = judged(rows, claim)
        assert tested.subjects == count
        assert tested.smallest_p == 2 / 2**count == tested.p_value, "as clear as can be gives the smallest p"
        assert (tested.smallest_p <= SIGNIFICANCE) == could == (tested.verdict != "cannot tell")
        assert tested.enough == 6


def test_what_is_possible_is_corrected_for_the_other_claims():
    claims = [Claim(f"More {k}.", f"loss {k}", "amig", "random") for k in range(3)]
    rows = [row(n, float(n % 2), "amig", measure=f"loss {k}") for k in range(3) for n in range(6)] + [
        row(n, 0.5, "random", measure=f"loss {k}") for k in range(3) for n in range(6)
    ]
    for tested in judged(rows, *claims):
        assert tested.verdict == "cannot tell"
        assert tested.smallest_p == pytest.approx(3 * 2 / 2**6)
        assert tested.smallest_p > SIGNIFICANCE
        assert tested.enough == 7

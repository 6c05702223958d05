"""Ladders from tables that are made up: which models make one, which facts enter, and what can be told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from factneurons.experiments.ladder import ASPECTS, COMPONENTS, GROUPS, LOST, PERTURBED, Rung, follow, ladders_of
from factneurons.experiments.suite import EXPERIMENTS


def table(aspect, values, language="en"):
    """One row for each fact that has a number: its place in the list is its id."""
    return pd.DataFrame(
        [
            {"fact_id": f"f{number}", "subject": f"s{number}", "language": language, "measure": aspect.measure,
             "condition": aspect.condition, "place": "", "value": float(value)}
            for number, value in enumerate(values)
            if value is not None
        ]
    )  # fmt: skip


def rung(number, components=(), perturbed=(), neurons=None):
    tables = {"E11": table(COMPONENTS, components), "E6": table(PERTURBED, perturbed)}
    return Rung(f"m{number}", "gpt2", neurons or 100 * number, {of: own for of, own in tables.items() if len(own)})


def told(rungs):
    followed, together = follow(ladders_of(rungs))
    return {each.aspect: each for each in followed}, together


def test_models_of_one_family_make_ladders_of_sizes_and_of_training():
    rungs = [
        Rung("big", "gpt2", 400, {}), Rung("early", "gpt2", 100, {}), Rung("late", "gpt2", 100, {}),
        Rung("other", "llama", 100, {}),
    ]  # fmt: skip
    found = {(each.along, each.family): [own.model for own in each.rungs] for each in ladders_of(rungs)}
    assert found == {("size", "gpt2"): ["late", "big"], ("training", "gpt2"): ["early", "late"]}


def test_every_aspect_is_a_measure_of_its_experiment():
    for aspect in ASPECTS:
        assert aspect.measure in EXPERIMENTS[aspect.experiment].measures


def test_means_are_of_the_facts_that_all_models_were_measured_on():
    found, _ = told([rung(1, [0, 1, None, 1]), rung(2, [None, 1, 0, 0]), rung(3, [1, 1, 1, 1])])
    assert [mean.estimate for mean in found[COMPONENTS].means] == [1.0, 0.5, 1.0]
    assert {mean.n for mean in found[COMPONENTS].means} == {2}
    assert GROUPS in found
    assert found[GROUPS].means == ()
    assert found[GROUPS].over_models.verdict == "cannot tell"
    assert found[GROUPS].over_models.smallest_p is None
    assert PERTURBED not in found


def test_three_models_cannot_decide_and_it_is_said():
    found, _ = told([rung(number, np.arange(40) < 10 * number) for number in (1, 2, 3)])
    over = found[COMPONENTS].over_models
    assert (over.correlation, over.verdict) == (pytest.approx(1), "cannot tell")
    assert over.smallest_p == pytest.approx(2 / 6)
    assert over.enough == 5
    ends = found[COMPONENTS].over_facts
    assert (ends.verdict, ends.facts) == ("holds", 40)
    assert ends.difference.estimate == pytest.approx(0.5)


@pytest.mark.parametrize(("rising", "verdict"), [(True, "holds"), (False, "fails")])
def test_seven_models_can(rising, verdict):
    share = [number if rising else 8 - number for number in range(1, 8)]
    rungs = [rung(number, np.arange(40) < 5 * share[number - 1], [0.1 * share[number - 1]] * 40)
             for number in range(1, 8)]  # fmt: skip
    found, together = told(rungs)
    assert found[COMPONENTS].over_models.verdict == verdict
    assert found[PERTURBED].over_models.verdict == ("fails" if rising else "holds")
    (linked,) = (each for each in together if (each.first, each.second) == (COMPONENTS, PERTURBED))
    assert (linked.over_models.correlation, linked.over_models.verdict) == (pytest.approx(1), "fails")
    assert not [each for each in together if each.second == LOST]


def test_p_values_over_models_are_corrected_together():
    rungs = [rung(number, np.arange(40) < 5 * number, [0.1 * number] * 40) for number in range(1, 8)]
    found, together = told(rungs)
    tests = [found[COMPONENTS].over_models, found[PERTURBED].over_models]
    tests += [each.over_models for each in together if each.over_models.p_value is not None]
    assert len(tests) == 3
    assert [each.p_value for each in tests] == pytest.approx([3 * 2 / 5040] * 3)

"""What statements are scored by without any neurons: the model's own answers."""

from dataclasses import replace

import numpy as np
import pytest

from factneurons.factcheck.asking import SCORERS
from factneurons.factcheck.conditions import CONDITIONS


@pytest.fixture(scope="module")
def queries(gpt2, statements):
    return [gpt2.query(each.prompt, each.candidate) for each in statements]


def test_asking_is_whether_the_candidate_comes_first(gpt2, statements, queries):
    found = SCORERS["asking"](gpt2, statements, queries)
    assert found.tolist() == [float(each.rank == 1) for each in gpt2.evaluate(queries)]


def test_probability_is_that_of_the_candidate(gpt2, statements, queries):
    found = SCORERS["probability"](gpt2, statements, queries)
    assert found == pytest.approx(gpt2.probabilities(queries))


def test_true_or_false_is_asked_where_the_language_has_the_words(gpt2, statements, queries):
    first = gpt2.query(f"{statements[0].text} True or false? ___", "true")
    second = gpt2.query(f"{statements[0].text} True or false? ___", "false")
    expected = np.subtract(*gpt2.log_probabilities([first, second]))
    found = SCORERS["true_false"](gpt2, [statements[0], replace(statements[1], language="xx")], queries[:2])
    assert found == pytest.approx([expected, np.nan], nan_ok=True)


def test_every_condition_has_neurons_or_is_asked():
    assert set(SCORERS) == {name for name, condition in CONDITIONS.items() if not condition.by_neurons}

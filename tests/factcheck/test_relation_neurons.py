import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.attribution.locate import locate
from factneurons.degeneracy.pairs import degenerate_pairs
from factneurons.errors import BadSetting
from factneurons.factcheck.relation_neurons import (
    degenerate_of,
    find_degenerate_sets,
    in_common,
    neurons_by_relation,
    prompt_pairs,
    random_sets,
)
from factneurons.models.types import Neuron

A, B, C = Neuron(0, 1), Neuron(0, 2), Neuron(3, 4)
SETS = st.lists(st.sets(st.sampled_from([A, B, C])), max_size=12)


def test_more_than_the_share_of_the_most_frequent():
    sets = [{A, B}, {A, B}, {A}, {A, C}]
    assert in_common(sets, 0.5) == (A,)  # B is in exactly half as many sets as A, which is not more
    assert in_common(sets, 0.4) == (A, B)
    assert in_common(sets, 0.0) == (A, B, C)


@given(SETS, st.floats(0, 0.99), st.floats(0, 0.99))
def test_a_larger_share_keeps_fewer(sets, one, other):
    low, high = sorted((one, other))
    assert set(in_common(sets, high)) <= set(in_common(sets, low))
    assert bool(in_common(sets, high)) == any(sets)


def test_relations_without_neurons_are_left_out():
    assert neurons_by_relation({("r", "en"): [{A}], ("s", "en"): [set()]}, 0.5) == {("r", "en"): (A,)}


def test_auto_takes_what_enough_facts_have():
    few, many = [[A], [], [], []], [[A], [B], [A, B], []]
    assert degenerate_of({"components": many, "prompt_pairs": few}, 4, "auto").source == "components"
    found = degenerate_of({"components": few, "prompt_pairs": many}, 4, "auto")
    assert (found.source, len(found.sets), found.facts) == ("prompt_pairs", 3, 4)
    assert degenerate_of({"components": few, "prompt_pairs": few}, 4, "auto").sets == ()
    assert degenerate_of({"components": many}, 40, "auto").source == ""  # three of forty are less than a tenth
    assert degenerate_of({"pairs": few}, 4, "pairs").sets == (frozenset([A]),)


def test_unknown_names_and_shares():
    with pytest.raises(BadSetting, match="one of: auto, components, pairs, prompt_pairs"):
        degenerate_of({}, 0, "x")
    with pytest.raises(BadSetting, match="at least 0 and below 1"):
        in_common([], 1.0)


def test_the_search(gpt2, capitals):
    known = list(locate(gpt2, capitals[:3], method="dai"))
    pairs = find_degenerate_sets(gpt2, known, "prompt_pairs")["capital", "en"]
    assert pairs.sets == tuple(
        frozenset(prompt_pairs(each)) for each in degenerate_pairs(gpt2, known) if prompt_pairs(each)
    )
    assert find_degenerate_sets(gpt2, known, "components")["capital", "en"].source == "components"


def test_random_neurons_are_others_of_the_same_layers(gpt2, capitals):
    queries = {("capital", "en"): [gpt2.query(capitals[0].prompts[0], capitals[0].answer)]}
    drawn = random_sets(gpt2, {("capital", "en"): (A, B, C)}, queries, draws=3, seed=1)
    for sets in drawn:
        own = sets["capital", "en"]
        assert sorted(neuron.layer for neuron in own) == [0, 0, 3]
        assert not {A, B, C} & set(own)

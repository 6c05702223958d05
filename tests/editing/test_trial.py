"""An edit and the same edit of random neurons: one table, numbers with intervals."""

import pytest

import factneurons as fn
from factneurons.editing.settings import EditSettings
from factneurons.editing.trial import Trial, check_trial, lines_of, try_edit
from factneurons.errors import BadSetting
from factneurons.facts.related import Surroundings


@pytest.fixture(scope="module")
def model():
    return fn.load_model("pocket-gpt2", device="cpu")


@pytest.fixture(scope="module")
def around():
    return Surroundings(fn.load_facts("bundled?relation=currency,chemical_symbol"))


@pytest.fixture(scope="module")
def spain(around):
    return next(fact for fact in around.facts if (fact.id, fact.language) == ("currency/spain", "en"))


@pytest.fixture(scope="module")
def tried(model, around, spain):
    trial = Trial((spain,), around.translated(spain, "rupee"), EditSettings(kind="least-change"), draws=2)
    return try_edit(model, trial, around)


def test_random_neurons_go_through_the_same_door(tried):
    table = tried.table
    assert set(table["neurons"]) == {"found", "random"}
    assert len(tried.sizes) == 3
    columns = ["group", "role", "fact_id", "prompt", "answer", "rank_before", "log_probability_before"]
    found = table.loc[table["draw"] == 0, columns].reset_index(drop=True)
    for draw in (1, 2):
        assert table.loc[table["draw"] == draw, columns].reset_index(drop=True).equals(found)


def test_lines(tried):
    lines = {(line.group, line.measure.name): line for line in lines_of(tried.table)}
    line = lines["edit", "success rate"]
    assert (line.before, line.found.estimate) == (0, 1)
    assert line.random is not None
    assert line.random.n == 2 * line.found.n
    near = lines["neighbours", "change rate"]
    assert near.found.clusters == 10
    assert near.found.low <= near.found.estimate <= near.found.high
    assert ("neighbours", "success rate") not in lines


def test_without_draws(model, around, spain):
    tried = try_edit(model, Trial((spain,), settings=EditSettings(kind="suppress"), draws=0), around)
    assert tried.sizes == (1.0,)
    assert {line.random for line in lines_of(tried.table)} == {None}
    with pytest.raises(BadSetting, match="draws"):
        try_edit(model, Trial((spain,), draws=-1), around)


def test_by_values(model, around, spain):
    """In the first layer it matters whether all positions are changed or only the one that is asked."""
    settings, neurons = EditSettings(kind="suppress"), tuple(fn.Neuron(0, index) for index in range(60))
    tables = [
        try_edit(model, Trial((spain,), settings=settings, draws=0, neurons=neurons, by=by), around).table
        for by in ("weights", "values")
    ]
    one, other = (table[table["group"] == "edit"]["log_probability_after"].to_numpy() for table in tables)
    assert one.shape == other.shape
    assert abs(one - other).max() > 1e-3


def test_checked_before_a_model_is_loaded(spain):
    with pytest.raises(BadSetting, match="is the old one"):
        check_trial(Trial((spain,), {"en": "euro"}, EditSettings(kind="update")))
    with pytest.raises(BadSetting, match="unknown kind"):
        check_trial(Trial((spain,), {}, EditSettings(kind="x")))
    check_trial(Trial((spain,), {"en": "rupee", "zh": "x"}, EditSettings(kind="update")))

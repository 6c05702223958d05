"""An edit and the same edit of random neurons: one table, numbers with intervals."""

import pytest

import factneurons as fn
from factneurons.editing.evaluation import check_answers, effects_of, evaluate_edit
from factneurons.errors import BadSetting
from factneurons.facts.related import RelatedFacts


@pytest.fixture(scope="module")
def model():
    return fn.load_model("pocket-gpt2", device="cpu")


@pytest.fixture(scope="module")
def around():
    return RelatedFacts(fn.load_facts("bundled?relation=currency,chemical_symbol"))


@pytest.fixture(scope="module")
def spain(around):
    return next(fact for fact in around.facts if (fact.id, fact.language) == ("currency/spain", "en"))


@pytest.fixture(scope="module")
def evaluation(model, around, spain):
    return evaluate_edit(model, [spain], around, to=around.translated(spain, "rupee"), kind="least-change", draws=2)


def test_random_neurons_go_through_the_same_door(evaluation):
    table = evaluation.table
    assert set(table["neurons"]) == {"found", "random"}
    assert len(evaluation.sizes) == 3
    columns = ["group", "role", "fact_id", "prompt", "answer", "rank_before", "log_probability_before"]
    found = table.loc[table["draw"] == 0, columns].reset_index(drop=True)
    for draw in (1, 2):
        assert table.loc[table["draw"] == draw, columns].reset_index(drop=True).equals(found)


def test_effects(evaluation):
    effects = {(each.group, each.measure.name): each for each in effects_of(evaluation.table)}
    effect = effects["edit", "success rate"]
    assert (effect.before, effect.found.estimate) == (0, 1)
    assert effect.random is not None
    assert effect.random.n == 2 * effect.found.n
    near = effects["neighbours", "change rate"]
    assert near.found.clusters == 10
    assert near.found.low <= near.found.estimate <= near.found.high
    assert ("neighbours", "success rate") not in effects


def test_what_is_written_is_what_the_edited_model_writes(model, evaluation):
    own = evaluation.table[(evaluation.table["draw"] == 0) & (evaluation.table["group"] == "paraphrases")]
    prompts = list(dict.fromkeys(own["prompt"]))
    before = dict(zip(prompts, fn.generate(model, prompts), strict=True))
    with evaluation.edit.on(model):
        after = dict(zip(prompts, fn.generate(model, prompts), strict=True))
    assert own["written_before"].tolist() == [before[prompt] for prompt in own["prompt"]]
    assert own["written_after"].tolist() == [after[prompt] for prompt in own["prompt"]]
    effects = {(each.group, each.measure.name): each for each in effects_of(evaluation.table)}
    written = effects["paraphrases", "writes new answer"]
    assert written.found.estimate == sum("rupee" in after[prompt].lower().split(" ")[1] for prompt in prompts) / len(
        prompts
    )
    assert ("edit", "writes new answer") not in effects


def test_without_draws(model, around, spain):
    evaluation = evaluate_edit(model, [spain], around, kind="suppress", draws=0)
    assert evaluation.sizes == (1.0,)
    assert {effect.random for effect in effects_of(evaluation.table)} == {None}
    with pytest.raises(BadSetting, match="draws"):
        evaluate_edit(model, [spain], around, draws=-1)


def test_by_values(model, around, spain):
    """In the first layer it matters whether all positions are changed or only the one that is asked."""
    neurons = [fn.Neuron(0, index) for index in range(60)]
    tables = [
        evaluate_edit(model, [spain], around, kind="suppress", draws=0, neurons=neurons, by=by).table
        for by in ("weights", "values")
    ]
    assert tables[0].loc[tables[0]["group"] == "paraphrases", "written_after"].notna().all()
    assert tables[1]["written_after"].isna().all()
    one, other = (table[table["group"] == "edit"]["log_probability_after"].to_numpy() for table in tables)
    assert one.shape == other.shape
    assert abs(one - other).max() > 1e-3


def test_checked_before_a_model_is_loaded(spain):
    with pytest.raises(BadSetting, match="is the old one"):
        check_answers([spain], {"en": "euro"}, "update")
    with pytest.raises(BadSetting, match="kind is 'x'"):
        check_answers([spain], {}, "x")
    check_answers([spain], {"en": "rupee", "zh": "x"}, "update")

import numpy as np
import pytest

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadSetting
from factneurons.factcheck.scoring import enough_points, filled, score_statements
from factneurons.models.types import Neuron

R, S = ("r", "en"), ("s", "en")
N = [Neuron(0, 3), Neuron(2, 1), Neuron(2, 9), Neuron(3, 300)]


@pytest.fixture(scope="module", params=["gpt2", "bert"])
def asked(request):
    model = request.getfixturevalue(request.param)
    capitals = request.getfixturevalue("capitals")
    queries = [model.query(f"The capital of {each.subject} is ___.", "Paris") for each in capitals[:3]]
    return model, queries


def test_scores_are_means_of_the_full_attribution(asked):
    model, queries = asked
    settings = AttributionSettings("amig", "radau", 3)
    full = [each.scores for each in attribute_all(model, queries, settings)]
    conditions = [{R: (N[0], N[1]), S: (N[3],)}, {R: tuple(N)}]
    found = score_statements(model, queries, [R, S, R], conditions, settings)
    expected = np.array(
        [
            [np.mean([full[0][n] for n in N[:2]]), np.mean([full[0][n] for n in N])],
            [full[1][N[3]], np.nan],
            [np.mean([full[2][n] for n in N[:2]]), np.mean([full[2][n] for n in N])],
        ]
    )
    assert found.scores == pytest.approx(expected, rel=1e-3, abs=1e-7, nan_ok=True)
    assert set(found.contributions[0][0]) == set(N[:2])
    assert found.contributions[1][1] == {}


def test_activations_are_read_at_the_candidate(asked):
    model, queries = asked
    found = score_statements(model, queries, [R] * 3, [{R: (N[0],)}], AttributionSettings(), "activation")
    for query, score in zip(queries, found.scores[:, 0], strict=True):
        own = filled(query, model.kind)
        assert own.answer_ids == query.answer_ids[-1:]
        assert own.input_ids[own.target_positions[0]] == query.answer_ids[-1]
        assert score == pytest.approx(float(model.activations([own])[0][N[0]]))


def test_unknown_feature(gpt2):
    with pytest.raises(BadSetting, match="one of: attribution, activation"):
        score_statements(gpt2, [], [], [], AttributionSettings(), "x")


def test_points_are_as_few_as_completeness_allows(asked):
    model, queries = asked
    found = enough_points(model, [(query, R) for query in queries], {R: (N[3],)}, AttributionSettings("amig_mean"))
    assert found.error <= 0.1
    assert found.statements == 3
    assert found.settings.rule == "radau"
    fixed = AttributionSettings("amig_mean", "left", 4)
    assert enough_points(model, [(queries[0], R)], {R: (N[3],)}, fixed).settings == fixed
    assert enough_points(model, [(queries[0], R)], {}, AttributionSettings("dai")).settings == AttributionSettings(
        "dai"
    )

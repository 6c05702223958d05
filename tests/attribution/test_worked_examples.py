"""F = a1 * a2 at a = (2, 3), worked out by hand: the numbers must come out exactly, through the real code."""

from dataclasses import replace

import pytest
import torch

from factneurons.attribution import attribute, baselines, engine, propagation
from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.facts.types import Prompt
from factneurons.models.batches import Batch
from factneurons.models.passes.capture import Capture
from factneurons.models.types import Query

END = (2.0, 3.0)
BASELINES = ((0.0, 0.0), (1.0, 0.0))


def product(model, captured, points, target):
    """F and dF/da of F = a1 * a2, in every layer that is asked for."""
    values = [None if p is None else p[..., 0] * p[..., 1] for p in points]
    return values, [None if p is None else p.flip(-1) for p in points]


@pytest.fixture
def toy(monkeypatch, new_model):
    """A model in whose three layers F = a1 * a2; its prompt has two words whose removal gives BASELINES."""
    query = Query(Prompt("a b ___"), "c", (8, 9), (1,), (5,), (0, 1), ((0,), (1,)))
    activation = torch.tensor([[END]], dtype=torch.float64)

    def capture(backbone, queries, items, contrast=False, pre=False):
        index = torch.zeros(1, dtype=torch.long)
        log_f = torch.tensor([[6.0]], dtype=torch.float64).log()
        batch = Batch.of(queries, torch.device("cpu"))
        return Capture(batch, index, index[:, None], index[:, None], log_f, None, [activation] * 3)

    monkeypatch.setattr(attribute, "capture", capture)
    monkeypatch.setattr(engine, "values_and_gradients", product)
    monkeypatch.setattr(propagation, "values_and_gradients", product)
    monkeypatch.setattr(engine, "values_at", lambda *given: product(*given)[0])
    monkeypatch.setattr(baselines, "replacement_token", lambda model: (0, "eos_token"))
    sentences = torch.tensor(BASELINES, dtype=torch.float64)[:, None]
    monkeypatch.setattr(baselines, "target_activations", lambda model, queries, pre=False: [sentences] * 3)
    model = new_model("gpt2")

    def attribution(**options):
        found = attribute_all(model, [query], AttributionSettings(target="logit", **options))[0]
        assert not found.scores[:, 2:].any()  # rows are as long as the model's widest layer
        return replace(found, scores=found.scores[:, :2])

    return attribution


EXACT = [{"rule": "adaptive"}, {"rule": "gauss_legendre"}, {"rule": "gauss_legendre", "points": 1},
         {"rule": "radau", "points": 2}, {"rule": "midpoint", "points": 3}, {"rule": "trapezoid", "points": 2},
         {"rule": "inclusive", "points": 7}]  # fmt: skip


@pytest.mark.parametrize("rule", EXACT, ids=str)
class TestRulesThatAreExactForAStraightLine:
    def test_zero_baseline(self, toy, rule):
        found = toy(method="dai", **rule)
        assert found.scores.tolist() == [pytest.approx([3, 3])] * 3
        assert found.scores.sum(1) == pytest.approx(6)
        assert found.completeness_error == pytest.approx(0, abs=1e-12)
        assert found.baseline_probability.tolist() == [0, 0, 0]

    def test_sum_over_both_baselines(self, toy, rule):
        found = toy(method="amig", **rule)
        assert found.scores.tolist() == [pytest.approx([4.5, 7.5])] * 3
        assert found.completeness_error == pytest.approx(0, abs=1e-12)

    def test_normalised_within_the_layer(self, toy, rule):
        assert toy(method="amig", normalise="layer", **rule).scores.tolist() == [pytest.approx([0.375, 0.625])] * 3
        all_layers = toy(method="amig", normalise="global", **rule).scores
        assert all_layers.tolist() == [pytest.approx([0.125, 0.625 / 3])] * 3

    def test_largest_over_both_baselines(self, toy, rule):
        assert toy(method="sequential", **rule).scores.tolist() == [pytest.approx([3, 4.5])] * 3

    def test_mean_baseline(self, toy, rule):
        """From (0.5, 0): (2 - 0.5) * 1.5 and (3 - 0) * 1.25, complete against it."""
        found = toy(method="amig_mean", **rule)
        assert found.scores.tolist() == [pytest.approx([2.25, 3.75])] * 3
        assert found.completeness_error == pytest.approx(0, abs=1e-12)


def test_one_baseline_alone(toy, monkeypatch):
    """From (1, 0)."""
    sentence = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    monkeypatch.setattr(
        baselines, "target_activations", lambda model, queries, pre=False: [sentence.expand(len(queries), -1, -1)] * 3
    )
    found = toy(method="amig_mean", rule="gauss_legendre")
    assert found.scores.tolist() == [[1.5, 4.5]] * 3
    assert found.scores.sum(1).tolist() == [6, 6, 6]


def test_what_the_authors_code_computes(toy):
    """Two left points on the path from (0.5, 0), times the activation: not complete, and the error says by how much."""
    found = toy(method="amig_authors", points=2, rule="left")
    assert found.scores.tolist() == [[1.5, 2.625]] * 3
    assert found.scores.sum(1).tolist() == [4.125] * 3
    assert found.completeness_error.tolist() == [1.875] * 3
    assert found.completeness_ratio.tolist() == [1.875 / 6] * 3
    assert found.baseline_probability.tolist() == [0, 0, 0]


def test_gradient_times_activation(toy):
    assert toy(method="gradient_x_activation").scores.tolist() == [[6, 6]] * 3
    assert toy(method="activation").scores.tolist() == [[2, 3]] * 3


def test_left_and_right_sums_miss_by_what_they_must(toy):
    """With n points dF/da is sampled at means 1/2 -+ 1/2n: two left points give half of (3, 3)."""
    assert toy(method="dai", rule="left", points=2).scores.tolist() == [[1.5, 1.5]] * 3
    assert toy(method="dai", rule="right", points=2).scores.tolist() == [[4.5, 4.5]] * 3
    assert toy(method="dai", rule="left", points=2).completeness_error.tolist() == [3, 3, 3]


def test_random_deals_out_the_same_numbers(toy):
    assert toy(method="random", rule="gauss_legendre").scores.tolist() == [pytest.approx([3, 3])] * 3

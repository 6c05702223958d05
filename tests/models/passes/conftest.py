"""Queries, points and the comparison with whole passes that the tests of single ways share."""

import pytest
import torch

from factneurons.models.passes.capture import capture

ITEMS = [(0, (0,)), (0, (1,)), (1, (0,)), (1, (1,))]


@pytest.fixture(scope="session")
def queries_of():
    def make(new_query, kind):
        """Two prompts; of different lengths where padding is allowed."""
        return [
            new_query(kind, tokens=6, answer=2),
            new_query(kind, tokens=4 if kind == "causal" else 6, answer=2, seed=1),
        ]

    return make


@pytest.fixture(scope="session")
def random_points():
    def make(captured, count=2, seed=0):
        """Rows anywhere between nothing and twice the activation."""
        generator = torch.Generator().manual_seed(seed)
        return [
            2 * torch.rand(len(value), count, value.shape[-1], generator=generator).to(value) * value
            for value in captured.activations
        ]

    return make


@pytest.fixture(scope="session")
def compare():
    def make(slow, captured, queries, points, found, target, tolerance, items=ITEMS):
        for layer, (values, slopes) in enumerate(zip(*found, strict=True)):
            true = [
                [slow.value_and_gradient(queries[row], token, layer, vector, target) for vector in points[layer][item]]
                for item, (row, (token,)) in enumerate(items)
            ]
            true_values = torch.tensor([[value for value, _ in row] for row in true], dtype=torch.float64)
            true_slopes = torch.stack([torch.stack([slope for _, slope in row]) for row in true]).double()
            assert (values.double() - true_values).abs().max() <= tolerance * true_values.abs().max(), (layer, "value")
            assert (slopes.double() - true_slopes).abs().max() <= tolerance * true_slopes.abs().max(), (
                layer,
                "gradient",
            )

    return make


@pytest.fixture
def case(shared_model, new_query):
    def make(family, dtype=torch.float64):
        model = shared_model(family, dtype)
        other = 4 if model.kind == "causal" else 6
        queries = [new_query(model.kind, answer=2), new_query(model.kind, tokens=other, answer=2, seed=1)]
        captured = capture(model.backbone, queries, ITEMS)
        generator = torch.Generator().manual_seed(3)
        points = [
            (2 * torch.rand(4, 2, value.shape[-1], generator=generator).to(value) * value).requires_grad_(True)
            for value in captured.activations
        ]
        return model, queries, captured, points

    return make

"""What leaves the last block, put back by hand, gives the head's own input."""

import pytest
import torch

from factneurons.models.passes.capture import capture
from factneurons.models.passes.lens import head_input


def test_the_last_blocks_output_gives_the_heads_input(every_family, shared_model, new_query):
    model = shared_model(every_family)
    query = new_query(model.kind, answer=2)
    captured = capture(model.backbone, [query], [(0, (0, 1))])
    seen = []
    handle = model.backbone.layers[-1].block.register_forward_hook(
        lambda module, inputs, output: seen.append(output[0] if isinstance(output, tuple) else output)
    )
    try:
        true = model.backbone.to_head(captured.batch)[0]
    finally:
        handle.remove()
    found = head_input(model.backbone, captured.batch, seen[0][0])
    torch.testing.assert_close(found, true, rtol=1e-5, atol=1e-6)


def test_an_open_intervention_is_none_of_its_business(shared_model, new_query):
    model = shared_model("gpt2")
    captured = capture(model.backbone, [new_query("causal")], [(0, (0,))])
    stream = torch.randn(3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    true = head_input(model.backbone, captured.batch, stream)
    with model.suppress([(0, 1), (2, 3)]):
        assert torch.equal(head_input(model.backbone, captured.batch, stream), true)


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_it_is_differentiable(family, shared_model, new_query):
    model = shared_model(family)
    captured = capture(model.backbone, [new_query(model.kind)], [(0, (0,))])
    stream = torch.randn(2, 16, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(head_input(model.backbone, captured.batch, stream)[0].sum(), stream)[0]
    assert (slope[0] != 0).any()
    assert (slope[1] == 0).all()

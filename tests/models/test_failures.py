"""What a model raises in the middle of a question is one line that names the prompt; running out of memory stays."""

import pytest
import torch

from factneurons.attribution.attribute import attribute_all
from factneurons.errors import BadModel
from factneurons.models.failures import is_out_of_memory, telling
from factneurons.models.hooks import hooked


class OneWay(torch.autograd.Function):
    """A kernel that has no way back."""

    @staticmethod
    def forward(context, given):
        return given.clone()

    @staticmethod
    def backward(context, slope):
        raise NotImplementedError("one_way_backward is not implemented for 'BFloat16'")


def only_long(error, tokens=6):
    """A hook that fails at prompts longer than those a model is tried with."""

    def hook(module, inputs, output):
        stream = output[0] if isinstance(output, tuple) else output
        if stream.shape[1] > tokens:
            raise error
        return output

    return hook


METHODS = ["joint", "dai", "gradient_x_activation", "suppression"]


@pytest.fixture(params=["llama", "bert", "t5"])
def asked_model(request, new_model, asked):
    return new_model(request.param), asked(request.param)


def deep_block(model):
    return model.backbone.layers[-1].block


@pytest.mark.filterwarnings("ignore:.*fast path does not fit")
def test_a_pass_that_fails_is_one_line(asked_model):
    model, query = asked_model
    error = RuntimeError("index_select(): something\nand a long tale")
    with hooked([lambda: deep_block(model).register_forward_hook(only_long(error, 0))]):
        for ask in (
            lambda: model.probabilities([query]),
            lambda: model.probabilities_with([query], [[(0, 1)]]),
            *(lambda method=method: attribute_all(model, [query], method=method) for method in METHODS),
        ):
            with pytest.raises(BadModel) as caught:
                ask()
            text = str(caught.value)
            assert "\n" not in text
            assert f"asked {query.prompt.text!r}" in text
            assert "the model itself fails: RuntimeError: index_select(): something; leave the prompt out" in text


@pytest.mark.filterwarnings("ignore:.*fast path does not fit")
@pytest.mark.parametrize("method", ["joint", "dai", "gradient_x_activation"])
def test_a_way_back_that_is_missing_is_one_line(method, asked_model):
    model, query = asked_model
    block = deep_block(model)

    def one_way(module, inputs, output):
        if isinstance(output, tuple):
            return (OneWay.apply(output[0]), *output[1:])
        return OneWay.apply(output)

    with (
        hooked([lambda: block.register_forward_hook(one_way)]),
        pytest.raises(BadModel, match=r"asked '.*the model itself fails: NotImplementedError: one_way_backward"),
    ):
        attribute_all(model, [query], method=method)


def test_rows_that_fail_after_the_check_leave_the_plain_loop(new_model, new_query):
    """Answers of two tokens may fail where the check, which has one target, did not."""
    model, query = new_model("llama"), new_query("causal", answer=2)
    true = model.probabilities_with([query], [[(0, 1), (1, 2)]])
    assert model.backbone.fast_path.fits
    rows = []

    def hook(module, inputs, output):
        if model.backbone.own.rows_only:
            rows.append(module)
            raise TypeError("a mask of another shape")

    with (
        hooked([lambda: model.backbone.layers[-1].block.register_forward_hook(hook)]),
        pytest.warns(UserWarning, match=r"fast path does not fit \(its blocks do not run on rows alone: TypeError\)"),
    ):
        found = model.probabilities_with([query], [[(0, 1), (1, 2)]])
    assert rows
    assert found == pytest.approx(true, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_half_precision_has_another_way_out(dtype, new_query):
    with pytest.raises(BadModel) as caught, telling("m", dtype, [new_query("causal")] * 3):
        raise NotImplementedError("no kernel")
    assert ("load it in float32" in str(caught.value)) == (dtype == torch.bfloat16)
    assert "(and 2 beside it)" in str(caught.value)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory"), torch.OutOfMemoryError()])
def test_memory_running_out_stays_what_it_is(error, new_query):
    assert is_out_of_memory(error)
    with pytest.raises(type(error)) as caught, telling("m", torch.float32, [new_query("causal")]):
        raise error
    assert caught.value is error
    assert not is_out_of_memory(ValueError("out of memory"))


def test_errors_of_ours_stay(new_query):
    with pytest.raises(BadModel, match=r"^told already$"), telling("m", torch.float32, [new_query("causal")]):
        raise BadModel("told already")

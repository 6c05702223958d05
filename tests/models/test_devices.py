"""A model whose blocks lie on two devices: every tensor says where it is, and what meets tensors of two devices fails.

No machine of the tests has two, so they are pretended: a tensor carries its numbers and the name of its device, and an
operation on tensors of two devices raises what PyTorch would.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

from factneurons.attribution.attribute import attribute_all
from factneurons.models import adapters

FIRST, SECOND = torch.device("xla:0"), torch.device("xla:1")  # a kind that PyTorch does not look for
# Indices may lie on the CPU, as PyTorch has it.
_TAKE_INDICES = {"aten::index.Tensor", "aten::index_put_", "aten::index_put", "aten::_unsafe_index.Tensor"}


class Placed(Tensor):
    """A tensor that says it is elsewhere."""

    numbers: Tensor
    place: torch.device

    @staticmethod
    def __new__(cls, numbers: Tensor, place: torch.device) -> Placed:
        made = Tensor._make_wrapper_subclass(
            cls, numbers.shape, strides=numbers.stride(), storage_offset=numbers.storage_offset(), dtype=numbers.dtype,
            device="meta",
        )  # fmt: skip
        made.numbers, made.place = numbers, place
        return made

    @property
    def device(self) -> torch.device:
        return self.place

    @property
    def is_meta(self) -> bool:
        return False

    def to(self, *given: Any, **options: Any) -> Any:
        """The way back of a move leads to where it came from; PyTorch's own would ask the tensor below."""
        places = [each for each in (*given, options.get("device")) if isinstance(each, (torch.device, str))]
        if places and torch.device(places[0]).type == FIRST.type:
            rest = [each for each in given if each is not places[0]]
            options.pop("device", None)
            moved = self if torch.device(places[0]) == self.place else Moved.apply(self, torch.device(places[0]))
            return moved.to(*rest, **options) if rest or options.get("dtype") else moved
        return super().to(*given, **options)

    def __setitem__(self, place: Any, value: Any) -> None:
        if isinstance(value, Tensor):
            super().__setitem__(place, value)
        else:  # PyTorch would make a tensor of it below the level at which operations are seen
            self.numbers[tree_map(lambda each: each.numbers if isinstance(each, Placed) else each, place)] = value

    def tolist(self) -> Any:
        return self.numbers.tolist()

    def __repr__(self, **options: Any) -> str:
        return f"Placed({self.numbers!r}, {self.place})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        given = [each for each in tree_iter((args, kwargs)) if isinstance(each, Tensor)]
        places = {each.place for each in given if isinstance(each, Placed) and each.dim()}
        places = places or {each.place for each in given if isinstance(each, Placed)}
        here = [each for each in given if not isinstance(each, Placed) and each.dim()]
        moves = func._schema.name in ("aten::_to_copy", "aten::copy_")
        if len(places) > 1 and not moves:
            raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices: {func}")
        if here and func.name() not in _TAKE_INDICES and not moves:
            raise RuntimeError(f"Expected all tensors to be on the same device, but one is on the CPU: {func}")
        target = args[0].place if func._schema.name == "aten::copy_" else next(iter(places))
        if kwargs.get("device") is not None:
            wanted = torch.device(kwargs["device"])
            target = target if wanted.type == "meta" else wanted  # what the tensor below calls its own
            kwargs["device"] = "cpu"
        bare = {id(each.numbers): each for each in given if isinstance(each, Placed)}
        args, kwargs = tree_map(lambda each: each.numbers if isinstance(each, Placed) else each, (args, kwargs))
        found = func(*args, **kwargs)

        def back(each: Any) -> Any:
            if not isinstance(each, Tensor):
                return each
            if id(each) in bare:  # changed in place
                return bare[id(each)]
            return each if target.type == "cpu" else Placed(each, target)

        return tree_map(back, found)


class Moved(torch.autograd.Function):
    """A tensor at another place."""

    @staticmethod
    def forward(context: Any, given: Placed, place: torch.device) -> Placed:
        context.place = given.place
        return Placed(given.numbers.clone(), place)

    @staticmethod
    def backward(context: Any, slope: Placed) -> Any:
        return Placed(slope.numbers.clone(), context.place), None


class Making(TorchDispatchMode):
    """What is made on a pretended device, or moved to one, is there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        place = kwargs.get("device")
        placed = any(isinstance(each, Placed) for each in tree_iter((args, kwargs)))
        if placed or place is None or torch.device(place).type not in (FIRST.type, "meta"):
            return func(*args, **kwargs)
        if torch.device(place).type == "meta":  # a number beside a pretended tensor, whose own device that is
            return func(*args, **{**kwargs, "device": "cpu"})
        return Placed(func(*args, **{**kwargs, "device": "cpu"}), torch.device(place))


class Lists(TorchFunctionMode):
    """`torch.tensor` makes its tensor below the level at which operations are seen."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        place = kwargs.get("device")
        if func is Tensor.to and len(args) == 2 and isinstance(args[1], Tensor):  # as the other one
            return args[0].to(args[1].device, args[1].dtype)
        if func is Tensor.to and len(args) > 1 and not isinstance(args[0], Placed):
            kind, *rest = args[1:]
            if isinstance(kind, torch.device) and kind.type == FIRST.type:
                return Placed(args[0].to(*rest, **kwargs), kind)
        if func is Tensor.new_tensor and isinstance(args[0], Placed):
            return Placed(torch.tensor(args[1], **{"dtype": args[0].dtype, **kwargs}), args[0].place)
        if func is not torch.tensor or place is None or torch.device(place).type != FIRST.type:
            return func(*args, **kwargs)
        return Placed(func(*args, **{**kwargs, "device": "cpu"}), torch.device(place))


@contextmanager
def two_devices() -> Iterator[None]:
    with Making(), Lists():
        yield


def moved(things: Any, place: torch.device) -> Any:
    return tree_map(lambda each: each.to(place) if isinstance(each, Tensor) else each, things)


def put(module: nn.Module, place: torch.device) -> None:
    """Its weights there, and what it is given moved there, as accelerate's hooks do."""
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None and not isinstance(weight, Placed):
                part._parameters[name] = nn.Parameter(Placed(weight.detach(), place), requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None and not isinstance(buffer, Placed):
                part._buffers[name] = Placed(buffer, place)
    original = module.forward
    module.forward = lambda *inputs, **options: original(*moved(inputs, place), **moved(options, place))  # type: ignore[method-assign]


def spread(model: Any) -> None:
    """The lower half of the blocks on one device, the rest on another; embeddings below, head above."""
    layers = model.backbone.layers
    for number, layer in enumerate(layers):
        put(layer.block, FIRST if number < len(layers) // 2 else SECOND)
    put(model.backbone.projection, SECOND)
    for child in model.backbone.module.modules():
        if (
            not list(child.children())
            and next(iter([*child._parameters.values(), *child._buffers.values()]), None) is not None
        ):
            own = [*child._parameters.values(), *child._buffers.values()]
            if any(each is not None and not isinstance(each, Placed) for each in own):
                put(child, FIRST)


def test_tensors_of_two_devices_do_not_meet():
    with two_devices():
        one, other = torch.ones(2, device=FIRST), torch.ones(2, device=SECOND)
        with pytest.raises(RuntimeError, match="same device"):
            one + other
        with pytest.raises(RuntimeError, match="same device"):
            one + torch.ones(2)
        assert (one + other.to(FIRST)).device == FIRST
        assert (one.cpu() + 1).tolist() == [2.0, 2.0]


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "t5", "mixtral"])
def test_everything_that_is_asked_of_a_model_on_two_devices(family, new_model, asked, monkeypatch):
    monkeypatch.setattr(adapters, "is_plain", lambda weight: weight.is_floating_point())  # Placed is a class of its own
    whole, model, query = new_model(family, torch.float32), new_model(family, torch.float32), asked(family)
    sets = [[(0, 1), (2 if whole.layer_count > 2 else 1, 3)], [(1, 0)]]
    how = {"rule": "gauss_legendre", "points": 3}

    def answers(of: Any) -> list[Any]:
        return [
            of.probabilities([query]),
            of.probabilities_with([query], sets),
            of.activations([query]),
            of.out_weights(sets[0]),
            of.in_weights(sets[0]),
            *(
                attribute_all(of, [query], method=method, **how)[0].scores
                for method in ("joint", "dai", "gradient_x_activation", "suppression")
            ),
        ]

    true = answers(whole)
    model.backbone.module.set_attn_implementation("eager")  # the fused one makes its mask below what is seen here
    with two_devices():
        spread(model)
        found = answers(model)
        with model.suppress(sets[0]):
            found.append(model.probabilities([query]))
    assert bool(model.backbone.fast_path.fits) == (family != "t5")
    with whole.suppress(sets[0]):
        true.append(whole.probabilities([query]))
    for number, (one, other) in enumerate(zip(found, true, strict=True)):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * np.abs(other).max(), err_msg=str(number))

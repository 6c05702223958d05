"""Mixtures of experts as one wide MLP per layer, so that a neuron's index runs through all experts of its layer.

transformers keeps the experts of a layer in two tensors and adds their outputs, each times the router's weight. Put
side by side they are one MLP with one down-projection; neuron j of expert e has the index e * (neurons per expert) + j,
and its value is what that down-projection reads:

    value = weight of e by the router * act(gate) * up        where the router chose e for the token
          = 0                                                 elsewhere

Experts that every token goes through (shared ones) follow behind the others, their value times their own gate where
they have one. Only chosen experts are computed. The router's choice is no neuron's: suppressing neurons changes what
the routers of the layers above read, and they choose and weigh anew. Nothing here knows a family: whatever has been put
side by side is run again on what it was given before, and must give what it gave.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from factneurons.errors import MODEL_ERRORS, BadModel
from factneurons.models.files import first_line
from factneurons.models.head import tolerance
from factneurons.models.hooks import stream_of

SHARED = ("shared_experts", "shared_expert", "shared_mlp")
"""What transformers calls the experts that every token goes through, beside `experts` or one module above."""
_GATE_OF_SHARED = "shared_expert_gate"
_TRIAL = (1, 2, 3, 4)
_ACTIVATIONS = ("act_fn", "activation", "act", "activation_fn")


@dataclass(frozen=True, slots=True)
class Form:
    """What an MLP calls its matrices; where `gate` is None, `up` may hold the gate's rows before its own."""

    down: str
    up: str
    gate: str | None = None


FORMS = (
    Form("down_proj", "up_proj", "gate_proj"),
    Form("w2", "w3", "w1"),
    Form("down_proj", "up_proj"),
    Form("output_linear", "input_linear"),
    Form("down_proj", "gate_up_proj"),
)


def form_of(mlp: nn.Module) -> Form | None:
    """The form of a plain MLP, if it has one of those known here."""
    for form in FORMS:
        names = [name for name in (form.down, form.up, form.gate) if name is not None]
        if all(isinstance(getattr(mlp, name, None), nn.Linear) for name in names):
            return form
    return None


@dataclass(slots=True)
class _Part:
    """The matrices of one expert, or of several one below the other: rows of neurons [neurons, hidden]."""

    up: Tensor
    down: Tensor
    gate: Tensor | None = None
    up_bias: Tensor | None = None
    gate_bias: Tensor | None = None
    down_bias: Tensor | None = None


class JoinedExperts(nn.Module):
    """The experts of one layer, called as transformers calls its own.

    Attributes:
        count: experts that the router chooses from; size: neurons of each.
        shared: neurons of the experts that every token goes through.
        gate, up: [neurons, hidden], one expert's rows after the other's; no gate where experts have none.
        down: [hidden, neurons].

    Args:
        experts: a module with `down_proj` [count, hidden, size], and `gate_up_proj` [count, 2 * size, hidden] or
            `up_proj`, as transformers' registry of expert implementations describes them.
        shared: the MLP that every token goes through, if there is one.
        shared_gate: what that one's output is multiplied by, before a sigmoid.
    """

    def __init__(
        self, experts: nn.Module, shared: nn.Module | None = None, shared_gate: nn.Module | None = None
    ) -> None:
        super().__init__()
        self._concatenated = bool(getattr(experts, "is_concatenated", True))
        self._transposed = _is_transposed(experts)
        own = self._read(experts)
        self.count = int(experts.get_parameter("down_proj").shape[0])
        self.size = len(own.up) // self.count
        parts = [own] if shared is None else [own, _dense(shared, gated=own.gate is not None)]
        self.shared = len(parts[-1].up) if shared is not None else 0
        self.up = _linear([part.up for part in parts], [part.up_bias for part in parts])
        gates = [part.gate for part in parts if part.gate is not None]
        self.gate = _linear(gates, [part.gate_bias for part in parts]) if gates else None
        self.down = _linear([part.down for part in parts], [None] * len(parts), dim=1)
        self.down_bias = _parameter(own.down_bias)
        self.shared_down_bias = _parameter(parts[-1].down_bias) if shared is not None else None
        if isinstance(getattr(experts, "act_fn", None), nn.Module):
            self.act_fn = experts.get_submodule("act_fn")
        shell = copy(experts)  # it still knows what happens between its matrices
        shell._parameters = {}
        act = None if shared is None else _activation(shared)
        self._apart: tuple[Any, Any, Any] = (shell, act, shared_gate)  # in a tuple: no submodules of this one

    def _read(self, experts: nn.Module) -> _Part:
        """The experts' matrices as rows, [count * size, hidden]; [hidden, count * size] of the down-projection."""
        given = {name: parameter.detach() for name, parameter in experts.named_parameters(recurse=False)}
        down = given["down_proj"].mT if self._transposed else given["down_proj"]
        part = _Part(up=down, down=down.permute(1, 0, 2).flatten(1), down_bias=given.get("down_proj_bias"))
        fused = given.get("gate_up_proj")
        if fused is None:
            up = given["up_proj"].mT if self._transposed else given["up_proj"]
            part.up, bias = up.flatten(0, 1), given.get("up_proj_bias")
            part.up_bias = None if bias is None else bias.flatten()
            return part
        part.gate, part.up = (rows.flatten(0, 1) for rows in self._halves(fused.mT if self._transposed else fused))
        bias = given.get("gate_up_proj_bias")
        if bias is not None:
            part.gate_bias, part.up_bias = (rows.flatten() for rows in self._halves(bias))
        return part

    def _halves(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        if self._concatenated:
            gate, up = rows.chunk(2, dim=1)
            return gate, up
        return rows[:, ::2], rows[:, 1::2]

    def _whole(self, gate: Tensor, up: Tensor, dim: int) -> Tensor:
        """Gate and up-projection laid out as transformers keeps them."""
        if self._concatenated:
            return torch.cat([gate, up], dim)
        return torch.stack([gate, up], dim + 1).flatten(dim, dim + 1)

    def state_dict(self, *given: Any, **options: Any) -> Any:
        """The weights as transformers keeps them, so that a model is saved as what it was loaded from."""
        state, prefix = super().state_dict(*given, **options), options.get("prefix", "")
        kept = {name: state.pop(name) for name in list(state) if name.startswith(prefix)}
        kept = {name.removeprefix(prefix): tensor for name, tensor in kept.items()}
        many = self.count * self.size
        down = kept.pop("down.weight")[:, :many].unflatten(1, (self.count, self.size)).permute(1, 0, 2)
        found = {"down_proj": down.mT if self._transposed else down}
        for ending, name in (("weight", ""), ("bias", "_bias")):
            gate, up = kept.pop(f"gate.{ending}", None), kept.pop(f"up.{ending}", None)
            if up is None:
                continue
            rows = up[:many].unflatten(0, (self.count, self.size))
            if gate is not None:
                rows = self._whole(gate[:many].unflatten(0, (self.count, self.size)), rows, 1)
            turned = rows.mT if self._transposed and ending == "weight" else rows
            found[f"{'up' if gate is None else 'gate_up'}_proj{name}"] = turned
        kept.pop("shared_down_bias", None)
        if "down_bias" in kept:
            found["down_proj_bias"] = kept.pop("down_bias")
        state.update({f"{prefix}{name}": tensor.contiguous() for name, tensor in {**kept, **found}.items()})
        return state

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """The sum over chosen experts, [tokens, hidden], of hidden_states [tokens, hidden] by a router's choice."""
        values = hidden_states.new_zeros(len(hidden_states), self.down.in_features)
        constant = None if self.down_bias is None else torch.zeros_like(hidden_states)
        for expert in top_k_index.unique().tolist():
            if expert >= self.count:  # stands for no expert
                continue
            tokens, places = torch.where(top_k_index == expert)
            own = slice(expert * self.size, (expert + 1) * self.size)
            weights = top_k_weights[tokens, places, None]
            values[tokens, own] = (self._between(hidden_states[tokens], own) * weights).to(values.dtype)
            if constant is not None:
                assert self.down_bias is not None
                constant[tokens] += (weights * self.down_bias[expert]).to(constant.dtype)
        if self.shared:
            values[:, self.count * self.size :] = self._of_shared(hidden_states)
        result: Tensor = self.down(values)
        return self._with_bias(result if constant is None else result + constant)

    def _with_bias(self, result: Tensor) -> Tensor:
        return result if self.shared_down_bias is None else result + self.shared_down_bias

    def _between(self, read: Tensor, own: slice) -> Tensor:
        """What stands before the down-projection of one expert, [tokens, size]."""
        form: Any = self._apart[0]
        up = _rows(self.up, read, own)
        if self.gate is None:
            return form.act_fn(up)  # type: ignore[no-any-return]
        gate = _rows(self.gate, read, own)
        if hasattr(form, "_apply_gate"):
            return form._apply_gate(self._whole(gate, up, 1))  # type: ignore[no-any-return]
        return form.act_fn(gate) * up  # type: ignore[no-any-return]

    def _of_shared(self, read: Tensor) -> Tensor:
        """The values of the experts that every token goes through, [tokens, shared]."""
        _, act, factor = self._apart
        assert act is not None
        own = slice(self.count * self.size, None)
        up = _rows(self.up, read, own)
        values: Tensor = act(up) if self.gate is None else act(_rows(self.gate, read, own)) * up
        return values if factor is None else torch.sigmoid(factor(read)) * values

    def at_shared(self, hidden_states: Tensor) -> Tensor:
        """What stands where the shared experts were: nothing, for they are computed with the others."""
        return torch.zeros_like(hidden_states)


class ScaledExperts(JoinedExperts):
    """Experts that are all run, on what the router has scaled (by 0 where it did not choose one): Llama 4."""

    def forward(self, hidden_states: Tensor) -> Tensor:  # type: ignore[override]
        """[count * tokens, hidden] to the same shape; all of the sum stands in the first expert's rows."""
        many = self.count * self.size
        by_expert = hidden_states.view(self.count, -1, hidden_states.shape[-1])
        own = [part.weight[:many].unflatten(0, (self.count, self.size)).mT for part in (self.gate, self.up) if part]
        gate, up = (by_expert @ rows for rows in own)
        values = (up * self._apart[0].act_fn(gate)).transpose(0, 1).flatten(1)
        result = torch.zeros_like(by_expert)
        if self.shared:
            self._waiting = values
        else:
            result[0] = self.down(values)
        return result.view(hidden_states.shape)

    def at_shared(self, hidden_states: Tensor) -> Tensor:
        """The sum over all experts: only here is what the shared ones read."""
        values, self._waiting = self._waiting, None
        read = hidden_states.reshape(len(values), -1)
        result: Tensor = self.down(torch.cat([values, self._of_shared(read)], 1))
        return self._with_bias(result).view(hidden_states.shape)

    _waiting: Any = None


class _Shared(nn.Module):
    """Stands where the shared experts were, and keeps their names."""

    def __init__(self, joined: JoinedExperts, form: Form, fused: bool) -> None:
        super().__init__()
        self._joined = (joined,)
        self._form, self._fused = form, fused

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self._joined[0].at_shared(hidden_states)

    def state_dict(self, *given: Any, **options: Any) -> Any:
        """The weights of the shared experts, by their own names."""
        state, prefix = super().state_dict(*given, **options), options.get("prefix", "")
        joined, form = self._joined[0], self._form
        own = slice(joined.count * joined.size, None)
        found = {f"{form.down}.weight": joined.down.weight[:, own], f"{form.down}.bias": joined.shared_down_bias}
        for ending in ("weight", "bias"):
            up, gate = (
                None if part is None or getattr(part, ending) is None else getattr(part, ending)[own]
                for part in (joined.up, joined.gate)
            )
            if self._fused and up is not None and gate is not None:
                up = torch.cat([gate, up])
            found |= {f"{form.up}.{ending}": up, **({f"{form.gate}.{ending}": gate} if form.gate else {})}
        state.update(
            {f"{prefix}{name}": part.detach().contiguous() for name, part in found.items() if part is not None}
        )
        return state


def _rows(linear: nn.Linear, read: Tensor, own: slice) -> Tensor:
    bias = None if linear.bias is None else linear.bias[own]
    return nn.functional.linear(read, linear.weight[own], bias)


def _dense(mlp: nn.Module, *, gated: bool) -> _Part:
    """The matrices of a plain MLP.

    Raises:
        BadModel: its form is not known, or it is gated where the experts are not.
    """
    form = form_of(mlp)
    if form is None:
        raise BadModel(f"the matrices of its shared experts ({type(mlp).__name__}) are not told apart")
    matrices: list[Any] = [None if name is None else getattr(mlp, name) for name in (form.down, form.up, form.gate)]
    down, up, gate = matrices
    part = _Part(up.weight.detach(), down.weight.detach(), up_bias=_bias(up), down_bias=_bias(down))
    if gate is not None:
        part.gate, part.gate_bias = gate.weight.detach(), _bias(gate)
    elif len(part.up) == 2 * part.down.shape[1]:
        part.gate, part.up = part.up.chunk(2)
        part.gate_bias, part.up_bias = (None, None) if part.up_bias is None else part.up_bias.chunk(2)
    if (part.gate is not None) != gated:
        raise BadModel(f"its shared experts ({type(mlp).__name__}) are not of the form of the others")
    return part


def _bias(linear: nn.Module) -> Tensor | None:
    bias = linear.bias
    return bias.detach() if isinstance(bias, Tensor) else None


def _activation(mlp: nn.Module) -> Any:
    found = (getattr(mlp, name, None) for name in _ACTIVATIONS)
    return next((each for each in found if callable(each)), nn.functional.silu)


def _linear(rows: list[Tensor], biases: list[Tensor | None], dim: int = 0) -> nn.Linear:
    weight = torch.cat(rows, dim).contiguous() if len(rows) > 1 else rows[0].contiguous()
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    made.weight = nn.Parameter(weight, requires_grad=False)
    if any(bias is not None for bias in biases):
        parts = [part.new_zeros(len(part)) if bias is None else bias for part, bias in zip(rows, biases, strict=True)]
        made.bias = nn.Parameter(torch.cat(parts), requires_grad=False)
    return made


def _parameter(value: Tensor | None) -> nn.Parameter | None:
    return None if value is None else nn.Parameter(value.clone(), requires_grad=False)


def join_experts(module: nn.Module) -> None:
    """Put the experts of every layer side by side, in place; other modules stay as they are.

    Raises:
        BadModel: the experts are spread over devices, or what is side by side does not give what the model gave.
    """
    places = list(_places(module))
    if not places:
        return
    for place in places:
        if hasattr(place.parent.experts, "_hf_hook"):
            raise BadModel("the experts of a mixture cannot be spread over devices: load it without device_map")
    with _one_by_one(places):
        given = _noted(module, [place.around for place in places])
    for place in places:
        try:
            place.join()
        except MODEL_ERRORS as error:
            raise BadModel(f"its experts could not be put side by side: {first_line(error)}") from error
    for place in places:
        _check_same(place.around, given)


@dataclass(slots=True)
class _Place:
    """Where a layer's experts are: `around` is the smallest module that holds all of them."""

    around: nn.Module
    parent: nn.Module
    shared: str | None

    def join(self) -> None:
        experts: Any = self.parent.experts
        shared = None if self.shared is None else getattr(self.around, self.shared)
        factor = getattr(self.parent, _GATE_OF_SHARED, None)
        only_hidden = len(inspect.signature(type(experts).forward).parameters) == 2
        joined = (ScaledExperts if only_hidden else JoinedExperts)(experts, shared, factor)
        self.parent.experts = joined
        if shared is not None:
            form = form_of(shared)
            assert self.shared is not None
            assert form is not None
            fused = form.gate is None and joined.gate is not None
            setattr(self.around, self.shared, _Shared(joined, form, fused))


def _places(module: nn.Module) -> Iterator[_Place]:
    for path, parent in list(module.named_modules()):
        experts = getattr(parent, "experts", None)
        if not isinstance(experts, nn.Module) or not _can_be_joined(experts):
            continue
        above = module.get_submodule(path.rpartition(".")[0]) if path else parent
        found = [
            (around, name)
            for around in (parent, above)
            for name in SHARED
            if isinstance(getattr(around, name, None), nn.Module)
        ]
        around, name = found[0] if found else (parent, None)
        yield _Place(around, parent, name)


def _can_be_joined(experts: nn.Module) -> bool:
    names = {name for name, _ in experts.named_parameters(recurse=False)}
    parameters = dict(experts.named_parameters(recurse=False))
    inward = {"gate_up_proj", "up_proj"} & names
    rest = names - inward - {"down_proj"} - {f"{name}_bias" for name in ("down_proj", *inward)}
    return len(inward) == 1 and not rest and all(parameters[name].dim() == 3 for name in (*inward, "down_proj"))


def _is_transposed(experts: nn.Module) -> bool:
    """Whether the down-projections are [count, size, hidden]; told by the sizes where nothing says so."""
    said = getattr(experts, "is_transposed", None)
    if said is not None:
        return bool(said)
    inward = next(experts.get_parameter(name) for name in ("gate_up_proj", "up_proj") if hasattr(experts, name))
    return inward.shape[1] == experts.get_parameter("down_proj").shape[2]


@contextmanager
def _one_by_one(places: list[_Place]) -> Iterator[None]:
    """Transformers' plain loop over experts, which runs in every type and everywhere."""
    configs: list[Any] = [config for place in places if (config := getattr(place.parent.experts, "config", None))]
    old = [getattr(config, "_experts_implementation", None) for config in configs]
    try:
        for config in configs:
            config._experts_implementation = "eager"
        yield
    finally:
        for config, implementation in zip(configs, old, strict=True):
            config._experts_implementation = implementation


@torch.no_grad()
def _noted(module: nn.Module, parts: list[nn.Module]) -> dict[nn.Module, tuple[Any, dict[str, Any], Tensor]]:
    """What each part is given by a few tokens, and what it gives; nothing where weights are not in memory.

    Raises:
        BadModel: the model fails in itself.
    """
    if any(parameter.is_meta for parameter in module.parameters()):
        return {}
    seen: dict[nn.Module, tuple[Any, dict[str, Any], Tensor]] = {}

    def note(part: nn.Module, inputs: Any, options: dict[str, Any], output: Any) -> None:
        kept = tuple(each.clone() if isinstance(each, Tensor) else each for each in inputs)
        seen[part] = kept, options, stream_of(output).clone()

    handles = [part.register_forward_hook(note, with_kwargs=True) for part in dict.fromkeys(parts)]
    ids = torch.tensor([_TRIAL], device=next(module.parameters()).device)
    try:
        module(input_ids=ids, use_cache=False)
    except MODEL_ERRORS as error:
        raise BadModel(
            f"a trial pass over {len(_TRIAL)} tokens fails in the model itself: {type(error).__name__}: "
            f"{first_line(error)}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return seen


@torch.no_grad()
def _check_same(part: nn.Module, given: dict[nn.Module, tuple[Any, dict[str, Any], Tensor]]) -> None:
    if part not in given:
        return
    inputs, options, before = given[part]
    try:
        now = stream_of(part(*inputs, **options))
    except MODEL_ERRORS as error:
        now = torch.full_like(before, float("nan"))
        said = f": {type(error).__name__}: {first_line(error)}"
    else:
        said = ""
    if now.shape != before.shape or not (now - before).abs().max() <= tolerance(now.dtype) * before.abs().max():
        raise BadModel(
            f"its experts ({type(part).__name__}) put side by side do not give what they gave, so they do something "
            f"that is not known here{said}"
        )

"""Where a model's neurons are: its family's row where that fits, else what one trial pass shows of its structure.

A model without a row is searched by the shapes of its matrices: every pair or triple of them that could be an MLP is
held against the numbers of the trial pass, which is run once for all of them. Doubt is refused. Normalisations behind
the MLP are found by the same numbers: what reads the down-projection's output, and what gives the block's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, permutations
from typing import Any

import torch
from torch import Tensor, nn

from factneurons.errors import MODEL_ERRORS, BadModel
from factneurons.models.adapters import (
    ADAPTERS,
    ALIASES,
    EXPERTS,
    Adapter,
    Layer,
    check_in_memory,
    is_projection,
    layer_of,
    layers_of,
    neuron_values,
    sizes,
)
from factneurons.models.experts import JoinedExperts, form_of
from factneurons.models.files import first_line
from factneurons.models.hooks import Registration, after, before, hooked, stream_of

_TRIAL = (1, 2, 3)
_MOST = 20_000
"""Candidates that are held against the trial pass at most."""
_ROUNDINGS = 8
_FEW = 4
"""Activation functions that are learned have no more parameters than that."""
_FUNCTIONS = ("silu", "gelu", "gelu_pytorch_tanh", "relu", "relu2", "quick_gelu", "tanh", "sigmoid", "mish")
"""What is tried where no module of a block is the activation function: names in transformers' `ACT2FN`."""


def find_adapter(module: nn.Module) -> Adapter:
    """The adapter of a model: its family's row where that fits, otherwise what the structure shows.

    Raises:
        BadModel: a mixture of experts, a trial pass that fails, or no MLP found; the message says what was looked for.
    """
    config = getattr(module, "config", None)
    kind = str(getattr(config, "model_type", ""))
    joined = any(isinstance(part, JoinedExperts) for part in module.modules())
    for name in (kind, f"{kind} (gated)", ALIASES.get(kind, "")):
        row = ADAPTERS.get(name)
        if row is not None and _fits(module, row):
            return row
    if joined:
        return _of_mixture(module, kind or type(module).__name__)
    counts = [getattr(part, name, None) for part in _configs(config) for name in EXPERTS]
    if any(isinstance(count, int) and count > 1 for count in counts):
        raise BadModel(
            f"{kind} is a mixture of experts that is not supported: looked for modules called experts that keep theirs "
            "in one tensor for each projection, as transformers' registry of expert implementations describes them"
        )
    return _by_structure(module, kind or type(module).__name__)


def _configs(config: Any) -> Iterator[Any]:
    yield config
    yield getattr(config, "text_config", None)


def _of_mixture(module: nn.Module, kind: str) -> Adapter:
    """The row of a model whose experts are side by side: their place in a block, and that of dense layers between.

    Raises:
        BadModel: they are not at one place of one list of blocks, or a block has another MLP beside them.
    """
    base = getattr(module, "base_model", module)
    every = [(path, part) for path, part in base.named_modules() if isinstance(part, nn.ModuleList)]
    lists = [(path, blocks) for path, blocks in every if any(map(_joined_in, blocks))]
    places = {place for _, blocks in lists for block in blocks for place in _joined_in(block)}
    if len(lists) != 1 or len(places) != 1:
        raise BadModel(f"the experts of this {kind} model are not at one place in one list of blocks")
    (path, blocks), place = lists[0], places.pop()
    mixed = next(block for block in blocks if _joined_in(block))
    dense = next((block for block in blocks if not _joined_in(block)), None)
    experts = mixed.get_submodule(place)
    assert isinstance(experts, JoinedExperts)
    around = place.rpartition(".")[0]
    form = None if dense is None else form_of(dense.get_submodule(around))
    if dense is not None and (form is None or (form.gate is None) != (experts.gate is None)):
        raise BadModel(f"not every layer of this {kind} model is a mixture, and the MLP of the others is not known")

    def either(name: str, other: str | None) -> str:
        return f"{place}.{name}" if other is None else f"{place}.{name}|{around}.{other}"

    down, up, gate = (None, None, None) if form is None else (form.down, form.up, form.gate)

    row = Adapter(
        family="found by structure",
        blocks=(path,),
        down=either("down", down),
        up=either("up", up),
        gate=None if experts.gate is None else either("gate", gate),
        activation=f"{place}.act_fn",
        experts=True,
        verified=False,
    )
    if any(parameter.is_meta for parameter in module.parameters()):
        return row  # nothing can be tried; `load_model` will
    tried = [block for block in (mixed, dense) if block is not None]
    seen = _trial_pass(module, kind, tried)
    for block in tried:
        _check_no_other(block, layer_of(block, row), kind, _hidden_size(module), seen)
    return _with_norms(layer_of(mixed, row), row, seen)


def _joined_in(block: nn.Module) -> list[str]:
    return [name for name, part in block.named_modules() if isinstance(part, JoinedExperts)]


def _check_no_other(block: nn.Module, layer: Layer, kind: str, hidden: int, seen: dict[nn.Module, _Passed]) -> None:
    """Refuse a block with an MLP that the row does not speak of."""
    for row in islice(_candidates("", block, hidden), _MOST):
        other = layer_of(block, row)
        if other.down is not layer.down and _deviation(other, row, seen) <= _ROUNDINGS:
            raise BadModel(f"a layer of this {kind} model has another MLP ({row.down}) beside its experts")


def _fits(module: nn.Module, adapter: Adapter) -> bool:
    try:
        layers = layers_of(module, adapter)
    except BadModel:
        return False
    factor = 2 if adapter.fused else 1
    return all(sizes(layer.up)[1] == factor * sizes(layer.down)[0] for layer in layers)


def _by_structure(module: nn.Module, kind: str) -> Adapter:
    base = getattr(module, "base_model", module)
    hidden = _hidden_size(module)
    lists = [(path, blocks) for path, blocks in _block_lists(base) if any(_candidates(path, blocks[0], hidden))]
    ends = [block for _, blocks in lists for block in (blocks[0], blocks[-1])]
    seen = _trial_pass(module, kind, ends) if lists else {}
    every = [row for path, blocks in lists for row in islice(_candidates(path, blocks[0], hidden), _MOST + 1)]
    fitting: list[Adapter] = []
    for functional in (False, True):
        found = [row for row in every if (row.function is not None) == functional]
        fitting = fitting or ([] if len(found) > _MOST else _fitting(module, found, seen))
    fitting = [_with_norms(layers_of(module, row)[0], row, seen) for row in fitting]
    if getattr(module.config, "is_encoder_decoder", False):
        fitting = _of_both(module, fitting)
    if len(fitting) != 1:
        candidates = ", ".join(f"{row.blocks[0]}: {row.down}" for row in fitting) or "none"
        raise BadModel(
            f"no MLP was found for certain in this {kind} model: looked for a list of "
            f"equal blocks, in each one a matrix back to the hidden size, fed by one or two matrices from it "
            f"through an activation function (candidates: {candidates if len(every) <= _MOST else 'too many'})"
        )
    return fitting[0]


def _of_both(module: Any, fitting: list[Adapter]) -> list[Adapter]:
    """One row of the encoder's blocks and the decoder's, where both are alike; else the rows as they are."""
    inside = set(module.get_encoder().modules())
    encoder_first = sorted(fitting, key=lambda row: layers_of(module, row)[0].block not in inside)
    if len(fitting) != 2 or len({replace(row, blocks=()) for row in fitting}) > 1:
        return fitting
    return [replace(encoder_first[0], blocks=tuple(path for row in encoder_first for path in row.blocks))]


def _fitting(module: nn.Module, found: list[Adapter], seen: dict[nn.Module, _Passed]) -> list[Adapter]:
    """What fits; of that what fits to the bit, for tiny values hardly tell gate and up-projection apart."""
    layers = [(row, layers_of(module, row)) for row in found if _fits(module, row)]
    # The first blocks of some make their gates sparse (Gemma 3n), so that the last one shows what the MLP is.
    judged = [(row, min(_deviation(of[place], row, seen) for place in (0, -1))) for row, of in layers]
    best = min((error for _, error in judged), default=None)
    fitting = {
        (row.blocks, row.down, row.up, row.gate): row  # which of two equal activation modules it is does not matter
        for row, error in reversed(judged)
        if error <= _ROUNDINGS and (best or error == 0.0)
    }
    return list(reversed(fitting.values()))


def _with_norms(layer: Layer, row: Adapter, seen: dict[nn.Module, _Passed]) -> Adapter:
    """The row with what stands between the down-projection and the end of the block."""
    written, left = seen[layer.down].gave, seen[layer.block].gave if layer.block in seen else None
    after_mlp = after_residual = None
    for path, child in layer.block.named_modules():
        if not path or child not in seen or is_projection(child):
            continue
        if _same(seen[child].given, written):
            after_mlp = path
        elif left is not None and _same(seen[child].gave, left):
            after_residual = path
    return replace(row, after_mlp=after_mlp, after_residual=after_residual)


@torch.enable_grad()
def with_factors(module: nn.Module, layers: list[Layer]) -> list[Layer]:
    """The layers with what their outputs are multiplied by before they are added; as they are where it is no number.

    Only the addition leads from an MLP's output to the sum, so a slope of the sum is the same slope times that number.
    """
    if any(parameter.is_meta for parameter in module.parameters()):
        return layers
    leaves: dict[int, Tensor] = {}
    sums: dict[int, Tensor] = {}

    def leaf(number: int) -> Callable[..., Tensor]:
        def hook(part: nn.Module, inputs: Any, output: Any) -> Tensor:
            return leaves.setdefault(number, stream_of(output).detach().requires_grad_(True))

        return hook

    def note(number: int) -> Callable[..., None]:
        def hook(part: nn.Module, inputs: Any, *output: Any) -> None:
            sums.setdefault(number, stream_of(output[0] if output else inputs))

        return hook

    hooks = []
    for number, layer in enumerate(layers):
        hooks.append(after(layer.after_mlp or layer.down, leaf(number)))
        total = layer.after_residual
        hooks.append(after(layer.block, note(number)) if total is None else before(total, note(number)))
    try:
        _try_tokens(module, hooks)
    except MODEL_ERRORS:  # it is tried again, and told, by whoever asks it
        return layers
    return [replace(layer, factor=_factor(leaves.get(number), sums.get(number))) for number, layer in enumerate(layers)]


def _factor(leaf: Tensor | None, total: Tensor | None) -> float:
    if leaf is None or total is None or not total.requires_grad:
        return 1.0
    weights = torch.randn(total.shape, generator=torch.Generator().manual_seed(0)).to(total)
    try:
        slope = torch.autograd.grad((total * weights).sum(), leaf)[0].reshape(total.shape)
    except MODEL_ERRORS:
        return 1.0
    factor = float((slope * weights).double().sum() / weights.double().square().sum())
    fits = torch.allclose(slope, factor * weights, rtol=1e-2, atol=1e-4)
    return factor if fits and abs(factor - 1.0) > 1e-3 else 1.0


def _try_tokens(module: Any, hooks: Iterable[Registration]) -> None:
    """A few tokens through the whole model."""
    ids = torch.tensor([_TRIAL], device=next(module.parameters()).device)
    of_decoder = {"decoder_input_ids": ids} if getattr(module.config, "is_encoder_decoder", False) else {}
    with hooked(hooks):
        module(input_ids=ids, **of_decoder)


def _same(one: Tensor, other: Tensor) -> bool:
    """Experts are given tokens without the rows that they stand in."""
    return one.numel() == other.numel() and torch.equal(one.reshape(other.shape), other)


def _hidden_size(module: nn.Module) -> int:
    size = getattr(getattr(module, "config", None), "hidden_size", None)
    if isinstance(size, int):
        return size
    embeddings = getattr(module, "get_input_embeddings", lambda: None)()
    weight = getattr(embeddings, "weight", None)
    return int(weight.shape[1]) if isinstance(weight, Tensor) and weight.dim() == 2 else -1


def _block_lists(base: nn.Module) -> Iterator[tuple[str, nn.ModuleList]]:
    for path, child in base.named_modules():
        is_list = isinstance(child, nn.ModuleList) and len(child) > 0
        if is_list and len({type(block) for block in child}) == 1:
            yield path, child


def _candidates(path: str, block: nn.Module, hidden: int) -> Iterator[Adapter]:
    projections = {name: sizes(child) for name, child in block.named_modules() if name and is_projection(child)}
    quiet = [
        name
        for name, child in block.named_modules()
        if name and _counted(child) <= _FEW and not isinstance(child, (nn.Dropout, nn.Identity, nn.ModuleList))
    ]
    for down, (width, out) in projections.items():
        if out != hidden:
            continue
        ups = [name for name, size in projections.items() if size == (hidden, width) and name != down]
        fused = [name for name, size in projections.items() if size == (hidden, 2 * width)]
        for activation, function in [*((name, None) for name in quiet), *((None, name) for name in _FUNCTIONS)]:
            common = {"family": "found by structure", "verified": False, "activation": activation, "function": function}
            for up in ups:
                yield Adapter(blocks=(path,), down=down, up=up, **common)
            for gate, up in permutations(ups, 2):
                yield Adapter(blocks=(path,), down=down, up=up, gate=gate, **common)
            for up in fused:
                yield Adapter(blocks=(path,), down=down, up=up, fused=True, **common)


def _counted(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@dataclass(slots=True)
class _Passed:
    """What a module was given and gave, when it was called first."""

    given: Tensor
    gave: Tensor


@torch.no_grad()
def _trial_pass(module: nn.Module, kind: str, blocks: list[nn.Module]) -> dict[nn.Module, _Passed]:
    """A few tokens through the whole model: what went through these blocks, their projections and their norms.

    Raises:
        BadModel: the weights are not in memory, or the model itself fails; with its own error.
    """
    projections = {child for block in blocks for child in block.modules() if is_projection(child)}
    for projection in projections:
        check_in_memory(projection)  # without weights in memory nothing can be tried, and this says so
    seen: dict[nn.Module, _Passed] = {}

    norms = {child for block in blocks for child in block.modules() if not list(child.children())} - projections
    noted = {*projections, *(norm for norm in norms if list(norm.parameters())), *blocks}

    def note(part: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        output = stream_of(output) if isinstance(output, (Tensor, tuple, list)) else None
        if part not in seen and inputs and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
            seen[part] = _Passed(inputs[0].detach().clone(), output.detach().clone())

    try:
        _try_tokens(module, [after(part, note) for part in noted])
    except MODEL_ERRORS as error:
        raise BadModel(
            f"no MLP was found in this {kind} model, for a trial pass over {len(_TRIAL)} tokens fails in the model "
            f"itself: {type(error).__name__}: {first_line(error)}"
        ) from error
    return seen


def _deviation(layer: Layer, adapter: Adapter, seen: dict[nn.Module, _Passed]) -> float:
    """How far in-weights and activation miss the down-projection's input, in roundings of its largest value."""
    parts = [layer.down, layer.up, *([] if layer.gate is None else [layer.gate])]
    if any(part not in seen for part in parts) or (layer.activation is None and adapter.function is None):
        return float("inf")
    true = seen[layer.down].given
    try:
        with torch.no_grad():
            gate = None if layer.gate is None else seen[layer.gate].gave
            found = neuron_values(layer, adapter, seen[layer.up].gave, gate)
    except MODEL_ERRORS:  # any module without weights is tried as an activation, and may want other arguments
        return float("inf")
    if not isinstance(found, Tensor) or found.shape != true.shape or not true.is_floating_point():
        return float("inf")
    rounding = torch.finfo(true.dtype).eps * float(true.abs().max())
    error = float((found - true).abs().max())
    return 0.0 if error == 0.0 else error / rounding if rounding > 0.0 else float("inf")

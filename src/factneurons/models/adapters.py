"""Where the MLPs of each architecture are: one row of data per family.

A neuron is an input coordinate of an MLP's down-projection. A row of the table says where the blocks of a
family are and which submodules of a block are its down-, up- and gate-projection. `structure.py` chooses the row of
a model, and searches what has none.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.pytorch_utils import Conv1D

from factneurons.errors import BadModel
from factneurons.models.quantised import dequantised, is_plain, said


@dataclass(frozen=True, slots=True)
class Adapter:
    """Where one architecture keeps its neurons. Paths are dotted, with indices; of "a|b" the first there is.

    Attributes:
        family: the name of the row, or "found by structure".
        blocks: paths from the base model to its lists of blocks, in the order layers are counted.
        down: the down-projection, seen from a block. Its input is the vector of neurons.
        up: the up-projection.
        gate: the gate-projection of a gated MLP.
        fused: whether `up` holds the gate's rows first and the up-projection's rows after them.
        activation: the module that is the activation function; None where it is none of the model's modules.
        function: its name in transformers' `ACT2FN`, where it is none.
        mlp_norm: the normalisation whose output the MLP reads, where there is one.
        after_mlp: a normalisation of the MLP's output before it is added to the residual stream.
        after_residual: a normalisation after that addition (post-norm blocks).
        norm_offset: what a normalisation adds to its stored weight to get its gain.
        experts: whether the MLPs are mixtures of experts, which `experts.join_experts` has put side by side.
        verified: whether the row is held against the contract in the tests.
    """

    family: str
    blocks: tuple[str, ...]
    down: str
    up: str
    gate: str | None = None
    fused: bool = False
    activation: str | None = "mlp.act"
    function: str | None = None
    mlp_norm: str | None = None
    after_mlp: str | None = None
    after_residual: str | None = None
    norm_offset: float = 0.0
    experts: bool = False
    verified: bool = True

    @property
    def gated(self) -> bool:
        """Whether a neuron's value is the product of an activated gate and an up-projection."""
        return self.fused or self.gate is not None


_LLAMA = Adapter(
    family="llama",
    blocks=("layers",),
    down="mlp.down_proj",
    up="mlp.up_proj",
    gate="mlp.gate_proj",
    activation="mlp.act_fn",
    mlp_norm="post_attention_layernorm",
)
_BERT = Adapter(
    family="bert",
    blocks=("encoder.layer",),
    down="output.dense",
    up="intermediate.dense",
    activation="intermediate.intermediate_act_fn",
    after_residual="output.LayerNorm",
)
_GPT2 = Adapter(family="gpt2", blocks=("h",), down="mlp.c_proj", up="mlp.c_fc", mlp_norm="ln_2")


def _like(row: Adapter, family: str, **changes: object) -> Adapter:
    values = {name: getattr(row, name) for name in Adapter.__slots__}
    return Adapter(**{**values, "family": family, **changes})


_BART = Adapter(
    family="bart",
    blocks=("encoder.layers", "decoder.layers"),
    down="fc2",
    up="fc1",
    activation="activation_fn",
    after_residual="final_layer_norm",
)
_GEMMA2 = _like(
    _LLAMA,
    "gemma2",
    mlp_norm="pre_feedforward_layernorm",
    after_mlp="post_feedforward_layernorm",
    norm_offset=1.0,
)


_ROWS = (
    _BERT,
    _like(_BERT, "roberta"),
    _like(_BERT, "xlm-roberta"),
    _like(_BERT, "electra"),
    Adapter(
        family="distilbert",
        blocks=("transformer.layer",),
        down="ffn.lin2",
        up="ffn.lin1",
        activation="ffn.activation",
        after_residual="output_layer_norm",
    ),
    Adapter(
        family="albert",
        blocks=("encoder.albert_layer_groups",),
        down="albert_layers.0.ffn_output",
        up="albert_layers.0.ffn",
        activation="albert_layers.0.activation",
        after_residual="albert_layers.0.full_layer_layer_norm",
    ),
    _GPT2,
    _like(_GPT2, "gpt_neo"),
    _like(_GPT2, "gptj", down="mlp.fc_out", up="mlp.fc_in", mlp_norm="ln_1"),
    Adapter(
        family="gpt_neox",
        blocks=("layers",),
        down="mlp.dense_4h_to_h",
        up="mlp.dense_h_to_4h",
        mlp_norm="post_attention_layernorm",
    ),
    _LLAMA,
    _like(_LLAMA, "mistral"),
    _like(
        _LLAMA,
        "mixtral",
        down="mlp.experts.down",
        up="mlp.experts.up",
        gate="mlp.experts.gate",
        activation="mlp.experts.act_fn",
        experts=True,
    ),
    _like(_LLAMA, "qwen2"),
    _like(_LLAMA, "qwen3"),
    _like(_LLAMA, "gemma", norm_offset=1.0),
    _GEMMA2,
    _like(_GEMMA2, "gemma3_text"),
    _like(_LLAMA, "olmo2", mlp_norm=None, after_mlp="post_feedforward_layernorm"),
    Adapter(
        family="phi",
        blocks=("layers",),
        down="mlp.fc2",
        up="mlp.fc1",
        activation="mlp.activation_fn",
        mlp_norm="input_layernorm",
    ),
    _like(_LLAMA, "phi3", up="mlp.gate_up_proj", gate=None, fused=True, activation="mlp.activation_fn"),
    Adapter(
        family="opt",
        blocks=("decoder.layers",),
        down="fc2",
        up="fc1",
        activation="activation_fn",
        mlp_norm="final_layer_norm",
    ),
    Adapter(
        family="bloom",
        blocks=("h",),
        down="mlp.dense_4h_to_h",
        up="mlp.dense_h_to_4h",
        activation="mlp.gelu_impl",
        mlp_norm="post_attention_layernorm",
    ),
    Adapter(
        family="t5",
        blocks=("encoder.block", "decoder.block"),
        down="layer.-1.DenseReluDense.wo",
        up="layer.-1.DenseReluDense.wi",
        activation="layer.-1.DenseReluDense.act",
        mlp_norm="layer.-1.layer_norm",
    ),
    _BART,
    _like(_BART, "mbart", after_residual=None, mlp_norm="final_layer_norm"),
    Adapter(
        family="t5 (gated)",
        blocks=("encoder.block", "decoder.block"),
        down="layer.-1.DenseReluDense.wo",
        up="layer.-1.DenseReluDense.wi_1",
        gate="layer.-1.DenseReluDense.wi_0",
        activation="layer.-1.DenseReluDense.act",
        mlp_norm="layer.-1.layer_norm",
    ),
)
ADAPTERS: dict[str, Adapter] = {row.family: row for row in _ROWS}
"""The families by name; `Adapter.family` is the `model_type` of the model's configuration."""

EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
"""Where configurations say how many experts there are."""

ALIASES: dict[str, str] = {
    "mt5": "t5 (gated)",
    "umt5": "t5 (gated)",
    "xlm-roberta-xl": "xlm-roberta",
    "camembert": "roberta",
    "qwen3_moe": "mixtral",
    "olmoe": "mixtral",
}
"""Families that share another one's row."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The submodules of one block that matter to its neurons.

    Attributes:
        factor: what the MLP's output, after its own norm, is multiplied by before it is added (Granite, MiniCPM).
    """

    block: nn.Module
    down: nn.Module
    up: nn.Module
    gate: nn.Module | None
    activation: nn.Module | None
    mlp_norm: nn.Module | None
    after_mlp: nn.Module | None
    after_residual: nn.Module | None
    factor: float = 1.0


def submodule(module: nn.Module, path: str) -> nn.Module | None:
    """The submodule at a dotted path, the first one of several apart by "|", or None where there is none."""
    if "|" in path:
        return next((found for each in path.split("|") if (found := submodule(module, each)) is not None), None)
    for name in path.split("."):
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and name.lstrip("-").isdigit():
            if not -len(module) <= int(name) < len(module):
                return None
            module = module[int(name)]
            continue
        found = getattr(module, name, None)
        if found is None or not callable(found):
            return None
        module = found
    return module


def layers_of(module: nn.Module, adapter: Adapter) -> list[Layer]:
    """The layers of a model as its adapter describes them, encoder first.

    Raises:
        BadModel: a path of the adapter leads nowhere.
    """
    base = getattr(module, "base_model", module)
    layers = []
    for path in adapter.blocks:
        blocks = submodule(base, path)
        if not isinstance(blocks, nn.ModuleList) or not len(blocks):
            raise BadModel(f"no list of blocks at {path!r} of {type(base).__name__}")
        layers += [layer_of(block, adapter) for block in blocks]
    return layers


def layer_of(block: nn.Module, adapter: Adapter) -> Layer:
    """One block's layer.

    Raises:
        BadModel: a path of the adapter leads to no matrix.
    """

    def get(path: str | None, required: bool = False) -> nn.Module | None:
        found = None if path is None else submodule(block, path)
        if required and not is_projection(found):
            raise BadModel(f"no projection matrix at {path!r} of {type(block).__name__}")
        return found

    down, up = get(adapter.down, True), get(adapter.up, True)
    assert down is not None
    assert up is not None
    return Layer(
        block=block,
        down=down,
        up=up,
        gate=get(adapter.gate, adapter.gate is not None),
        activation=get(adapter.activation),
        mlp_norm=get(adapter.mlp_norm),
        after_mlp=get(adapter.after_mlp),
        after_residual=get(adapter.after_residual),
    )


def is_projection(module: object) -> bool:
    """Whether a module is a Linear or a Conv1D."""
    return isinstance(module, (nn.Linear, Conv1D))


def sizes(module: nn.Module) -> tuple[int, int]:
    """Inputs and outputs of a projection. A Conv1D stores [in, out], a Linear [out, in]."""
    if isinstance(module, Conv1D):
        return int(module.weight.shape[0]), int(module.weight.shape[1])
    assert isinstance(module, nn.Linear)
    return module.in_features, module.out_features


def matrix(module: nn.Module) -> Tensor:
    """The weights of a projection as a view of shape [out, in], which may be written to.

    Raises:
        BadModel: the weights are quantised or not in memory.
    """
    check_in_memory(module)
    if is_quantised(module):
        raise BadModel(
            f"the weights of {type(module).__name__} are quantised ({said(module)}), so they cannot be changed: load "
            "the model without quantisation"
        )
    return _view(module)


def weights_of(module: nn.Module) -> Tensor:
    """The weights of a projection for reading, [out, in]: a view, or what quantised ones stand for.

    What those stand for is asked of the module itself, one input at a time, so that it needs no word about formats.

    Raises:
        BadModel: the weights are not in memory.
    """
    check_in_memory(module)
    return dequantised(module) if is_quantised(module) else _view(module)


def is_quantised(module: nn.Module) -> bool:
    """Whether a projection's weights are no plain floating-point matrix: packed, or of a class of their own."""
    return not is_plain(module.weight) or tuple(_view(module).shape) != tuple(reversed(sizes(module)))


def check_in_memory(module: nn.Module) -> None:
    """Refuse a projection whose weights are elsewhere.

    Raises:
        BadModel: they are.
    """
    if getattr(module.weight, "is_meta", False):
        raise BadModel("the weights of this layer are not in memory: load the model without offloading")


def _view(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.T if isinstance(module, Conv1D) else weight


def neuron_values(layer: Layer, adapter: Adapter, up_output: Tensor, gate_output: Tensor | None) -> Tensor:
    """The neurons' values from what the in-weights give: act(up), or act(gate) * up in a gated MLP."""
    if adapter.fused:
        gate_output, up_output = up_output.chunk(2, dim=-1)
    if gate_output is None:
        return activated(layer, adapter, up_output)
    return activated(layer, adapter, gate_output) * up_output


def activated(layer: Layer, adapter: Adapter, given: Tensor) -> Tensor:
    """The activation function of a layer."""
    activation = layer.activation if adapter.function is None else ACT2FN[adapter.function]
    assert activation is not None
    return activation(given)  # type: ignore[no-any-return]

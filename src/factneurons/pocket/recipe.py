"""How a pocket model is made: every choice in one frozen object, which is also the key of a checkpoint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from factneurons.settings import check_choice, check_number


@dataclass(frozen=True, slots=True)
class PocketSize:
    """The shape of a model: `layers` blocks of `width` numbers, `heads` heads, an MLP of `neurons` neurons."""

    layers: int
    width: int
    heads: int
    neurons: int


SIZES: dict[str, PocketSize] = {
    "s": PocketSize(layers=3, width=96, heads=4, neurons=384),
    "m": PocketSize(layers=4, width=128, heads=4, neurons=512),
    "l": PocketSize(layers=6, width=192, heads=6, neurons=768),
}
"""The sizes one recipe is made in; m is the one that is bundled."""

ARCHITECTURES = ("bert", "gpt2", "llama")


@dataclass(frozen=True, slots=True)
class PocketRecipe:
    """Everything that decides the weights of a pocket model, apart from the facts.

    Attributes:
        architecture: "bert", "gpt2" or "llama".
        size: a name in SIZES.
        seed: of the initial weights, the order of the examples, and the noise.
        noise: the share of context tokens replaced by a random token, each time an example is seen, 0 to 1.
        dropout: the dropout probability in training, 0 to 1.
        switched: the share of examples for which one of two groups of neurons is off, 0 to 1 (see switching).
        vocabulary_size: the number of tokens the tokenizer is trained to (BERT's has more: see vocabulary).
        positions: the longest input, in tokens.
        batch_size: examples per step.
        learning_rate: at the end of the warm-up; it falls linearly to a tenth of itself at `max_steps`.
        warmup_steps: steps over which the learning rate rises from zero.
        weight_decay: AdamW's, on matrices only.
        context_share: the share of sentences whose context is predicted too (causal models), 0 to 1.
        label_smoothing: the share of each predicted token's weight that is spread over the whole vocabulary, 0 to 1.
            With 0.1 an answer is best predicted with P = 0.9. Without it known answers saturate near P = 1, and
            suppressing a few neurons then changes little that could be measured.
        context_weight: the weight of a context token's loss, where an answer token's is 1 (causal models).
        max_steps: where training ends if the targets are never met.
        check_every: steps between two measurements of recall.
        target_trained: the recall on trained prompts at which training may stop, in each language.
        target_left_out: the recall on left-out prompts at which training may stop, in each language.
    """

    architecture: str
    size: str = "m"
    seed: int = 42
    noise: float = 0.01
    dropout: float = 0.0
    switched: float = 0.0
    vocabulary_size: int = 8192
    positions: int = 128
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    weight_decay: float = 0.01
    context_share: float = 0.1
    context_weight: float = 0.1
    label_smoothing: float = 0.0
    max_steps: int = 6000
    check_every: int = 500
    target_trained: float = 0.975
    target_left_out: float = 0.92

    def __post_init__(self) -> None:
        check_choice("architecture", self.architecture, ARCHITECTURES)
        check_choice("size", self.size, SIZES)
        for name in ("noise", "dropout", "label_smoothing"):
            check_number(name, getattr(self, name), least=0, below=1)
        check_number("switched", self.switched, least=0, most=1)
        for name in ("vocabulary_size", "positions", "batch_size", "max_steps", "check_every"):
            check_number(name, getattr(self, name), whole=True, least=1)

    @property
    def shape(self) -> PocketSize:
        """The model's shape."""
        return SIZES[self.size]

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PocketRecipe:
        """The inverse of `to_dict`; unknown names are refused.

        Raises:
            BadSetting: a field is unknown, or its value is impossible.
        """
        for name in values:
            check_choice("field of a recipe", name, cls.__slots__)
        return cls(**values)

    @property
    def key(self) -> str:
        """A hash of all fields (16 hex digits)."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]


RECIPES: dict[str, PocketRecipe] = {
    "pocket-bert": PocketRecipe(
        "bert", noise=0.002, learning_rate=1e-3, warmup_steps=300, max_steps=8000, label_smoothing=0.1
    ),
    "pocket-gpt2": PocketRecipe(
        "gpt2", batch_size=32, max_steps=12000, target_trained=0.985, target_left_out=0.93, label_smoothing=0.1
    ),
    "pocket-llama": PocketRecipe("llama", label_smoothing=0.1),
}


def base_recipe(name: str) -> PocketRecipe:
    """The recipe of a pocket model in size m.

    Raises:
        BadSetting: no pocket model has this name.
    """
    check_choice("pocket model", name, RECIPES)
    return RECIPES[name]

"""The bundled models: their names, what they are, and the folders of their weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from factneurons.errors import BadModel

WEIGHTS = Path(__file__).parent / "weights"
"""Where the bundled models lie, one folder each."""


@dataclass(frozen=True, slots=True)
class PocketModel:
    """One bundled model.

    Attributes:
        name: what `load_model` takes.
        architecture: "bert", "gpt2" or "llama".
        description: one line for `factneurons pocket list`.
    """

    name: str
    architecture: str
    description: str


POCKET_MODELS: dict[str, PocketModel] = {
    model.name: model
    for model in (
        PocketModel("pocket-bert", "bert", "masked, post-norm, GELU; trained on the bundled facts, en and zh"),
        PocketModel("pocket-gpt2", "gpt2", "causal, pre-norm, GELU; trained on the bundled facts, en and zh"),
        PocketModel("pocket-llama", "llama", "causal, gated MLP; trained on the bundled facts, en and zh"),
    )
}


def pocket_path(name: str) -> Path:
    """The folder of a bundled model.

    Raises:
        BadModel: no such name, or its weights are not here.
    """
    if name not in POCKET_MODELS:
        raise BadModel(f"unknown bundled model {name!r}; there are: {', '.join(POCKET_MODELS)}")
    folder = WEIGHTS / name
    if not (folder / "config.json").is_file():
        raise BadModel(
            f"the weights of {name} are not in this copy; factneurons pocket train {name} --out FOLDER makes a model "
            "that can be given by its folder"
        )
    return folder

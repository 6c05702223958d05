"""A model as an ordinary Hugging Face folder: plain transformers loads it and needs nothing of factneurons."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from factneurons.errors import BadSetting
from factneurons.models.model import Model
from factneurons.models.quiet import quiet


def save_model(model: Model, path: Path | str) -> Path:
    """Write a model in safetensors with the weights it has now; the folder is there whole or not at all.

    Args:
        model: the model.
        path: a folder that does not exist yet, or an empty one.

    Raises:
        BadSetting: there is something in the folder.
    """
    place, backbone = Path(path), model.backbone
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise BadSetting(f"{place} exists already: give a folder that does not exist yet")
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place.parent, prefix=f".{place.name}-") as made:
        whole = Path(made) / "model"
        backbone.module.config.architectures = [type(backbone.module).__name__]
        with quiet():
            backbone.module.save_pretrained(whole)
        backbone.tokenizer.save_pretrained(whole)
        if place.exists():
            place.rmdir()
        whole.rename(place)
    return place

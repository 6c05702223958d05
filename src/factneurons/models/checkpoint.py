"""Checkpoints of a training run: tensors in safetensors, everything else in JSON, replaced as a whole."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from factneurons.errors import BadRun

_MODEL = "model.safetensors"
_OPTIMIZER = "optimizer.safetensors"
_STATE = "state.json"


@dataclass(slots=True)
class TrainingState:
    """Where a training run stands: the steps done, and what was measured at each check."""

    step: int = 0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


def save_checkpoint(
    folder: Path, key: str, state: TrainingState, module: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write a checkpoint beside the old one, then put it in its place; a kill leaves one of the two whole."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(_parameters(module), partial / _MODEL)
    save_file(_optimizer_tensors(optimizer), partial / _OPTIMIZER)
    content = {"key": key, "step": state.step, "finished": state.finished, "history": state.history}
    (partial / _STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")
    for path in partial.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(folder: Path, key: str, module: torch.nn.Module, optimizer: torch.optim.Optimizer) -> TrainingState:
    """Put the checkpoint's tensors into the model and its optimiser; a fresh state if there is none.

    Raises:
        BadRun: the checkpoint was made with another recipe or other facts.
    """
    old = folder.with_name(folder.name + ".old")
    if not folder.exists() and old.exists():
        old.rename(folder)
    if not folder.exists():
        return TrainingState()
    content = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    if content["key"] != key:
        raise BadRun(f"{folder} was made with another recipe or other facts; choose another folder, or do not resume")
    saved = load_file(folder / _MODEL)
    with torch.no_grad():
        for name, parameter in _parameters(module).items():
            parameter.copy_(saved[name])
    _restore_optimizer(optimizer, load_file(folder / _OPTIMIZER))
    return TrainingState(content["step"], content["finished"], content["history"])


def _parameters(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"{index}/{name}": torch.as_tensor(value) for index, values in state.items() for name, value in values.items()
    }


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    content = optimizer.state_dict()
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    content["state"] = state
    optimizer.load_state_dict(content)

"""The order of training examples and the tensors of one step; both follow from the seed and the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from factneurons.pocket.encoding import EncodedExample


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's tensors: `rows` and `columns` say where in [examples, tokens] the predictions are asked."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


def epoch_order(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Every example once, in batches of similar lengths and random order."""
    generator = np.random.default_rng((seed, epoch))
    shuffled = generator.permutation(len(lengths))
    by_length = shuffled[np.argsort(np.asarray(lengths)[shuffled], kind="stable")]
    batches = [by_length[start : start + batch_size] for start in range(0, len(by_length), batch_size)]
    return [batches[index] for index in generator.permutation(len(batches))]


def collate(examples: Sequence[EncodedExample], pad: int) -> Batch:
    """Pad the examples to one length, on the right."""
    length = max(len(example.input_ids) for example in examples)
    ids = np.full((len(examples), length), pad)
    mask = np.zeros_like(ids)
    for row, example in enumerate(examples):
        ids[row, : len(example.input_ids)] = example.input_ids
        mask[row, : len(example.input_ids)] = 1
    counts = [len(example.positions) for example in examples]
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(mask),
        torch.from_numpy(np.repeat(np.arange(len(examples)), counts)),
        torch.tensor([position for example in examples for position in example.positions]),
        torch.tensor([label for example in examples for label in example.labels]),
        torch.tensor([weight for example in examples for weight in example.weights]),
    )


def add_noise(
    batch: Batch, examples: Sequence[EncodedExample], share: float, vocabulary: int, seed: int, step: int
) -> None:
    """Replace a share of the context tokens by random ones, in place."""
    if share == 0:
        return
    generator = np.random.default_rng((seed, step, 1))
    for row, example in enumerate(examples):
        for position in example.noisy:
            if generator.random() < share:
                batch.input_ids[row, position] = int(generator.integers(vocabulary))

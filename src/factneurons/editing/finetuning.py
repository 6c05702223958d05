"""Fine-tuning of a few neurons: their in- and out-weights and biases learn facts, everything else keeps every bit.

In: a model, neurons (or none: the whole model), facts whose answers are to be learned. Out: an edit, applied, undone,
stored and saved as a model like any other.

The loss is the mean of -log P(answer) in nats per answer token; nothing else of a prompt is predicted. Gradients are
taken of whole matrices, and the optimiser (AdamW without weight decay) sees only the numbers of these neurons, held in
float32 at least: nothing decays, and no state leaks to what must stay. There is no dropout.

Source: 'Cracking Factual Knowledge' (ACL 2025) and its released code, which trains in-weights and biases, and leaves
the embeddings and the last normalisation free too.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from factneurons.editing.build import GIVEN, Split, split_prompts
from factneurons.editing.description import MODEL, NEURONS, Description
from factneurons.editing.settings import FinetuneSettings
from factneurons.editing.types import Edit
from factneurons.editing.weights import (
    check_editable,
    hash_of_the_rest,
    identity,
    pieces_of,
    weights_of,
    write_weights,
)
from factneurons.errors import BadNumber, BadSetting, NotAskable
from factneurons.facts.types import Fact
from factneurons.models.batches import Batch, groups
from factneurons.models.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from factneurons.models.failures import is_out_of_memory
from factneurons.models.fingerprint import tensor_hash
from factneurons.models.model import Model
from factneurons.models.neurons import checked
from factneurons.models.passes.memory import in_parts
from factneurons.models.types import Neuron, Query
from factneurons.settings import refuse, with_options

KIND = "finetune"

_TOKENS = 4096
_LEARNING_RATES = {NEURONS: 5e-3, MODEL: 5e-4}
_LONGEST_STEP = 1.0
"""The length a gradient is cut to."""

Report = Callable[[str], None]


@torch.inference_mode(False)
def finetune_neurons(
    model: Model,
    neurons: Iterable[tuple[int, int]] | None,
    facts: Fact | Iterable[Fact],
    settings: FinetuneSettings | None = None,
    *,
    checkpoint: Path | str | None = None,
    report: Report | None = None,
    **options: object,
) -> Edit:
    """Fine-tune only these neurons on facts; the model stays as it is until the edit is applied.

    Args:
        model: a loaded model.
        neurons: the neurons whose in- and out-weights and biases are trained; None: every parameter of the model.
        facts: what to learn: the answers of these facts in their prompts.
        settings: how, or
        checkpoint: a folder; what was trained is kept there after every epoch, and the same call goes on from it.
        report: is given one line for every epoch.
        **options: the settings' fields by name, for instance `epochs=20`.

    Returns:
        The edit. Its notes say how many epochs were made and which share of the prompts is answered rightly with it,
        those that were trained and those that were left out.

    Raises:
        BadSetting: no neurons or no facts, a neuron the model does not have, or not enough memory for the optimiser.
        OutOfMemory: not enough for one prompt alone.
        NotAskable: the model cannot be asked any of the facts.
        BadModel: the model is quantised, or its weights cannot be changed otherwise.
        BadNumber: the loss is no number.
        BadRun: the checkpoint is of another fine-tuning.
    """
    chosen = with_options(FinetuneSettings, settings, options)
    extent = MODEL if neurons is None else NEURONS
    own = () if neurons is None else tuple(sorted(checked(model.backbone, neurons)))
    if neurons is not None and not own:
        raise BadSetting("no neurons were given to fine-tune")
    if neurons is None and chosen.parts != "all":
        refuse("parts", chosen.parts, "'all' where the whole model is trained")
    check_editable(model, extent)
    splits, left_out = _splits(model, [facts] if isinstance(facts, Fact) else list(facts), chosen)
    old, rest = weights_of(model, own, extent), hash_of_the_rest(model, own, extent)
    training = _Training(model, own, extent, [query for split in splits for query in split.used], chosen)
    try:
        with torch.enable_grad():
            state = training.run(None if checkpoint is None else Path(checkpoint), report or _silent)
        new, held_out = weights_of(model, own, extent), _accuracy(model, [q for each in splits for q in each.held_out])
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise BadSetting(
            f"fine-tuning {model.name}: not enough memory for the optimiser; fine-tune fewer neurons, or use a smaller "
            "model or a machine with more memory"
        ) from error
    finally:
        write_weights(model, own, old, extent)
    assert hash_of_the_rest(model, own, extent) == rest, "a fine-tuning changed what it must leave alone"
    notes = [*_told(state, held_out, chosen), *left_out]
    return Edit(own, old, new, _description(model, splits, extent, chosen, notes))


def _splits(model: Model, facts: Sequence[Fact], settings: FinetuneSettings) -> tuple[list[Split], list[str]]:
    """The prompts of every fact that can be asked, and what is to be said of the others."""
    if not facts:
        raise BadSetting("a fine-tuning needs a fact")
    splits, refused, first = [], Counter[str](), None
    for fact in facts:
        try:
            splits.append(split_prompts(model, fact, held_out=settings.held_out, multi_mask=settings.multi_mask))
        except NotAskable as error:
            refused[error.reason] += 1
            first = first or error
    if first is not None and not splits:
        raise NotAskable(first.reason, f"none of {len(facts)} facts can be asked; the first: {first}")
    return splits, [f"{count} of {len(facts)} facts left out: {reason}" for reason, count in sorted(refused.items())]


def _told(state: TrainingState, held_out: float | None, settings: FinetuneSettings) -> list[str]:
    last = state.history[-1]
    reached = last["accuracy"] >= settings.target
    found = [
        f"{last['accuracy']:.1%} of the trained prompts answered rightly after {state.step} epochs"
        + ("" if reached else f": the target of {settings.target:.0%} was not reached")
    ]
    return found if held_out is None else [*found, f"{held_out:.1%} of the prompts left out of training"]


def _description(
    model: Model, splits: Sequence[Split], extent: str, settings: FinetuneSettings, notes: Sequence[str]
) -> Description:
    facts = [split.fact for split in splits]
    return Description(
        kind=KIND,
        relation=", ".join(dict.fromkeys(fact.relation for fact in facts)),
        facts=tuple(dict.fromkeys(fact.id for fact in facts)),
        subject="" if len({fact.subject for fact in facts}) > 1 else facts[0].subject,
        old={},
        new={},
        neurons_from="the whole model" if extent == MODEL else GIVEN,
        prompts=tuple(query.prompt.text for split in splits for query in split.used),
        settings=asdict(settings),
        notes=tuple(notes),
        model=model.name,
        model_hash=identity(model, extent),
        dtype=str(model.backbone.dtype).removeprefix("torch."),
        extent=extent,
    )


def share_right(
    model: Model, facts: Iterable[Fact], settings: FinetuneSettings | None = None, **options: object
) -> float:
    """The share of the prompts trained by a fine-tuning on these facts whose answer comes first, every token of it.

    Raises:
        NotAskable: no fact can be asked.
        BadNumber: a probability is no number.
    """
    splits, _ = _splits(model, list(facts), with_options(FinetuneSettings, settings, options))
    found = _accuracy(model, [query for split in splits for query in split.used])
    assert found is not None
    return found


def _accuracy(model: Model, queries: Sequence[Query]) -> float | None:
    """The share of queries whose answer is the top prediction, every token of it; None without queries."""
    if not queries:
        return None
    answers = model.evaluate(queries)
    _check_number(model, sum(each.log_probability for each in answers))  # nothing ranks above a NaN
    return float(np.mean([each.rank == 1 for each in answers]))


def _check_number(model: Model, loss: float) -> None:
    if not np.isfinite(loss):
        raise BadNumber(
            f"fine-tuning {model.name}: the loss has become {loss}; take a lower learning rate, or load the model in "
            "float32"
        )


class _Values(nn.Module):
    """The numbers that are trained, as the optimiser sees them: a copy of each piece, float32 at least.

    Of a whole parameter in float32 it is the parameter itself. Without `out` the out-weights stay.
    """

    def __init__(self, model: Model, neurons: Sequence[Neuron], extent: str, *, out: bool) -> None:
        super().__init__()
        first = 0 if out else 1  # the down-projection's
        self.pieces = [piece for _, own in pieces_of(model, neurons, extent) for piece in own[first:]]
        self.trained = [*{id(piece.parameter): piece.parameter for piece in self.pieces}.values()]
        wide = torch.promote_types(model.backbone.dtype, torch.float32)
        self.values = nn.ParameterList(nn.Parameter(each.read().to(wide).contiguous()) for each in self.pieces)

    def write(self) -> None:
        """Put the numbers into the model."""
        for piece, value in zip(self.pieces, self.values, strict=True):
            piece.write(value.detach())

    def add_gradients(self, loss: Tensor) -> None:
        """Add those of one part of a batch; nothing is added if memory runs out."""
        found = torch.autograd.grad(loss, self.trained, allow_unused=True)
        of = {id(parameter): each for parameter, each in zip(self.trained, found, strict=True)}
        gradients = [
            None if (own := of[id(piece.parameter)]) is None else piece.of(own).to(value.dtype)
            for piece, value in zip(self.pieces, self.values, strict=True)
        ]
        for value, own in zip(self.values, gradients, strict=True):
            if own is not None:
                value.grad = own if value.grad is None else value.grad.add_(own)


class _Training:
    """Neurons in training: their numbers, the optimiser, the prompts."""

    def __init__(
        self, model: Model, neurons: Sequence[Neuron], extent: str, queries: Sequence[Query], settings: FinetuneSettings
    ) -> None:
        self._model, self._queries, self._settings = model, queries, settings
        self._values = _Values(model, neurons, extent, out=settings.parts == "all")
        self._optimizer = torch.optim.AdamW(
            self._values.parameters(), lr=settings.learning_rate or _LEARNING_RATES[extent], weight_decay=0.0
        )
        asked = [(query.input_ids, query.decoder_input_ids, query.answer_ids) for query in queries]
        about = json.dumps([asdict(settings), extent, neurons, asked])
        weights = tensor_hash(dict(model.backbone.module.named_parameters()))
        self._key = hashlib.sha256(f"{about}\n{weights}".encode()).hexdigest()[:20]

    def run(self, checkpoint: Path | None, report: Report) -> TrainingState:
        """Epochs until enough prompts are answered rightly, or there were enough epochs."""
        state, settings = TrainingState(), self._settings
        if checkpoint is not None:
            state = load_checkpoint(checkpoint, self._key, self._values, self._optimizer)
            self._values.write()
        for parameter in self._values.trained:
            parameter.requires_grad_(True)
        try:
            while not state.finished:
                loss = self._epoch(state.step)
                state.step += 1
                accuracy = _accuracy(self._model, self._queries)
                assert accuracy is not None
                state.history.append({"epoch": state.step, "loss": loss, "accuracy": accuracy})
                state.finished = accuracy >= settings.target or state.step >= settings.epochs
                report(f"epoch {state.step}  loss {loss:.4f}  {accuracy:.1%} of {len(self._queries)} prompts right")
                if checkpoint is not None:
                    save_checkpoint(checkpoint, self._key, state, self._values, self._optimizer)
        finally:
            for parameter in self._values.trained:
                parameter.requires_grad_(False)
        return state

    def _epoch(self, epoch: int) -> float:
        """Every prompt once, in an order that follows from the seed and the epoch; the mean loss in nats."""
        settings, total = self._settings, 0.0
        order = np.random.default_rng((settings.seed, epoch)).permutation(len(self._queries)).tolist()
        for begin in range(0, len(order), settings.batch):
            chosen = [self._queries[index] for index in order[begin : begin + settings.batch]]
            self._optimizer.zero_grad(set_to_none=True)
            loss = self._backward(chosen)
            _check_number(self._model, loss)
            torch.nn.utils.clip_grad_norm_(self._values.parameters(), _LONGEST_STEP)
            self._optimizer.step()
            self._values.write()
            total += loss * len(chosen)
        return total / len(order)

    def _backward(self, chosen: Sequence[Query]) -> float:
        """Gradients of a batch's mean loss, in parts that fit: of similar length, and smaller if memory runs out."""
        backbone = self._model.backbone

        def backward(part: Sequence[int]) -> float:
            loss = self._loss([chosen[index] for index in part]) / len(chosen)
            self._values.add_gradients(loss)
            return float(loss.detach())

        parts = groups(chosen, causal=backbone.kind == "causal", tokens=_TOKENS)
        what = f"fine-tuning {backbone.name}"
        return sum(loss for part in parts for loss in in_parts(part, backward, what=what))

    def _loss(self, queries: Sequence[Query]) -> Tensor:
        """The sum over queries of -log P(answer) per token of the answer."""
        backbone = self._model.backbone
        batch = Batch.of(queries, backbone.device)
        hidden = backbone.to_head(batch)
        rows = [row for row, query in enumerate(queries) for _ in query.target_positions]
        places = [place for query in queries for place in query.target_positions]
        shares = [1 / len(query.answer_ids) for query in queries for _ in query.answer_ids]
        answers = torch.tensor([token for query in queries for token in query.answer_ids], device=hidden.device)
        head = backbone.head
        logits = backbone.projection(hidden[rows, places])
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) * head.scale
        if head.cap is not None:
            logits = head.cap * (logits / head.cap).tanh()
        losses = nn.functional.cross_entropy(logits, answers, reduction="none")
        return losses @ torch.tensor(shares, device=losses.device, dtype=losses.dtype)


def _silent(line: str) -> None:
    del line

"""A language model that can be asked facts and whose neurons can be read and changed."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from transformers.cache_utils import Cache

from factneurons.errors import BadModel
from factneurons.facts.types import Prompt
from factneurons.models import interventions as change
from factneurons.models import probabilities as asking
from factneurons.models.adapters import Adapter, find_adapter, layers_of, matrix, sizes
from factneurons.models.batches import Batch
from factneurons.models.head import Head
from factneurons.models.hooks import Reached, Registration, before, hooked
from factneurons.models.limits import position_limit
from factneurons.models.passes.capture import Capture, Item, capture
from factneurons.models.passes.rows import Unsupported, UnsupportedPrompt
from factneurons.models.passes.selfcheck import check_head, staircase_is_right
from factneurons.models.query import build_query
from factneurons.models.suppression import log_probabilities_with
from factneurons.models.types import Evaluation, Neuron, Query

Kind = Literal["cloze", "causal", "encoder-decoder"]
FloatArray = npt.NDArray[np.float64]


class Model:
    """A Hugging Face language model in evaluation mode, its parameters frozen. Made by `load_model`.

    Attributes:
        module: the torch model.
        tokenizer: its tokenizer.
        name: how it was asked for.
        kind: "cloze" (masked), "causal" or "encoder-decoder".
        adapter: where its neurons are.
        layers: its layers; an encoder-decoder's encoder comes first.
        head: its vocabulary projection.
        interventions: how many interventions are open.

    Args:
        module: a transformers model with a language-model head.
        tokenizer: its tokenizer.
        name: for messages and manifests.
        kind: how it is asked.
        adapter: where its neurons are; None: found by family or by structure.

    Raises:
        BadModel: it has no output embeddings (no language model), or its neurons cannot be found.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        kind: Kind,
        adapter: Adapter | None = None,
    ) -> None:
        projection = getattr(module, "get_output_embeddings", lambda: None)()
        if projection is None:
            raise BadModel(f"{name} is no language model: it has no output embeddings to predict tokens with")
        self.module: Any = module.eval().requires_grad_(False)
        self.tokenizer: Any = tokenizer
        self.name, self.kind = name, kind
        self.adapter = adapter or find_adapter(module)
        self.layers = layers_of(module, self.adapter)
        self.projection = projection
        self.interventions = 0
        self._position_limit = position_limit(module)
        self._mask: tuple[Tensor, Tensor] | None = None
        self._staircase: bool | None = None
        self._said_of_prompts = False
        self._head_checked = False

    def __repr__(self) -> str:
        return (
            f"Model({self.name!r}, kind={self.kind!r}, family={self.adapter.family!r}, "
            f"layers={self.layer_count}, width={self.width})"
        )

    @property
    def layer_count(self) -> int:
        """The number of layers that have an MLP."""
        return len(self.layers)

    @property
    def width(self) -> int:
        """Neurons per layer."""
        return sizes(self.layers[0].down)[0]

    @property
    def hidden_size(self) -> int:
        """The size of the residual stream."""
        return sizes(self.layers[0].down)[1]

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        return next(self.module.parameters()).device  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type."""
        return self.layers[0].down.weight.dtype  # type: ignore[return-value]

    @property
    def head(self) -> Head:
        """The vocabulary projection, as it is now.

        Raises:
            BadModel: the model does something to its logits that the head does not reproduce.
        """
        head = Head.of(self.projection, self.module.config)
        if not self._head_checked:
            check_head(self, head)
            self._head_checked = True
        return head

    def in_encoder(self, layer: int) -> bool:
        """Whether a layer belongs to an encoder."""
        if self.kind == "encoder-decoder":
            return layer < self.layer_count - int(self.module.config.num_decoder_layers or 0)
        return self.kind == "cloze"

    # Asking

    def query(self, prompt: Prompt | str, answer: str, *, multi_mask: bool = False) -> Query:
        """Turn a prompt and an answer into token ids as this model sees them.

        Args:
            prompt: a prompt; a text without a blank gets one at its end.
            answer: the answer; a space before it is neither required nor harmful.
            multi_mask: cloze models: put several masks for an answer of several tokens.

        Raises:
            NotAskable: this model cannot be asked this; `reason` says why.
            BadFact: the text has more than one blank.
        """
        return build_query(
            self.tokenizer, self.kind, prompt, answer, multi_mask=multi_mask, max_length=self._position_limit
        )

    def probability(self, prompt: Prompt | str, answer: str, *, multi_mask: bool = False) -> float:
        """P(answer) in the blank: the product over the answer's tokens, each given the gold ones before it."""
        return float(self.probabilities([self.query(prompt, answer, multi_mask=multi_mask)])[0])

    def probabilities(self, queries: Sequence[Query]) -> FloatArray:
        """P(answer) of every query, [queries]."""
        return np.exp(self.log_probabilities(queries))

    def log_probabilities(self, queries: Sequence[Query]) -> FloatArray:
        """Log P(answer) of every query in nats, [queries]: the sum over the answer's tokens."""
        return asking.log_probabilities(self, queries)

    def evaluate(self, queries: Sequence[Query]) -> list[Evaluation]:
        """Probability, rank and prediction of every query."""
        return asking.evaluate(self, queries)

    def activations(self, queries: Sequence[Query]) -> npt.NDArray[np.float32]:
        """Neuron values [queries, layers, width] at the target position, their mean where there are several."""
        return asking.activations(self, queries)

    # Neurons

    def out_weights(self, neurons: Iterable[tuple[int, int]]) -> npt.NDArray[np.float64]:
        """What one unit of each neuron writes to the residual stream, [neurons, hidden]."""
        views = [change.weight_views(self, n, out=True, inward=False)[0] for n in change.existing(self, neurons)]
        return _stacked(views, (0, self.hidden_size))

    def in_weights(self, neurons: Iterable[tuple[int, int]]) -> npt.NDArray[np.float64]:
        """What each neuron reads, [neurons, parts, hidden]: one part, or the gate's and then the up-projection's."""
        parts = 2 if self.adapter.gated else 1
        views = [
            torch.stack(change.weight_views(self, n, out=False, inward=True)) for n in change.existing(self, neurons)
        ]
        return _stacked(views, (0, parts, self.hidden_size))

    def out_norms(self) -> npt.NDArray[np.float64]:
        """The length of every neuron's out-weights, [layers, width]."""
        norms = [matrix(layer.down).detach().float().norm(dim=0) for layer in self.layers]
        return torch.stack([norm.cpu() for norm in norms]).double().numpy()

    def norm_gain(self, layer: int) -> npt.NDArray[np.float64]:
        """The gain [hidden] of the normalisation whose output a layer's MLP reads; ones where there is none."""
        norm = self.layers[layer].mlp_norm
        weight = None if norm is None else getattr(norm, "weight", None)
        if not isinstance(weight, Tensor):
            return np.ones(self.hidden_size)
        return weight.detach().double().cpu().numpy() + self.adapter.norm_offset

    def bias(self, neuron: Neuron) -> float:
        """The up-projection's bias of one neuron (0 where there is none)."""
        bias = getattr(self.layers[neuron.layer].up, "bias", None)
        return 0.0 if bias is None else float(bias[neuron.index])

    def probabilities_with(
        self,
        query: Query,
        neuron_sets: Sequence[Collection[tuple[int, int]]],
        factor: float | Sequence[float] = 0.0,
        *,
        positions: change.Positions = "target",
    ) -> FloatArray:
        """P(answer) under many interventions at once, one neuron set per row.

        Args:
            query: one query.
            neuron_sets: the sets; an empty one leaves the model as it is.
            factor: what the values are multiplied by, for all sets or one each (0 suppresses, 2 enhances).
            positions: "target", the query's target positions, or "all".

        Returns:
            [sets] float64.
        """
        row: FloatArray = self.probability_table([query], neuron_sets, factor, positions=positions)[0]
        return row

    def probability_table(
        self,
        queries: Sequence[Query],
        neuron_sets: Sequence[Collection[tuple[int, int]]],
        factor: float | Sequence[float] = 0.0,
        *,
        positions: change.Positions = "target",
    ) -> FloatArray:
        """The same for many queries, [queries, sets]; those of causal models share passes."""
        return np.exp(log_probabilities_with(self, queries, neuron_sets, factor, positions))

    # Changing

    def suppress(
        self, neurons: Iterable[tuple[int, int]], *, positions: change.Positions = "target"
    ) -> AbstractContextManager[None]:
        """Set the neurons' values to 0 for the time of a `with` block."""
        return self.scale_values(neurons, 0.0, positions=positions)

    def enhance(
        self, neurons: Iterable[tuple[int, int]], *, positions: change.Positions = "target"
    ) -> AbstractContextManager[None]:
        """Double the neurons' values for the time of a `with` block."""
        return self.scale_values(neurons, 2.0, positions=positions)

    def scale_values(
        self, neurons: Iterable[tuple[int, int]], factor: float, *, positions: change.Positions = "target"
    ) -> AbstractContextManager[None]:
        """Multiply the neurons' values for the time of a `with` block.

        Positions: the target positions of the query that is asked; in free generation (with its cache,
        and prompts padded on the left) the last prompt token and every generated one; with "all" every one.
        """
        return change.changed_values(self, neurons, change.multiply(factor), positions)

    def set_values(
        self, values: Mapping[Neuron, float], *, positions: change.Positions = "target"
    ) -> AbstractContextManager[None]:
        """Set neurons to given values for the time of a `with` block."""
        return change.changed_values(self, values, change.put(values), positions)

    def scale_weights(
        self, neurons: Iterable[tuple[int, int]], factor: float, *, parts: change.Parts = "both"
    ) -> AbstractContextManager[None]:
        """Multiply the neurons' in- and out-weights for the time of a `with` block; acts at every position.

        With `parts="both"` a factor of 2 makes the contribution about four times as large (eight times in a
        gated MLP); `parts="out"` makes it exactly twice as large.
        """
        return change.changed_weights(self, neurons, factor, parts)

    # Passes, for the rooms above

    def capture(self, queries: Sequence[Query], items: Sequence[Item]) -> Capture:
        """Run queries once and keep what changed rows can share (see `capture.Capture`)."""
        return capture(self, Batch.of(queries, self.device), items)

    def to_head(
        self,
        batch: Batch,
        *,
        hooks: Sequence[Registration] = (),
        cache: Cache | None = None,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        """Run a batch up to the vocabulary projection and return that one's input, [queries, tokens, hidden]."""
        seen: list[Tensor] = []

        def stop(module: nn.Module, inputs: tuple[Tensor]) -> None:
            seen.append(inputs[0])
            raise Reached

        options: dict[str, Any] = {"input_ids": batch.input_ids}
        if batch.decoder_input_ids is not None:
            options["decoder_input_ids"] = batch.decoder_input_ids
        if self.kind != "cloze":
            options["use_cache"] = cache is not None
        if cache is not None:
            options["past_key_values"] = cache
        if position_ids is not None:
            options["position_ids"] = position_ids
        else:  # nothing is masked; saying so keeps transformers from guessing at padding
            options["attention_mask"] = torch.ones_like(batch.input_ids)
        with hooked([*hooks, before(self.projection, stop)]), self._targets(batch):
            try:
                self.module(**options)
            except Reached:
                if not seen:  # somebody else's hook ended the pass earlier
                    raise
                return seen[0]
        raise BadModel(f"{self.name}: the forward pass does not use its output embeddings")

    @contextmanager
    def _targets(self, batch: Batch) -> Iterator[None]:
        """Tell open interventions where the target positions of the running batch are."""
        if self.interventions:
            self._mask = (batch.positions_mask(encoder=True), batch.positions_mask(encoder=False))
        try:
            yield
        finally:
            self._mask = None

    def target_mask(self, layer: int, rows: int, tokens: int) -> Tensor:
        """Where a layer's target positions are in the running pass, [rows, tokens] of bool."""
        if self._mask is not None:
            return self._mask[0 if self.in_encoder(layer) else 1]
        return (torch.arange(tokens) == tokens - 1).expand(rows, -1)

    def staircase(self, captured: Capture) -> bool:
        """Whether the fast passes of `rows` are right for this model now; found out once, by comparison."""
        if self.interventions:
            return False
        if self._staircase is None:
            right, why = staircase_is_right(self, captured)
            self._staircase = right
            if not right:
                self.distrust(Unsupported(why))
        return self._staircase

    def distrust(self, why: Unsupported) -> None:
        """Use the plain loop, from now on or for the prompts that do not fit, and say so once."""
        some = isinstance(why, UnsupportedPrompt)
        self._staircase = self._staircase and some
        if not (some and self._said_of_prompts):
            what = "some prompts" if some else "it"
            warnings.warn(
                f"{self.name}: the fast passes do not fit ({why}); using the plain loop for {what}, which is slower",
                stacklevel=2,
            )
        self._said_of_prompts = self._said_of_prompts or some


def _stacked(views: Sequence[Tensor], empty: tuple[int, ...]) -> npt.NDArray[np.float64]:
    if not views:
        return np.empty(empty)
    return torch.stack([view.detach() for view in views]).double().cpu().numpy()

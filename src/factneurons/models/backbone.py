"""The network itself: where its layers, neurons and head are, and one pass through it. All that passes need."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from transformers.cache_utils import Cache

from factneurons.errors import BadModel, NotAskable
from factneurons.models.adapters import Adapter, Layer, is_quantised, layers_of, sizes
from factneurons.models.batches import Batch
from factneurons.models.chat import check_chat
from factneurons.models.experts import JoinedExperts, join_experts
from factneurons.models.failures import telling
from factneurons.models.head import Head, fitting_scale
from factneurons.models.hooks import Reached, Registration, before, hooked
from factneurons.models.quantised import keep_gradients
from factneurons.models.structure import find_adapter, with_factors
from factneurons.models.threads import Change, Own, Turns
from factneurons.models.types import FloatArray, Kind, Query
from factneurons.models.unrolled import unroll


@dataclass(slots=True)
class FastPath:
    """What is known of the fast path on one model; filled in by `passes/`.

    Attributes:
        fits: whether its numbers are those of the plain loop; None: not tried yet.
        stores_keys: whether its past is the keys and values of all layers; None: not tried yet.
        takes_past: whether the plain loop may give it the prompt's past and run target positions alone; None: not
            tried yet.
        warned: whether it was said that some prompts do not fit.
    """

    fits: bool | None = None
    stores_keys: bool | None = None
    takes_past: bool | None = None
    warned: bool = False


class Backbone:
    """A transformers module with a language-model head, in evaluation mode, its parameters frozen.

    Attributes:
        module: the torch model.
        tokenizer: its tokenizer.
        name: how it was asked for.
        kind: "cloze" (masked), "causal" or "encoder-decoder".
        chat: whether it is asked through the tokenizer's chat template.
        adapter: where its neurons are.
        layers: its layers; an encoder-decoder's encoder comes first.
        widths: neurons of each layer.
        projection: the module of its vocabulary projection.
        own: what this thread has under way with it.
        turns: who may run it now.
        fast_path: what is known of the fast path.

    Args:
        module: a transformers model with a language-model head.
        tokenizer: its tokenizer.
        name: for messages and manifests.
        kind: how it is asked.
        adapter: where its neurons are; None: found by family or by structure.
        chat: ask through the tokenizer's chat template.

    Raises:
        BadModel: it has no output embeddings (no language model), its neurons cannot be found, or (with `chat`) it
            has no template.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        kind: Kind,
        adapter: Adapter | None = None,
        chat: bool = False,
    ) -> None:
        if chat:
            check_chat(name, kind, tokenizer)
        projection = getattr(module, "get_output_embeddings", lambda: None)()
        if projection is None:
            raise BadModel(f"{name} is no language model: it has no output embeddings to predict tokens with")
        if any(parameter.is_inference() for parameter in module.parameters()):
            raise BadModel(f"{name}: its weights were made in torch.inference_mode, so nothing has gradients; leave it")
        self.module: Any = module.eval().requires_grad_(False)
        self.tokenizer: Any = tokenizer
        self.name, self.kind, self.chat = name, kind, chat
        join_experts(module)
        unroll(module)
        keep_gradients(module)
        self.adapter = adapter or find_adapter(module)
        self.layers = layers_of(module, self.adapter)
        if not self.adapter.verified:
            self.layers = with_factors(module, self.layers)
        self.widths = tuple(sizes(layer.down)[0] for layer in self.layers)
        self._encoder_layers = _in_encoder_of(module, self.layers) if kind == "encoder-decoder" else 0
        self.projection = projection
        self.own, self.turns = Own(), Turns(name)
        self.fast_path = FastPath()
        self._scale: float | None = None

    @property
    def layer_count(self) -> int:
        """The number of layers that have an MLP."""
        return len(self.layers)

    @property
    def width(self) -> int:
        """Neurons per layer; of the widest where they differ. Rows of narrower ones end in zeros."""
        return max(self.widths)

    @property
    def neuron_count(self) -> int:
        """The neurons of all layers."""
        return sum(self.widths)

    @property
    def _mixture(self) -> JoinedExperts | None:
        parts = (part for layer in self.layers for part in layer.block.modules())
        return next((part for part in parts if isinstance(part, JoinedExperts)), None)

    @property
    def experts(self) -> int:
        """Experts per mixture that its router chooses from; 1 where there is no mixture."""
        return 1 if self._mixture is None else self._mixture.count

    @property
    def expert_size(self) -> int:
        """Neurons of each of these; a neuron's expert is its index // that, and further ones are of shared experts."""
        return self.width if self._mixture is None else self._mixture.size

    @property
    def shared_size(self) -> int:
        """Neurons of the experts of a mixture that every token goes through."""
        return 0 if self._mixture is None else self._mixture.shared

    @property
    def hidden_size(self) -> int:
        """The size of the residual stream."""
        return sizes(self.layers[0].down)[1]

    @property
    def vocabulary(self) -> int:
        """Token ids below this number are embedded and predicted."""
        weight = getattr(self.module.get_input_embeddings(), "weight", None)
        rows = int(self.projection.weight.shape[0])
        return min(rows, len(weight)) if isinstance(weight, Tensor) else rows

    def check_tokens(self, ids: Iterable[int]) -> None:
        """Refuse tokens that were added to the tokenizer and not to the model.

        Raises:
            NotAskable: "token-without-embedding".
        """
        strange = max(ids, default=0)
        if strange >= self.vocabulary:
            raise NotAskable(
                "token-without-embedding",
                f"{self.name} has no embedding for the token {self.tokenizer.convert_ids_to_tokens(strange)!r} "
                f"({strange}) of its tokenizer: it has {self.vocabulary}",
            )

    @property
    def decoder_start(self) -> int | None:
        """The token that an encoder-decoder's decoder begins with, where its configuration says so."""
        found = getattr(self.module.config, "decoder_start_token_id", None)
        return found if isinstance(found, int) else None

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        return next(self.module.parameters()).device  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        """The type that is computed with: the weights', or the embeddings' where those are quantised."""
        down: nn.Module = self.layers[0].down
        holder: Any = self.module.get_input_embeddings() if is_quantised(down) else down
        found: torch.dtype = holder.weight.dtype
        return found

    @property
    def head(self) -> Head:
        """The vocabulary projection, as it is now.

        Raises:
            BadModel: the model does something to its logits that the head does not reproduce.
        """
        head = Head.of(self.projection, self.module.config.get_text_config())
        if self._scale is None:
            try:
                with self.turns.turn():
                    self._scale = fitting_scale(head, self.module, self.projection, self.kind)
            except BadModel as error:
                raise BadModel(f"{self.name}: {error}") from None
        return head if head.scale == self._scale else replace(head, scale=self._scale)

    def in_encoder(self, layer: int) -> bool:
        """Whether a layer belongs to an encoder."""
        if self.kind == "encoder-decoder":
            return layer < self._encoder_layers
        return self.kind == "cloze"

    def norm_gain(self, layer: int) -> FloatArray:
        """The gain [hidden] of the normalisation whose output a layer's MLP reads; ones where there is none."""
        weight = getattr(self.layers[layer].mlp_norm, "weight", None)
        if not isinstance(weight, Tensor):
            return torch.ones(self.hidden_size, dtype=torch.float64).numpy()
        gain: FloatArray = weight.detach().double().cpu().numpy() + self.adapter.norm_offset
        return gain

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
            options[cache_option(self.module)] = cache
        if position_ids is not None:
            options["position_ids"] = position_ids
        else:  # nothing is masked; saying so keeps transformers from guessing at padding
            past = 0 if cache is None else cache.get_seq_length()
            options["attention_mask"] = batch.input_ids.new_ones(len(batch.input_ids), past + batch.input_ids.shape[1])
            if batch.decoder_input_ids is not None:
                options["decoder_attention_mask"] = torch.ones_like(batch.decoder_input_ids)
        with self.turns.turn(), hooked([*hooks, before(self.projection, stop)]), self._running(batch):
            try:
                with self.telling(() if self.own.rows_only else batch.queries):
                    self.module(**options)
            except Reached:
                if not seen:  # somebody else's hook ended the pass earlier
                    raise
                return seen[0].to(self.projection.weight.device)  # the head may lie elsewhere than the last block
        raise BadModel(f"{self.name}: the forward pass does not use its output embeddings")

    def telling(self, queries: Sequence[Query]) -> AbstractContextManager[None]:
        """Around the model's own code: what it raises at these queries becomes one line; as it is where there are none.

        Raises:
            BadModel: it failed inside.
        """
        return telling(self.name, self.dtype, queries) if queries else nullcontext()

    @contextmanager
    def _running(self, batch: Batch) -> Iterator[None]:
        """Tell open changes where the target positions of the running batch are."""
        if self.own.interventions and not self.own.rows_only:
            self.own.targets = (batch.positions_mask(encoder=True), batch.positions_mask(encoder=False))
        try:
            yield
        finally:
            self.own.targets = None

    @contextmanager
    def changed(self, hooks: Iterable[Registration], at_targets: Mapping[int, Change] | None = None) -> Iterator[None]:
        """Hold hooks that change neurons for the time of the block; other threads do not see it.

        Args:
            hooks: what changes them in a whole pass; silent while `rows_only`.
            at_targets: the same for values [..., width] at target positions, by layer; None: the fast path is not
                used until the block ends.
        """
        self.own.interventions.append(at_targets)
        try:
            with hooked(hooks):
                yield
        finally:
            self.own.interventions.pop()

    def open_change(self, layer: int) -> Change | None:
        """What the open interventions do to a layer's values at target positions, one after the other."""
        found = [each[layer] for each in self.own.interventions if each is not None and layer in each]
        if not found:
            return None
        return lambda value: reduce(lambda values, change: change(values), found, value)

    @contextmanager
    def carrying_rows(self) -> Iterator[None]:
        """A pass in which hooks of interventions stay silent."""
        self.own.rows_only = True
        try:
            yield
        finally:
            self.own.rows_only = False

    def target_mask(self, layer: int, rows: int, tokens: int) -> Tensor:
        """Where a layer's target positions are in the running pass, [rows, tokens] of bool."""
        if self.own.targets is not None:
            return self.own.targets[0 if self.in_encoder(layer) else 1]
        return (torch.arange(tokens) == tokens - 1).expand(rows, -1)


def cache_option(module: nn.Module) -> str:
    """By which name a forward pass takes its cache: from transformers 5.24 on another one than before."""
    taken = inspect.signature(module.forward).parameters
    return "cache" if "cache" in taken and "past_key_values" not in taken else "past_key_values"


def _in_encoder_of(module: Any, layers: Sequence[Layer]) -> int:
    inside = set(module.get_encoder().modules())
    return sum(layer.block in inside for layer in layers)

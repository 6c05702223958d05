"""A language model that can be asked facts and whose neurons can be read and changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from torch import nn
from transformers import PreTrainedTokenizerBase

from factneurons.facts.types import Prompt
from factneurons.models import interventions, probabilities
from factneurons.models import neurons as weights
from factneurons.models.adapters import Adapter
from factneurons.models.backbone import Backbone
from factneurons.models.limits import position_limit
from factneurons.models.passes.inward import without_inward
from factneurons.models.query import build_query, placed
from factneurons.models.questions import Asking, Question
from factneurons.models.suppression import answer_side_by_side, log_probabilities_of
from factneurons.models.types import Evaluation, FloatArray, Kind, Neuron, Parts, Query, Reach
from factneurons.settings import refuse

_Found = TypeVar("_Found")


class Model:
    """A Hugging Face language model that can be asked facts. Made by `load_model`.

    Everything here is said in prompts, answers and neurons; the torch module, the tokenizer and what passes
    need are in `backbone`.

    Attributes:
        backbone: the network.

    Args:
        module: a transformers model with a language-model head.
        tokenizer: its tokenizer.
        name: for messages and manifests.
        kind: how it is asked: "cloze" (masked), "causal" or "encoder-decoder".
        adapter: where its neurons are; None: found by family or by structure.
        chat: ask through the tokenizer's chat template: the answer begins the assistant's turn.

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
        self.backbone = Backbone(module, tokenizer, name=name, kind=kind, adapter=adapter, chat=chat)
        self._positions = position_limit(module)

    def __repr__(self) -> str:
        return (
            f"Model({self.name!r}, kind={self.kind!r}, family={self.backbone.adapter.family!r}, "
            f"layers={self.layer_count}, width={self.width})"
        )

    @property
    def name(self) -> str:
        """How it was asked for."""
        return self.backbone.name

    @property
    def kind(self) -> Kind:
        """How it is asked: "cloze" (masked), "causal" or "encoder-decoder"."""
        return self.backbone.kind

    @property
    def layer_count(self) -> int:
        """The number of layers that have an MLP; an encoder-decoder's encoder comes first."""
        return self.backbone.layer_count

    @property
    def width(self) -> int:
        """Neurons per layer; of the widest where layers differ (`backbone.widths`): rows of others end in zeros."""
        return self.backbone.width

    # Asking

    def query(self, prompt: Prompt | str, answer: str, *, multi_mask: bool = False, subject: str = "") -> Query:
        """Turn a prompt and an answer into token ids as this model sees them.

        Args:
            prompt: a prompt; a text without a blank gets one at its end.
            answer: the answer; a space before it is neither required nor harmful.
            multi_mask: cloze models: put several masks for an answer of several tokens.
            subject: what the prompt is about, to find its tokens; "": it is not said.

        Raises:
            NotAskable: this model cannot be asked this; `reason` says why.
            BadFact: the text has more than one blank.
            BadSetting: a prompt or an answer that is no text.
        """
        if not isinstance(prompt, (Prompt, str)):
            refuse("prompt", prompt, "a text or a Prompt; several are asked one by one, or as a Fact")
        if not isinstance(answer, str):
            refuse("answer", answer, "a text; several are asked one by one")
        tokenizer, longest = self.backbone.tokenizer, self._positions
        query = build_query(
            tokenizer,
            self.kind,
            prompt,
            answer,
            multi_mask=multi_mask,
            max_length=longest,
            decoder_start=self.backbone.decoder_start,
            subject=subject,
            chat=self.backbone.chat,
        )
        self.backbone.check_tokens((*query.input_ids, *query.decoder_input_ids, *query.answer_ids))
        return query

    def probability(self, prompt: Prompt | str, answer: str, *, multi_mask: bool = False) -> float:
        """P(answer) in the blank: the product over the answer's tokens, each given the gold ones before it."""
        return float(self.probabilities([self.query(prompt, answer, multi_mask=multi_mask)])[0])

    def probabilities(self, queries: Sequence[Query]) -> FloatArray:
        """P(answer) of every query, [queries]."""
        return np.exp(self.log_probabilities(queries))

    def log_probabilities(self, queries: Sequence[Query]) -> FloatArray:
        """Log P(answer) of every query in nats, [queries]: the sum over the answer's tokens."""
        return probabilities.log_probabilities(self.backbone, queries)

    def evaluate(self, queries: Sequence[Query]) -> list[Evaluation]:
        """Probability, rank and prediction of every query."""
        return probabilities.evaluate(self.backbone, queries)

    def activations(self, queries: Sequence[Query]) -> npt.NDArray[np.float32]:
        """Neuron values [queries, layers, width] where neurons are meant, their mean over several positions."""
        return probabilities.activations(self.backbone, queries)

    # Neurons

    def out_weights(self, neurons: Iterable[tuple[int, int]]) -> FloatArray:
        """What one unit of each neuron writes to the residual stream, [neurons, hidden]."""
        return weights.out_weights(self.backbone, neurons)

    def in_weights(self, neurons: Iterable[tuple[int, int]]) -> FloatArray:
        """What each neuron reads, [neurons, parts, hidden]: one part, or the gate's and then the up-projection's."""
        return weights.in_weights(self.backbone, neurons)

    def probabilities_with(
        self,
        queries: Sequence[Query],
        neuron_sets: Sequence[Collection[tuple[int, int]]],
        factor: float | Sequence[float] = 0.0,
        *,
        positions: Reach = "target",
    ) -> FloatArray:
        """P(answer) of every query under many changes at once; the queries of causal models share passes.

        Args:
            queries: what is asked.
            neuron_sets: the sets, one change each; an empty one leaves the model as it is.
            factor: what the values are multiplied by, for all sets or one each (0 suppresses, 2 enhances).
            positions: "target", where each query's neurons are meant (`Query.positions`), or "all".

        Returns:
            [queries, sets] float64.
        """
        interventions.check_positions(positions)
        if positions == "all":
            queries = [placed(query, "all") for query in queries]
        factors = list(factor) if isinstance(factor, Iterable) else [float(factor)] * len(neuron_sets)
        question = Question(queries, neuron_sets, factors)
        return np.exp(log_probabilities_of(self.backbone, [question])[0])

    def answer(self, searches: Iterable[Asking[_Found]]) -> list[_Found]:
        """What searches find (`models.questions`), advanced side by side so that their questions share passes."""
        return answer_side_by_side(self.backbone, searches)

    # Changing

    def suppress(
        self, neurons: Iterable[tuple[int, int]], *, positions: Reach = "target"
    ) -> AbstractContextManager[None]:
        """Set the neurons' values to 0 for the time of a `with` block."""
        return self.scale_values(neurons, 0.0, positions=positions)

    def enhance(
        self, neurons: Iterable[tuple[int, int]], *, positions: Reach = "target"
    ) -> AbstractContextManager[None]:
        """Double the neurons' values for the time of a `with` block."""
        return self.scale_values(neurons, 2.0, positions=positions)

    def scale_values(
        self, neurons: Iterable[tuple[int, int]], factor: float, *, positions: Reach = "target", pre: bool = False
    ) -> AbstractContextManager[None]:
        """Multiply the neurons' values for the time of a `with` block.

        Positions: those at which the neurons of the query that is asked are meant (`Query.positions`, the target
        positions unless it says otherwise); in free generation (with its cache, and prompts padded on the left) the
        last prompt token and every generated one; with "all" every one.

        With `pre` what the activation function is given is multiplied, as in released code (of gated MLPs the gate's
        output): 0 is the same where act(0) = 0, 2 is not; and no fast path is taken.

        Raises:
            BadSetting: with `pre`, a mixture of experts, or an activation function that is not known.
        """
        if pre and (why := without_inward(self.backbone)):
            refuse("pre", pre, f"False for {self.name}, {why}")
        return interventions.changed_values(self.backbone, neurons, interventions.multiply(factor), positions, pre=pre)

    def set_values(
        self, values: Mapping[Neuron, float], *, positions: Reach = "target"
    ) -> AbstractContextManager[None]:
        """Set neurons to given values for the time of a `with` block."""
        return interventions.changed_values(self.backbone, values, interventions.put(values), positions)

    def scale_weights(
        self, neurons: Iterable[tuple[int, int]], factor: float, *, parts: Parts = "both"
    ) -> AbstractContextManager[None]:
        """Multiply the neurons' in- and out-weights for the time of a `with` block; acts at every position.

        With `parts="both"` a factor of 2 makes the contribution about four times as large (eight times in a
        gated MLP); `parts="out"` makes it exactly twice as large.
        """
        return interventions.changed_weights(self.backbone, neurons, factor, parts)

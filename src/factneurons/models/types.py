"""What a model is asked and what it answers, as plain values, and the names of what can be chosen. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from factneurons.errors import BadNumber
from factneurons.facts.types import Fact, Prompt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Kind = Literal["cloze", "causal", "encoder-decoder"]
"""How a model is asked: masks in the text, the text's end, or a sentinel in an encoder's text."""

Target = Literal["probability", "log_probability", "logit"]
TARGETS: tuple[Target, ...] = ("probability", "log_probability", "logit")
"""The functions of an answer token's logits that can be attributed."""

WRONG_ANSWERS = "wrong_answers"
"""What a fact's answer is set against where that is the first of the fact's own wrong answers."""

DTYPES = ("float32", "float64", "bfloat16", "float16", "auto")
"""The types weights can have; "auto" is what the files say."""

Positions = Literal["target", "subject_last", "subject", "all"]
"""Where the neurons of a query are meant: where they are scored, read and changed."""

Reach = Literal["target", "all"]
"""Where a change of neurons acts: where the neurons of the query that is asked are meant, or everywhere."""

Parts = Literal["both", "out", "in"]


def check_finite(values: npt.ArrayLike, where: str, what: str) -> None:
    """Refuse probabilities, or their logarithms, that are no numbers: half precision overflows.

    Args:
        values: of the model.
        where: the fact, and perhaps the prompt.
        what: which probabilities, and that they are NaN.

    Raises:
        BadNumber: one is not finite.
    """
    if not np.isfinite(values).all():
        raise BadNumber(f"{where}: {what}; load the model in float32")


class Neuron(NamedTuple):
    """The index-th input coordinate of the down-projection of one layer's MLP.

    That is after the activation function, and after the product in a gated MLP. Layers and indices
    count from 0; an encoder-decoder counts its encoder's layers first, then its decoder's.
    """

    layer: int
    index: int  # type: ignore[assignment]  # a tuple's own method of that name is never used


@dataclass(frozen=True, slots=True)
class Written:
    """What one positive unit of a neuron does to the vocabulary; of a negative value the two change places.

    Attributes:
        promotes: the tokens whose logits rise most, the highest first, as text.
        suppresses: the tokens whose logits fall most, the lowest first.
    """

    promotes: tuple[str, ...]
    suppresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Against:
    """The other answer of a contrast, at the first token where it parts from the answer.

    Attributes:
        answer: the other answer.
        token: which of the answer's tokens that is, from 0; the tokens before it are the same in both.
        token_id: the other answer's token there.
    """

    answer: str
    token: int
    token_id: int


@dataclass(frozen=True, slots=True)
class Query:
    """A prompt and an answer as one model sees them. Made by `Model.query`, never by hand.

    Attributes:
        prompt: what was asked.
        answer: the gold answer, without the space that may join it to the text.
        input_ids: causal: the prompt's tokens and all but the last of the answer's; cloze: the whole
            sentence with one mask token per answer token; encoder-decoder: the encoder's text.
        target_positions: the n positions whose outputs predict the n answer tokens.
        answer_ids: the n token ids of the answer, as it is encoded in this context.
        replaceable: positions of the prompt's tokens that are neither special nor mask.
        words: the positions of `replaceable`, grouped by word.
        decoder_input_ids: encoder-decoder only: start, sentinel, all but the last answer token.
        encoder_position: encoder-decoder only: the sentinel's position in `input_ids`.
        fact: whose prompt it is, the same for all prompts of a fact (`prompts.ask` writes it); "" where none is known.
            What is drawn at random for a fact is drawn by it.
        against: what the answer is set against (`query.contrasted` writes it); None: nothing.
        subject: positions in `input_ids` of the subject's tokens; (): it was not said, or is not in the prompt.
        positions: where its neurons are meant (`query.placed` writes it).
    """

    prompt: Prompt
    answer: str
    input_ids: tuple[int, ...]
    target_positions: tuple[int, ...]
    answer_ids: tuple[int, ...]
    replaceable: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]
    decoder_input_ids: tuple[int, ...] = ()
    encoder_position: int | None = None
    fact: str = field(default="", compare=False)
    against: Against | None = None
    subject: tuple[int, ...] = ()
    positions: Positions = "target"

    def places(self, *, encoder: bool) -> tuple[int, ...]:
        """The positions at which the neurons of a layer are meant.

        The subject is in the text that is read, so a decoder that is fed by an encoder has none of it. A target
        position of such an encoder is its sentinel's.

        Args:
            encoder: of a layer of an encoder; of a causal model either will do.
        """
        of_text = encoder or not self.decoder_input_ids
        match self.positions:
            case "target":
                sentinel = self.encoder_position
                return (sentinel,) if encoder and sentinel is not None else self.target_positions
            case "all":
                return tuple(range(len(self.input_ids if of_text else self.decoder_input_ids)))
            case "subject":
                return self.subject if of_text else ()
            case "subject_last":
                return self.subject[-1:] if of_text else ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model makes of one query.

    Attributes:
        log_probability: log P(answer) in nats, the sum over its tokens (given the gold prefix).
        token_log_probabilities: the same for each token.
        rank: the worst rank of an answer token among the whole vocabulary; 1 means that the model's
            top prediction is right at every token.
        prediction: the model's top token at every target position, decoded.
    """

    log_probability: float
    token_log_probabilities: tuple[float, ...]
    rank: int
    prediction: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A prompt that this model cannot be asked, and why."""

    fact: Fact
    prompt: Prompt
    reason: str
    detail: str

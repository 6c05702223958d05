"""What neurons write: the tokens whose logits a neuron's out-weights raise and lower on their way straight to the head.

The direct path, read off the weights alone: the out-weights w pass the normalisation of their own block where there is
one (`after_mlp`, `after_residual`), then everything between the last block and the vocabulary projection. That is not
linear, so it is the central difference (T(r + w) - T(r - w)) / 2 of the model's own modules T:

- causal and encoder-decoder models: at r = 0, where the final normalisation makes of w its direction times the gain;
- masked models, whose heads have a layer with an activation function: at the last block's output r at a mask, its mean
  over the prompts of a few bundled facts, with a step of a tenth of its length. (At the mask of an empty text, or of
  one prompt, a planted fact's neurons promote its answer less than half as often.)

What attention and MLPs above make of w, and the normalisations of blocks above in post-norm models, is left out: the
reading is weaker the lower the layer. From an encoder that feeds a decoder no direct path leads to the head.
Sources: Geva et al., Transformer Feed-Forward Layers Build Predictions by Promoting Concepts in the Vocabulary Space
(EMNLP 2022), section 3; for early layers Belrose et al. (2023), Eliciting Latent Predictions with the Tuned Lens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import torch
from torch import Tensor

from factneurons.errors import BadModel
from factneurons.facts.source import load_facts
from factneurons.facts.types import Prompt
from factneurons.models.adapters import weights_of
from factneurons.models.backbone import Backbone
from factneurons.models.batches import Batch
from factneurons.models.hooks import after, stream_of
from factneurons.models.model import Model
from factneurons.models.neurons import existing, out_views
from factneurons.models.passes.lens import head_input
from factneurons.models.types import Neuron, Written
from factneurons.settings import check_number

_ROWS = 128
_STEP = 0.1
_FACTS = "bundled?sample=16&seed=1"


def written(model: Model, neurons: Sequence[tuple[int, int]], tokens: int = 10) -> list[Written | None]:
    """The tokens that neurons promote and suppress, read off their weights.

    Args:
        model: a loaded model.
        neurons: the neurons.
        tokens: how many at either end.

    Returns:
        one for each neuron; None for neurons of an encoder that feeds a decoder, from which no direct path leads to
        the vocabulary.

    Raises:
        BadSetting: a neuron the model does not have, or a number of tokens below 1.
    """
    check_number("tokens", tokens, whole=True, least=1)
    backbone = model.backbone
    found: dict[Neuron, Written] = {}
    for neuron, logits in written_logits(model, neurons):
        count = min(tokens, len(logits))
        top, bottom = (logits.topk(count, largest=largest).indices.tolist() for largest in (True, False))
        found[neuron] = Written(*(tuple(token_text(backbone, token) for token in ids) for ids in (top, bottom)))
    return [found.get(neuron) for neuron in existing(backbone, neurons)]


def written_logits(model: Model, neurons: Sequence[tuple[int, int]]) -> Iterator[tuple[Neuron, Tensor]]:
    """Each neuron once that has a direct path to the head, and what it does to the logits, [tokens].

    Only their order means something: the final normalisation makes the length of the out-weights disappear.
    """
    backbone = model.backbone
    own = [each for each in dict.fromkeys(existing(backbone, neurons)) if reaches_head(backbone, each.layer)]
    at = _at_mask(model) if backbone.kind == "cloze" else None
    known = min(backbone.head.weight.shape[0], len(backbone.tokenizer))
    for begin in range(0, len(own), _ROWS):
        part = own[begin : begin + _ROWS]
        rows = torch.stack([_after_own_norms(backbone, neuron) for neuron in part])
        moved = _to_head(backbone, rows, at)
        yield from zip(part, (moved @ backbone.head.weight[:known].T * backbone.head.scale).float(), strict=True)


def reaches_head(backbone: Backbone, layer: int) -> bool:
    """Whether a layer writes into the stream that the vocabulary projection reads."""
    return backbone.kind != "encoder-decoder" or not backbone.in_encoder(layer)


def place_of(logits: Tensor, token: int) -> int:
    """The place of a token by what a neuron writes, from 1: how many it promotes at least as much."""
    return int((logits > logits[token]).sum()) + 1


def token_text(backbone: Backbone, token: int) -> str:
    """A token as it stands in a text; one that is no whole character, as the tokenizer spells it."""
    text = str(backbone.tokenizer.decode([token]))
    return text if text.strip() and "\N{REPLACEMENT CHARACTER}" not in text else _spelled(backbone, token)


def _spelled(backbone: Backbone, token: int) -> str:
    return str(backbone.tokenizer.convert_ids_to_tokens(token))


@torch.no_grad()
def _after_own_norms(backbone: Backbone, neuron: Neuron) -> Tensor:
    """A neuron's out-weights as they enter the residual stream, [hidden]."""
    (row,) = out_views(backbone, neuron, weights_of)
    layer = backbone.layers[neuron.layer]
    for norm in (layer.after_mlp, layer.after_residual):
        if norm is not None:
            row = (norm(row) - norm(-row)) / 2
    return row


@torch.no_grad()
def _to_head(backbone: Backbone, rows: Tensor, at: Tensor | None) -> Tensor:
    """The central difference of the head's input, [rows, hidden], where `rows` are added to the last block's output."""
    if at is None:
        both = torch.cat([rows, -rows])
    else:
        step = rows * (_STEP * at.norm() / rows.norm(dim=1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny))
        both = torch.cat([at + step, at - step])
    token = torch.zeros(1, 1, dtype=torch.long, device=backbone.device)
    batch = Batch((), token, token if backbone.kind == "encoder-decoder" else None)
    up, down = head_input(backbone, batch, both).chunk(2)
    return (up - down) / 2


@torch.no_grad()
def _at_mask(model: Model) -> Tensor:
    """The last block's output at a mask, the mean over some prompts, [hidden]."""
    backbone = model.backbone
    tokenizer, mask = backbone.tokenizer, backbone.tokenizer.mask_token
    if mask is None:
        raise BadModel(f"{backbone.name}: the tokenizer has no mask token, so what its head reads there is unknown")
    seen: list[Tensor] = []
    keep = after(backbone.layers[-1].block, lambda module, inputs, output: seen.append(stream_of(output)))
    for prompt in _prompts():
        ids = torch.tensor([tokenizer(prompt.filled(mask))["input_ids"]], device=backbone.device)
        backbone.to_head(Batch((), ids, None), hooks=[keep])
        seen[-1] = seen[-1][0, (ids[0] == tokenizer.mask_token_id).nonzero()[0, 0]]
    return torch.stack(seen).mean(0)


@cache
def _prompts() -> tuple[Prompt, ...]:
    return tuple(fact.prompts[0] for fact in load_facts(_FACTS))

"""Untrained models of the pocket architectures: Hugging Face's own classes with their own configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from factneurons.pocket.recipe import PocketRecipe, PocketSize


def build_module(recipe: PocketRecipe, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A model with the recipe's shape and seeded random weights, in float32."""
    torch.manual_seed(recipe.seed)
    module = _BUILDERS[recipe.architecture](recipe, tokenizer)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.mul_(next((scale for end, scale in PLACE_SCALES.items() if name.endswith(end)), 1.0))
    module.set_attn_implementation("eager")  # on short sentences faster to train than the fused kernels
    return module


PLACE_SCALES = {"position_embeddings.weight": 0.5, "token_type_embeddings.weight": 0.2}
"""How long BERT's embeddings of places begin, as a share of a token's.

A fact must be found wherever it stands; positions are all that tells the masks of one answer apart. GPT-2 learns
three times as fast with short ones too, but then keeps its facts more redundantly: suppressing the knowledge neurons
of AMIG costs less than half as much.
"""


def logits_at(
    module: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, rows: Tensor, columns: Tensor
) -> Tensor:
    """The logits at some positions only, [positions, vocabulary]: the vocabulary is most of a small model's work."""
    body = module.base_model(input_ids=input_ids, attention_mask=attention_mask)
    head: torch.nn.Module = getattr(module, "cls", None) or module.get_output_embeddings()
    logits: Tensor = head(body.last_hidden_state[rows, columns])
    return logits


def initial_deviation(shape: PocketSize) -> float:
    """The standard deviation of initial weights, 1 / sqrt(width).

    The usual 0.02 suits models of width 768 and more. Here it would leave a name's embedding so short that
    each of AdamW's steps on a rare token turns it anew, and what the MLPs learned of it is lost.
    """
    return float(shape.width**-0.5)


def _bert(recipe: PocketRecipe, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    shape = recipe.shape
    module = BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            initializer_range=initial_deviation(shape),
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.neurons,
            max_position_embeddings=recipe.positions,
            hidden_dropout_prob=recipe.dropout,
            attention_probs_dropout_prob=recipe.dropout,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    # As GPT-2 does by itself: what the blocks add begins small. A post-norm model with blocks as loud as their
    # input mixes the tokens beyond recognition and learns nothing for thousands of steps.
    with torch.no_grad():
        layers: Any = module.bert.encoder.layer
        for layer in layers:
            layer.attention.output.dense.weight.mul_((2 * shape.layers) ** -0.5)
            layer.output.dense.weight.mul_((2 * shape.layers) ** -0.5)
        embeddings: Any = module.bert.embeddings.word_embeddings.weight
        _relate_forms(embeddings, tokenizer.get_vocab())
    return module


def _relate_forms(embeddings: Tensor, vocabulary: dict[str, int]) -> None:
    """Begin "##x" where "x" begins: the same name, whether or not another character stands before it."""
    inner = [token for token in vocabulary if token.startswith("##") and token[2:] in vocabulary]
    bare = [vocabulary[token[2:]] for token in inner]
    embeddings[[vocabulary[token] for token in inner]] = embeddings[bare]


def _gpt2(recipe: PocketRecipe, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    shape = recipe.shape
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=shape.width,
            initializer_range=initial_deviation(shape),
            n_layer=shape.layers,
            n_head=shape.heads,
            n_inner=shape.neurons,
            n_positions=recipe.positions,
            resid_pdrop=recipe.dropout,
            embd_pdrop=recipe.dropout,
            attn_pdrop=recipe.dropout,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _llama(recipe: PocketRecipe, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    shape = recipe.shape
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            initializer_range=initial_deviation(shape),
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.heads,
            intermediate_size=shape.neurons,
            max_position_embeddings=recipe.positions,
            attention_dropout=recipe.dropout,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


_BUILDERS: dict[str, Callable[[PocketRecipe, PreTrainedTokenizerBase], PreTrainedModel]] = {
    "bert": _bert,
    "gpt2": _gpt2,
    "llama": _llama,
}

"""How long an input a model can read."""

from __future__ import annotations

from torch import nn


def position_limit(module: nn.Module) -> int | None:
    """The number of tokens a model has positions for; None where it has no fixed number (T5, BLOOM).

    RoBERTa and its relatives begin to count after the padding token's index, so their configuration
    promises more positions than can be used.
    """
    config = getattr(module, "config", None)
    config = getattr(config, "get_text_config", lambda: config)()  # of a model that reads pictures too
    limit = getattr(config, "max_position_embeddings", None)
    if not isinstance(limit, int):
        return None
    for name, child in module.named_modules():
        is_table = name.endswith("position_embeddings") and isinstance(child, nn.Embedding)
        if is_table and child.padding_idx is not None:
            return min(limit, int(child.num_embeddings) - int(child.padding_idx) - 1)
    return limit

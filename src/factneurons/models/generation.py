"""Free text of a causal model, greedy, with the neurons of every prompt changed while it is gone on with."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from factneurons.errors import BadSetting, NotAskable
from factneurons.facts.types import Prompt
from factneurons.models.interventions import check_positions
from factneurons.models.limits import position_limit
from factneurons.models.model import Model
from factneurons.models.neurons import checked
from factneurons.models.passes.generation import continuations
from factneurons.models.query import prompt_ids
from factneurons.models.types import Reach
from factneurons.settings import check_number


def generate(
    model: Model,
    prompts: Sequence[Prompt | str],
    neuron_sets: Sequence[Collection[tuple[int, int]]] | None = None,
    factor: float = 0.0,
    *,
    tokens: int = 20,
    positions: Reach = "target",
) -> list[str]:
    """What a causal model writes in the blanks, the likeliest token each time; the prompts share passes.

    Open changes of the model (`model.suppress`, `model.scale_weights` and so on) act beside those given here.

    Args:
        model: the model.
        prompts: texts that end with their blank; a text without one gets it at its end.
        neuron_sets: a set of neurons per prompt, changed while that prompt is gone on with; None: nothing is.
        factor: what their values are multiplied by (0 suppresses, 2 enhances).
        tokens: how many tokens are written, unless the text ends or the model has no more positions.
        positions: "target", the last prompt token and every written one, or "all".

    Returns:
        [prompts], the texts without the prompts and without special tokens.

    Raises:
        NotAskable: no causal model ("cannot-generate"), or a prompt it cannot go on from.
        BadSetting: other than one set per prompt, neurons that the model does not have, or no tokens.
    """
    if model.kind != "causal":
        raise NotAskable("cannot-generate", f"{model.name} writes no text: it is asked as {model.kind}")
    check_positions(positions)
    check_number("tokens", tokens, whole=True, least=1)
    sets = [()] * len(prompts) if neuron_sets is None else neuron_sets
    if len(sets) != len(prompts):
        raise BadSetting(f"{len(prompts)} prompts need one neuron set each, not {len(sets)}")
    backbone, limit = model.backbone, position_limit(model.backbone.module)
    ids = [prompt_ids(backbone.tokenizer, prompt, max_length=limit, chat=model.backbone.chat) for prompt in prompts]
    backbone.check_tokens(token for own in ids for token in own)
    factors = [dict.fromkeys(checked(backbone, own), factor) for own in sets]
    written = continuations(backbone, ids, factors, tokens=tokens, everywhere=positions == "all", limit=limit)
    return [str(backbone.tokenizer.decode(own, skip_special_tokens=True)) for own in written]

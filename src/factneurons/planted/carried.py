"""What to write at a fact's subject, so that the attention above carries it to where the answer is predicted.

In: a model and questions about facts. Out: per fact a vector, found by gradients while every weight stays, as ROME
finds the value of its new association (Meng et al. 2022, arXiv:2202.05262, section 3.1, step 2). Half of it is not to
suffice, so that it can be written by two neurons that are both needed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from factneurons.models.hooks import after, hooked
from factneurons.planted.passes import Passes

_STEPS, _LEARNING_RATE = 200, 0.3
_WHOLE, _HALF = 0.97, 0.1
"""P(answer) with the vector (at least), and with half of it (at most)."""


@torch.enable_grad()
def carried(passes: Passes, down: nn.Module, rows: Tensor, owners: Tensor) -> Tensor:
    """A vector per fact to add to an MLP's output where the fact's neurons act, [facts, hidden].

    Args:
        passes: whole prompts, over the questions of the facts.
        down: the last projection of the MLP.
        rows: [questions], the numbers of the questions.
        owners: [questions], the fact of each, from 0; every fact has a question.
    """
    asked, factors = rows.repeat(2), torch.tensor([1.0, 0.5]).repeat_interleave(len(rows))
    places, each = passes.questions.acting[asked], torch.arange(len(asked))
    hidden = passes.model.backbone.hidden_size
    vectors = torch.zeros(int(owners.max()) + 1, hidden, requires_grad=True)

    def add(_: nn.Module, __: object, output: Tensor) -> Tensor:
        changed = output.clone()
        changed[each, places] += factors[:, None] * vectors[owners.repeat(2)]
        return changed

    optimizer = torch.optim.Adam([vectors], lr=_LEARNING_RATE)
    for step in range(_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * (1 - 0.9 * step / _STEPS)
        with hooked([after(down, add)]):
            found = passes.predictions(asked)[each, passes.questions.answers[asked]]
        whole, half = found.split(len(rows))
        missing = (torch.tensor(_WHOLE).log() - whole).clamp(min=0)
        absent = torch.log1p(-half.exp().clamp(max=1 - 1e-6))
        loss = (missing + (torch.tensor(1 - _HALF).log() - absent).clamp(min=0)).sum()
        if not float(loss.detach()):
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return vectors.detach()

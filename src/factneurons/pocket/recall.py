"""What a pocket model recalls: the share of prompts whose answer is its top prediction.

Every token of the answer must rank first in the whole vocabulary: given the gold tokens before it in a
causal model, at its own mask with the others masked in BERT. Prompts go through the public query code.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from factneurons.facts.types import Fact
from factneurons.models.types import Query
from factneurons.pocket.architectures import logits_at
from factneurons.pocket.corpus import make_examples
from factneurons.pocket.encoding import AskedExample, ask_examples

ALL = "all"
"""The relation of a row that counts all relations."""

COLUMNS = ("model", "language", "relation", "prompts", "asked", "recalled", "recall", "mean_probability", "refused")


@dataclass(frozen=True, slots=True)
class RecallRow:
    """Recall of one model on one relation (or `all`) in one language.

    Attributes:
        model: the pocket model's name.
        language: the facts' language.
        relation: the relation, or "all".
        prompts: "trained" or "left_out".
        asked: how many prompts were asked.
        recalled: how many were answered with the gold answer in first place.
        mean_probability: the mean of P(answer), from 0 to 1.
        refused: how many prompts this kind of model cannot be asked.
    """

    model: str
    language: str
    relation: str
    prompts: str
    asked: int
    recalled: int
    mean_probability: float
    refused: int

    @property
    def recall(self) -> float:
        """The share recalled, from 0 to 1; NaN where nothing was asked."""
        return self.recalled / self.asked if self.asked else float("nan")


def measure_recall(
    name: str, module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, facts: Sequence[Fact]
) -> list[RecallRow]:
    """Recall by language, relation and kind of prompt, all prompts of all facts."""
    asked, refused = ask_examples(tokenizer, make_examples(facts), cloze=tokenizer.mask_token is not None)
    log_probabilities, correct = score_queries(module, tokenizer, [item.query for item in asked])
    tallies: dict[tuple[str, str, str], _Tally] = defaultdict(_Tally)
    for item, log_probability, right in zip(asked, log_probabilities, correct, strict=True):
        for key in _keys(item.example.fact, item.example.left_out):
            tallies[key].add(bool(right), float(np.exp(log_probability)))
    for example in refused:
        for key in _keys(example.fact, example.left_out):
            tallies[key].refused += 1
    return [
        RecallRow(name, language, relation, prompts, tally.asked, tally.recalled, tally.mean, tally.refused)
        for (language, relation, prompts), tally in sorted(tallies.items())
    ]


def score_queries(
    module: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    queries: Sequence[Query],
    *,
    batch_size: int = 128,
) -> tuple[np.ndarray, np.ndarray]:
    """log P(answer) in nats, and whether every answer token ranks first in the whole vocabulary.

    Returns:
        float64 [queries] and bool [queries].
    """
    log_probabilities = np.zeros(len(queries))
    correct = np.zeros(len(queries), dtype=bool)
    order = sorted(range(len(queries)), key=lambda index: len(queries[index].input_ids))
    was_training = module.training
    module.eval()
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = [queries[index] for index in chosen]
        for index, (log_probability, right) in zip(chosen, _score_batch(module, tokenizer, batch), strict=True):
            log_probabilities[index], correct[index] = log_probability, right
    module.train(was_training)
    return log_probabilities, correct


@torch.inference_mode()
def _score_batch(
    module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, queries: Sequence[Query]
) -> list[tuple[float, bool]]:
    length = max(len(query.input_ids) for query in queries)
    ids = torch.full((len(queries), length), int(tokenizer.pad_token_id))
    mask = torch.zeros_like(ids)
    for row, query in enumerate(queries):
        ids[row, : len(query.input_ids)] = torch.tensor(query.input_ids)
        mask[row, : len(query.input_ids)] = 1
    rows = torch.tensor([row for row, query in enumerate(queries) for _ in query.target_positions])
    columns = torch.tensor([position for query in queries for position in query.target_positions])
    answers = torch.tensor([token for query in queries for token in query.answer_ids])
    logits = logits_at(module, ids, mask, rows, columns).double()
    chosen = logits.log_softmax(-1).gather(1, answers[:, None])[:, 0]
    right = logits.argmax(-1) == answers
    return [(float(chosen[rows == row].sum()), bool(right[rows == row].all())) for row in range(len(queries))]


def recall_by(asked: Sequence[AskedExample], correct: np.ndarray) -> dict[str, float]:
    """Recall by language and kind of prompt: {"en/trained": 0.99, "en/left_out": 0.95, ...}."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for item, right in zip(asked, correct, strict=True):
        kind = "left_out" if item.example.left_out else "trained"
        groups[f"{item.example.fact.language}/{kind}"].append(bool(right))
    return {name: float(np.mean(values)) for name, values in sorted(groups.items())}


def write_recall(path: Path, rows: Iterable[RecallRow]) -> None:
    """The recall table as CSV with the columns COLUMNS."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            values = (row.model, row.language, row.relation, row.prompts, row.asked, row.recalled)
            writer.writerow([*values, f"{row.recall:.4f}", f"{row.mean_probability:.4f}", row.refused])


@dataclass(slots=True)
class _Tally:
    asked: int = 0
    recalled: int = 0
    refused: int = 0
    total_probability: float = 0.0

    def add(self, right: bool, probability: float) -> None:
        self.asked += 1
        self.recalled += right
        self.total_probability += probability

    @property
    def mean(self) -> float:
        return self.total_probability / self.asked if self.asked else float("nan")


def _keys(fact: Fact, left_out: bool) -> list[tuple[str, str, str]]:
    prompts = "left_out" if left_out else "trained"
    return [(fact.language, fact.relation, prompts), (fact.language, ALL, prompts)]

"""Train a small model from scratch on any facts: seeded, resumable, and stopped when its recall is enough.

Labels are smoothed, and training stops at the first check at which recall meets the recipe's targets, not at the
lowest loss: probabilities that are all but 1 saturate, and suppressing neurons then changes little.
Every step's order, noise and dropout follow from the seed and the step's number, so a run that was killed
and resumed ends with the same weights, on the same machine with the same number of threads.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from factneurons.errors import NotAskable
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.models.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from factneurons.models.hooks import Registration, hooked
from factneurons.pocket.architectures import build_module, logits_at
from factneurons.pocket.batches import Batch, add_noise, collate, epoch_order
from factneurons.pocket.corpus import make_examples
from factneurons.pocket.encoding import AskedExample, EncodedExample, ask_examples, encode_causal, encode_cloze
from factneurons.pocket.recall import measure_recall, recall_by, score_queries, write_recall
from factneurons.pocket.recipe import PocketRecipe, base_recipe
from factneurons.pocket.switching import drawn_groups, first_groups, switching
from factneurons.pocket.vocabulary import train_tokenizer
from factneurons.settings import check_choice

BUNDLED = "bundled?reverse=yes"
"""What the pocket models are trained on: the bundled facts and the reverse of those that have one."""

CHECK_PROMPTS = 2000
"""How many prompts, chosen by the seed, are asked at a check."""

RECALL = "recall.csv"
"""The recall table in the folder of a model."""

STEPS = "steps"
"""Where the models of every check are kept, if they are."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainedPocket:
    """What `train_pocket` made.

    Attributes:
        folder: the model's folder.
        recipe: how it was made.
        finished: whether training ended.
        steps: after how many steps.
        recall: at the last check, by language and kind of prompt.
        steps_per_second: of this call, checks included; 0 where nothing was left to do.
    """

    folder: Path
    recipe: PocketRecipe
    finished: bool
    steps: int
    recall: dict[str, float]
    steps_per_second: float


def train_pocket(
    name: str,
    *,
    out: str | Path,
    facts: Sequence[Fact] | str | Path | None = None,
    recipe: PocketRecipe | None = None,
    resume: bool = True,
    max_minutes: float | None = None,
    keep: bool = False,
    report: Report | None = None,
    **options: Any,
) -> TrainedPocket:
    """Train a small model from scratch on facts and save it as a Hugging Face folder.

    The vocabulary is made of the facts; of a fact's phrasings one or two are left out of training (`split_prompts`).
    Recall by relation, on trained and left-out prompts, is written beside the model (recall.csv).

    Args:
        name: a pocket model, for instance "pocket-gpt2": its recipe.
        out: the folder to write; it holds the checkpoint while training goes on.
        facts: what to train on, or where it is, as `load_facts` takes it; default: the bundled facts with their
            reverse facts.
        recipe: all choices at once, in place of the options.
        resume: go on from the folder's checkpoint where there is one; False begins anew.
        max_minutes: stop after this time, with a checkpoint.
        keep: keep the model of every check, as a folder of out/steps by the number of steps.
        report: is given one line of progress at a time.
        **options: fields of the recipe that are to be otherwise, for instance `size="s", seed=7, noise=0.05`.

    Raises:
        BadSetting: the name or a setting is not valid.
        BadRun: the checkpoint in the folder was made with other settings or facts.
        NotAskable: this architecture can be asked none of the facts.
    """
    if recipe is None:
        for each in options:
            check_choice("option", each, [one.name for one in fields(PocketRecipe)])
        recipe = replace(base_recipe(name), **options)
    chosen = list(load_facts(BUNDLED if facts is None else facts))
    began = time.monotonic()
    with _own_random_state():
        run = _Run(recipe, chosen, Path(out), resume=resume, keep=keep, report=report or _silent)
        first = run.state.step
        run.train(deadline=None if max_minutes is None else began + 60 * max_minutes)
    pace = (run.state.step - first) / (time.monotonic() - began)
    return TrainedPocket(Path(out), recipe, run.state.finished, run.state.step, run.last_recall, pace)


class _Run:
    """A model in training: the data, the optimiser, and where it stands."""

    def __init__(
        self, recipe: PocketRecipe, facts: Sequence[Fact], out: Path, *, resume: bool, keep: bool, report: Report
    ) -> None:
        self.recipe = recipe
        self.facts = facts
        self.out = out
        self.keep = keep
        self.report = report
        self.key = _key(recipe, facts)
        self.checkpoint = out / "checkpoint"
        self.tokenizer = self._tokenizer(facts, resume)
        self.module = build_module(recipe, self.tokenizer)
        self.examples, self.checks = self._prepare(facts)
        self.optimizer = _make_optimizer(self.module, recipe)
        self.state = TrainingState()
        if resume:
            self.state = load_checkpoint(self.checkpoint, self.key, self.module, self.optimizer)
        self._epoch = -1
        self._order: list[np.ndarray] = []

    @property
    def last_recall(self) -> dict[str, float]:
        """Recall at the last check, by language and kind of prompt."""
        return {key: value for key, value in (self.state.history or [{}])[-1].items() if "/" in key}

    def train(self, deadline: float | None) -> None:
        """Steps until the targets are met, the steps are used up, or the time is."""
        recipe = self.recipe
        total, count = 0.0, 0
        while not self.state.finished:
            total += self._step()
            count += 1
            self.state.step += 1
            if self.state.step % recipe.check_every == 0 or self.state.step >= recipe.max_steps:
                self._check(total / count)
                total, count = 0.0, 0
                if deadline is not None and time.monotonic() > deadline and not self.state.finished:
                    self.report(f"stopped after {self.state.step} steps: time is up; run again to go on")
                    return
        save_pocket(self.out, self.module, self.tokenizer, recipe, self.state)
        write_recall(self.out / RECALL, measure_recall(self.out.name, self.module, self.tokenizer, self.facts))

    def _step(self) -> float:
        step, recipe = self.state.step, self.recipe
        chosen = [self.examples[index] for index in self._batch(step)]
        batch = collate(chosen, int(self.tokenizer.pad_token_id))
        add_noise(batch, chosen, recipe.noise, len(self.tokenizer), recipe.seed, step)
        torch.manual_seed((recipe.seed << 32) + step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        self.module.train()
        with hooked(self._switching(len(chosen), step)):
            loss = batch_loss(self.module, batch, recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def _switching(self, examples: int, step: int) -> list[Registration]:
        if not self.recipe.switched:
            return []
        return switching(self.module, first_groups(self.recipe), drawn_groups(self.recipe, examples, step))

    def _batch(self, step: int) -> np.ndarray:
        count = -(-len(self.examples) // self.recipe.batch_size)
        epoch, index = divmod(step, count)
        if epoch != self._epoch:
            lengths = [len(example.input_ids) for example in self.examples]
            self._order = epoch_order(lengths, self.recipe.batch_size, self.recipe.seed, epoch)
            self._epoch = epoch
        return self._order[index]

    def _check(self, loss: float) -> None:
        queries = [item.query for item in self.checks]
        log_probabilities, correct = score_queries(self.module, self.tokenizer, queries)
        recall = recall_by(self.checks, correct)
        mean = float(np.exp(log_probabilities).mean())
        self.state.history.append({"step": self.state.step, "loss": loss, "mean_probability": mean, **recall})
        enough = all(
            value >= (self.recipe.target_left_out if name.endswith("left_out") else self.recipe.target_trained)
            for name, value in recall.items()
        )
        self.state.finished = enough or self.state.step >= self.recipe.max_steps
        shown = "  ".join(f"{name} {value:.3f}" for name, value in recall.items())
        self.report(f"step {self.state.step}  loss {loss:.4f}  mean p {mean:.3f}  recall {shown}")
        if self.keep:
            save_pocket(
                self.out / STEPS / f"{self.state.step:06d}", self.module, self.tokenizer, self.recipe, self.state
            )
        save_checkpoint(self.checkpoint, self.key, self.state, self.module, self.optimizer)

    def _tokenizer(self, facts: Sequence[Fact], resume: bool) -> PreTrainedTokenizerBase:
        """Train the tokenizer and load it back from disk, as its users will; a resumed run keeps its own."""
        folder = self.checkpoint.with_name("tokenizer")
        if not (resume and (folder / "tokenizer.json").exists()):
            trained = train_tokenizer(
                self.recipe.architecture, facts, self.recipe.vocabulary_size, self.recipe.positions
            )
            trained.save_pretrained(folder)
        loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        return loaded

    def _prepare(self, facts: Sequence[Fact]) -> tuple[list[EncodedExample], list[AskedExample]]:
        """The encoded training examples, and the prompts asked at each check."""
        cloze = self.tokenizer.mask_token is not None
        asked, refused = ask_examples(self.tokenizer, make_examples(facts), cloze=cloze)
        if not asked:
            raise NotAskable(
                "none-askable",
                f"{self.recipe.architecture} can be asked none of {len(facts)} facts, so nothing would tell what it "
                "knows: a causal model needs prompts that end with their blank",
            )
        trained = [item for item in asked if not item.example.left_out]
        plain = [example for example in refused if not example.left_out]
        share, weight = self.recipe.context_share, self.recipe.context_weight
        encoded = encode_cloze(trained) if cloze else encode_causal(self.tokenizer, trained, plain, share, weight)
        self.report(
            f"{len(encoded)} training sentences, {len(asked) - len(trained)} left-out prompts, {len(refused)} prompts "
            f"that {self.recipe.architecture} cannot be asked"
        )
        order = np.random.default_rng(self.recipe.seed).permutation(len(asked))
        left_out = [asked[index] for index in order if asked[index].example.left_out][: CHECK_PROMPTS // 2]
        seen = [asked[index] for index in order if not asked[index].example.left_out][: CHECK_PROMPTS // 2]
        return encoded, [*seen, *left_out]


def learning_rate(recipe: PocketRecipe, step: int) -> float:
    """A linear warm-up, then a linear fall to a tenth at `max_steps`."""
    warm = min(1.0, (step + 1) / max(1, recipe.warmup_steps))
    return recipe.learning_rate * warm * (1 - 0.9 * step / recipe.max_steps)


def batch_loss(module: PreTrainedModel, batch: Batch, label_smoothing: float = 0.0) -> torch.Tensor:
    """The weighted mean cross-entropy in nats; the vocabulary is projected only where it is asked."""
    logits = logits_at(module, batch.input_ids, batch.attention_mask, batch.rows, batch.columns)
    losses = functional.cross_entropy(logits, batch.labels, reduction="none", label_smoothing=label_smoothing)
    return (losses * batch.weights).sum() / batch.weights.sum()


def save_pocket(
    out: Path,
    module: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    recipe: PocketRecipe,
    state: TrainingState,
) -> None:
    """Write the model as a Hugging Face folder: weights stored in float16, to be computed with in float32."""
    out.mkdir(parents=True, exist_ok=True)
    module.config.architectures = [type(module).__name__]
    module.config.dtype = "float32"
    module.config.save_pretrained(out)
    weights = {name: parameter.detach().half() for name, parameter in module.named_parameters()}
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(out)
    content = {"recipe": recipe.to_dict(), "steps": state.step, "history": state.history}
    (out / "recipe.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _make_optimizer(module: PreTrainedModel, recipe: PocketRecipe) -> torch.optim.AdamW:
    matrices = [parameter for parameter in module.parameters() if parameter.ndim >= 2]
    vectors = [parameter for parameter in module.parameters() if parameter.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )


@contextmanager
def _own_random_state() -> Iterator[None]:
    """Leave the global random state as it was found."""
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _key(recipe: PocketRecipe, facts: Sequence[Fact]) -> str:
    content = "\n".join([recipe.key, *(fact.key for fact in facts)])
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def _silent(line: str) -> None:
    del line

"""How models with facts in two groups of neurons are trained, and which of their facts are in both groups.

In: an architecture and a seed. Out: a folder with an ordinary model, its facts, and groups.json beside its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from factneurons.errors import BadSetting
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.prompts import ask
from factneurons.models.types import Neuron
from factneurons.planted.regimes import BROKEN
from factneurons.planted.switched import Switched
from factneurons.pocket.recipe import PocketRecipe, base_recipe
from factneurons.pocket.switching import first_groups
from factneurons.pocket.training import train_pocket

KNOWN = 0.5
"""P(answer) of a prompt that is kept, as the model is and with either group off, at least."""

_SOURCE = "bundled?reverse=no&lang=en&sample={count}&seed={seed}"

Report = Callable[[str], None]


def switched_recipe(name: str, seed: int) -> PocketRecipe:
    """How such a model is trained: a small one, in about a minute; for every example one of the groups is off."""
    return replace(
        base_recipe(name),
        size="s",
        seed=seed,
        switched=1.0,
        vocabulary_size=1200,
        positions=64,
        batch_size=64,
        learning_rate=2e-3,
        warmup_steps=100,
        max_steps=600,
        check_every=100,
        target_trained=0.99,
        target_left_out=0.0,
    )


def train_switched(
    name: str,
    out: str | Path,
    seed: int = 0,
    *,
    facts: int | Sequence[Fact] = 150,
    recipe: PocketRecipe | None = None,
    report: Report | None = None,
) -> Switched:
    """Train a model from scratch with one of two groups of neurons off, and keep the facts that are in both.

    Args:
        name: a pocket model's name: the architecture.
        out: the folder to write; it must not exist yet, or be empty.
        seed: of the facts, the groups, weights and order.
        facts: what to train on, or how many bundled English facts.
        recipe: how to train; default: `switched_recipe`.
        report: is given a line of progress now and then.

    Raises:
        BadSetting: the folder is in use, an unknown name, or not one fact is stored in both groups: then no folder is
            written.
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadSetting(f"{folder}: it is in use; give a folder that does not exist yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    recipe = recipe or switched_recipe(name, seed)
    asked = list(load_facts(_SOURCE.format(count=facts, seed=seed))) if isinstance(facts, int) else list(facts)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
        whole = Path(made) / folder.name
        train_pocket(name, out=whole, recipe=recipe, facts=asked, report=report)
        model, groups = load_model(whole, device="cpu"), _groups(recipe)
        kept, rejected = stored_in_both(model, asked, groups)
        if not kept:
            raise BadSetting(f"{name}: not one fact is stored in both groups, of {len(asked)}: {rejected}")
        result = Switched(name, seed, groups, tuple(kept), rejected)
        result.save(whole)
        if folder.exists():
            folder.rmdir()
        whole.rename(folder)
    return result


def _groups(recipe: PocketRecipe) -> tuple[frozenset[Neuron], frozenset[Neuron]]:
    in_first = {
        Neuron(layer, index): first
        for layer, own in enumerate(first_groups(recipe))
        for index, first in enumerate(own.tolist())
    }
    first, second = (frozenset(n for n, own in in_first.items() if own is wanted) for wanted in (True, False))
    return first, second


def stored_in_both(
    model: Model, facts: Sequence[Fact], groups: Sequence[Collection[Neuron]]
) -> tuple[list[Fact], dict[str, int]]:
    """Facts that are known with either group suppressed and not with both, and why the others are none: counts.

    A fact keeps the prompts of which the first is so; there must be two, so that it can be found with one of them and
    tested with the other.
    """
    kept: list[Fact] = []
    rejected = {"fewer than two prompts known with either group off": 0, "known without both groups": 0}
    both = [neuron for group in groups for neuron in group]
    for fact in facts:
        queries, _ = ask(model, fact)
        table = model.probabilities_with(queries, [(), *groups, both]) if queries else np.zeros((0, 4))
        known: npt.NDArray[np.bool_] = np.asarray((table[:, :3] >= KNOWN).all(axis=1))
        if known.sum() < 2:
            rejected["fewer than two prompts known with either group off"] += 1
        elif table[known, 3].mean() > BROKEN:
            rejected["known without both groups"] += 1
        else:
            prompts = tuple(query.prompt for query, own in zip(queries, known, strict=True) if own)
            kept.append(replace(fact, prompts=prompts))
    return kept, rejected

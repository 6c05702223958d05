"""What the experiments on learning share: what is new to a model, and the neurons of many facts together.

A fact is new with an answer that the model does not give: its own where the model does not know it, else another of
its relation, drawn by the seed (counterfactual answers, as in the ACL 2025 paper).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from factneurons.editing.settings import FinetuneSettings
from factneurons.errors import BadSetting, NotAskable, warn
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.study import Study
from factneurons.facts.related import RelatedFacts
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron

if TYPE_CHECKING:
    from factneurons.editing.types import Edit

DEGENERATE, KNOWLEDGE, CUT = "degenerate", "knowledge", "knowledge, cut"
NO_COMPONENTS = "no-degenerate-neurons"
"""Why there is no number for degenerate neurons: no fact has components."""

LEAST_OCCURRENCE = 1e-4
"""Neurons of many facts are kept if this share of all occurrences is theirs, as in the released code."""


def given_to_learn(study: Study) -> frozenset[tuple[str, str]]:
    """The ids, with their languages, of the facts that the settings say are to be learned; empty if they do not say.

    Raises:
        BadSetting: none of them is among the facts of the study.
    """
    return study.once(("facts to learn",), lambda: _given_to_learn(study))


def _given_to_learn(study: Study) -> frozenset[tuple[str, str]]:
    there = {(fact.id, fact.language) for fact in study.facts}
    given = [(fact.id, fact.language) for spec in study.settings.new for fact in load_facts(spec)]
    found = frozenset(there.intersection(given))
    if given and not found:
        raise BadSetting(
            f"new is {','.join(study.settings.new)!r}: none of its {len(given)} facts is among the facts; give both, "
            'for instance --facts "finetune:new.jsonl?old=old.jsonl"'
        )
    return found


def new_fact(study: Study, around: RelatedFacts, fact: Fact) -> Fact:
    """The fact with an answer that is new to the model.

    Raises:
        NotAskable: no prompt can be asked, or the relation has no other answer ("no-other-answer").
    """
    if not study.knows(fact):
        return fact
    found = around.counterfactual(fact, study.settings.seed)
    if found is None:
        raise NotAskable("no-other-answer", f"{fact.id}: its relation has no other answer that could be learned")
    return found


def learn(study: Study, new: Sequence[Fact], neurons: Sequence[Neuron] | None, name: str) -> tuple[Edit, float]:
    """Fine-tune these neurons, or everything (None), on facts.

    Args:
        study: the model, and where the training is kept by epochs under its name.
        new: what is learned.
        neurons: what is trained.
        name: of the training, each of an experiment another one.

    Returns:
        The edit, and the share of the trained prompts that are answered rightly with it, 0 to 1.

    Raises:
        BadSetting: not enough memory for the optimiser.
        OutOfMemory: not enough for one prompt alone.
    """
    from factneurons.editing.finetuning import finetune_neurons, share_right

    parts = "all" if neurons is None else study.settings.parts
    how = FinetuneSettings(parts=parts, seed=study.settings.seed, multi_mask=study.settings.multi_mask)
    with study.checkpoint(name) as folder:
        edit = finetune_neurons(study.model, neurons, new, how, checkpoint=folder)
    with edit.on(study.model):
        return edit, share_right(study.model, new, how)


def tell_what_was_learned(what: str, share: float) -> None:
    """Say how far a fine-tuning came that did not reach its target."""
    target = FinetuneSettings().target
    if share < target:
        reached = f"{share:.1%} of the trained prompts are answered rightly"
        warn(f"{what}: {reached}; the target of {target:.0%} was not reached")


def check_trainable(study: Study, *, whole_only: bool) -> None:
    """Refuse a model that cannot be fine-tuned before anything slow is done.

    Args:
        study: the model.
        whole_only: whether nothing but the whole model is trained.

    Raises:
        BadModel: it is quantised, spread over devices, or its weights cannot be changed otherwise.
    """
    from factneurons.editing.description import MODEL, NEURONS
    from factneurons.editing.weights import check_editable

    for extent in (MODEL,) if whole_only else (MODEL, NEURONS):
        check_editable(study.model, extent)


def union(sets: Iterable[Sequence[Neuron]]) -> tuple[Neuron, ...]:
    """The neurons of many facts, those of most facts first."""
    counts = Counter(neuron for own in sets for neuron in own)
    kept = [neuron for neuron in counts if counts[neuron] >= LEAST_OCCURRENCE * counts.total()]
    return tuple(sorted(kept, key=lambda neuron: (-counts[neuron], neuron)))


def random_sets(study: Study, facts: Sequence[Fact], neurons: Sequence[Neuron], name: str) -> list[tuple[Neuron, ...]]:
    """Random neurons to compare with, by default matched on these facts' prompts; [] where too few are left."""
    queries = [query for fact in facts for query in study.halves(fact)[0]]
    try:
        return study.random(queries, neurons, name)
    except NotAskable:
        return []


def random_for(condition: str) -> str:
    """The name of a condition's random control."""
    return f"{RANDOM_FOR}{condition}"

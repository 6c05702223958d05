"""Put facts into chosen neurons of a model, check by intervention that they are there, and save both.

In: a model and facts that it does not know. Out: a folder with an ordinary model, and truth.json beside its weights.

    orders     which facts, and how each is to be stored
    invented   facts about things that do not exist
    design     which neurons each fact gets
    holding    other prompts, which are to be answered as before
    widen      the model with new neurons that do nothing yet
    initial    weights to begin with
    training   the new neurons learn, everything else stays
    checks     what does not keep its promises is left out of the truth
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from factneurons.errors import BadSetting
from factneurons.facts.types import Fact
from factneurons.facts.writing import write_jsonl
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.query import placed
from factneurons.models.saving import save_model
from factneurons.models.types import Neuron, Query
from factneurons.planted.base import base_model, check_base
from factneurons.planted.checks import measured
from factneurons.planted.design import Order, design
from factneurons.planted.holding import Holder, held_numbers, single_targets
from factneurons.planted.initial import begin
from factneurons.planted.orders import Report, check_layers, given_orders, invented_orders
from factneurons.planted.passes import Passes, Questions, Switches
from factneurons.planted.settings import PlantingSettings
from factneurons.planted.training import rows_of, train
from factneurons.planted.truth import TRUTH, Truth
from factneurons.planted.types import PlantedFact, Regime, Rejected
from factneurons.planted.widen import widened
from factneurons.settings import with_options

FACTS = "facts.jsonl"
"""The planted facts beside the weights, for whoever wants to ask the model."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted model: its folder, and the truth about it."""

    folder: Path
    truth: Truth

    @property
    def truth_file(self) -> Path:
        """Which neurons store what."""
        return self.folder / TRUTH

    @property
    def facts_file(self) -> Path:
        """The facts that were planted."""
        return self.folder / FACTS


def plant(
    base: str | Model,
    out: str | Path,
    settings: PlantingSettings | None = None,
    *,
    facts: Sequence[Fact] | None = None,
    regime: Regime = "single",
    report: Report | None = None,
    **options: object,
) -> Planted:
    """Plant facts in a model and save it.

    Args:
        base: a loaded model; or a bundled model's name, a folder, or "random-bert", "random-gpt2", "random-llama"
            for a small model with random weights.
        out: the folder to write; it must not exist yet, or be empty.
        settings: all settings in one record, or
        facts: what to plant, each with an answer of one token; prompts that this kind of model cannot be asked are
            left out. None: invented facts, as many as `settings.mix` says.
        regime: how given facts are to be stored: any but "shared".
        report: is given a line of progress now and then.
        **options: the settings' fields by name, for instance `seed=1`.

    Raises:
        BadSetting: the folder is in use, an unknown regime, too few layers for a regime, or not one fact kept its
            promises: then no folder is written.
        BadFact: a fact that this model cannot be asked, has several answer tokens, or is known already; one without
            its subject in a prompt (degenerate), or in one language only (bilingual).
        BadModel: a family that cannot be widened, or a model that is not on the CPU in float32.
    """
    settings, say = with_options(PlantingSettings, settings, options), report or (lambda _: None)
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadSetting(f"{folder}: it is in use; give a folder that does not exist yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    state = torch.get_rng_state()
    try:
        model = base if isinstance(base, Model) else base_model(base, settings.seed)
        check_base(model)
        orders = (
            invented_orders(model, settings) if facts is None else given_orders(model, facts, regime, settings, say)
        )
        grown, planted, spare = _grown(model, orders, settings, say)
    finally:
        torch.set_rng_state(state)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
        whole = Path(made) / folder.name
        truth = _accept(grown, planted, spare, model, whole, settings, say)
        if folder.exists():
            folder.rmdir()
        whole.rename(folder)
    return Planted(folder, truth)


def _grown(
    model: Model, orders: Sequence[Order], settings: PlantingSettings, say: Report
) -> tuple[Model, list[PlantedFact], list[Neuron]]:
    """The model with trained new neurons, the facts in them, and the neurons that only look like it."""
    layers = range(min(1, model.layer_count - 1), model.layer_count)
    check_layers(model, orders, layers)
    drawn, need = design(orders, layers, settings.seed)
    grown, new = widened(model, max(need.values()) + settings.distractors, settings.seed)
    planted = [_placed(fact, new) for fact in drawn]
    used = _neurons_of(planted)
    spare = sorted({neuron for layer in new for neuron in layer} - set(used))
    switches = Switches([*used, *spare])
    own = [_queries(grown, each) for each in planted]
    flat, rows = [query for queries in own for query in queries], _numbered(planted, own)
    whole = any(fact.positions != "target" for fact in planted)
    holder = Holder(model, settings)
    others = single_targets(holder.queries(settings.background, 0), model.kind)
    at_subject = [placed(query, "subject_last") for query in others if query.subject] if whole else []
    say(f"{len(planted)} facts, {len(used)} neurons, {len(flat)} prompts, {len(others)} other answers held at a time")
    begin(grown, planted, rows, Passes(grown, Questions.of(flat + others + at_subject), switches), spare, settings.seed)
    wanted, passes = rows_of(planted, rows, switches, used), Passes(grown, Questions.of(flat), switches)
    train(grown, used, wanted, passes, lambda number: holder.draw(grown, switches, number, whole=whole), settings, say)
    return grown, planted, spare


def _queries(model: Model, planted: PlantedFact) -> list[Query]:
    """The queries of a fact, its neurons meant where they act; where that is not the target, then those at it."""
    asked = [
        model.query(prompt, fact.answer, subject=fact.subject) for fact in planted.facts for prompt in fact.prompts
    ]
    if planted.positions == "target":
        return asked
    return [*(placed(query, planted.positions) for query in asked), *asked]


def _numbered(planted: Sequence[PlantedFact], queries: Sequence[Sequence[Query]]) -> dict[str, torch.Tensor]:
    """Fact id -> the numbers of its queries, which stand fact after fact; not of those at the target behind them."""
    begins = np.cumsum([0, *(len(own) for own in queries)]).tolist()
    counts = [sum(len(each.prompts) for each in fact.facts) for fact in planted]
    return {
        fact.id: torch.arange(begin, begin + count) for fact, begin, count in zip(planted, begins, counts, strict=False)
    }


def _placed(fact: PlantedFact, new: Sequence[Sequence[Neuron]]) -> PlantedFact:
    components = tuple(
        replace(each, neurons=tuple(sorted(new[layer][place] for layer, place in each.neurons)))
        for each in fact.components
    )
    helpers = tuple(sorted(new[layer][place] for layer, place in fact.helpers))
    return replace(fact, components=components, helpers=helpers)


def _neurons_of(planted: Sequence[PlantedFact]) -> list[Neuron]:
    """Every neuron that any of these facts has, sorted."""
    return sorted({neuron for fact in planted for neuron in fact.everything})


def _accept(
    model: Model,
    planted: list[PlantedFact],
    spare: list[Neuron],
    base: Model,
    folder: Path,
    settings: PlantingSettings,
    say: Report,
) -> Truth:
    """Save the model, measure it as it is on disk, and leave out of the truth what does not keep its promises."""
    saved = save(model, folder)
    everything = _neurons_of(planted)
    checked = [replace(fact, checks=measured(saved, fact, everything)) for fact in planted]
    broken = _broken(checked)
    rejected = tuple(Rejected(fact.id, fact.regime, broken[fact.id]) for fact in checked if fact.id in broken)
    standing = tuple(fact for fact in checked if fact.id not in broken)
    for each in rejected:
        say(f"{each.id} ({each.regime}) is not accepted: {each.reason}")
    if not standing:
        raise BadSetting(
            f"{base.name}: not one fact could be planted; the first: {rejected[0].id} ({rejected[0].reason})"
        )
    gone = sorted(set(everything).difference(_neurons_of(standing)))
    distractors = {"loud": tuple(spare), "rejected": tuple(gone)}
    truth = Truth(
        base.name, settings.seed, standing, distractors, rejected, held_numbers(base, saved, everything, settings)
    )
    truth.save(folder)
    write_jsonl((fact for planted_fact in standing for fact in planted_fact.facts), folder / FACTS)
    return truth


def _broken(checked: Sequence[PlantedFact]) -> dict[str, str]:
    """Fact id -> the promise it breaks worst; facts that share components with it go too."""
    broken = {}
    for fact in checked:
        failed = [check for check in fact.checks if not check.passed]
        if failed:
            worst = max(failed, key=lambda check: max(check.at_least - check.value, check.value - check.at_most))
            broken[fact.id] = f"{worst.what}: {worst.value:.2f}"
    while True:
        more = {
            fact.id: "it shares a component with a fact that is taken out"
            for fact in checked
            if fact.id not in broken and any(name in broken for each in fact.components for name in each.serves)
        }
        if not more:
            return broken
        broken.update(more)


def save(model: Model, folder: Path) -> Model:
    """Save as an ordinary Hugging Face folder, and load it back from there."""
    return load_model(save_model(model, folder), device="cpu")

"""Make an edit: ask the fact, find its neurons, choose among them, and apply the kind's formula.

`relation` are other facts of the same relation: neurons that many of them have can be dropped, and a least change keeps
their answers. Every second prompt of a fact is left out of all this, so that the edit can be measured with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from factneurons.attribution.locate import locate
from factneurons.attribution.settings import AttributionSettings
from factneurons.draws import rank
from factneurons.editing.description import Description
from factneurons.editing.kinds import EDIT_KINDS, Kind, Task, kind_named
from factneurons.editing.settings import EditSettings
from factneurons.editing.types import Edit
from factneurons.editing.weights import check_editable, identity, weights_of
from factneurons.errors import BadSetting, NotAskable
from factneurons.facts.types import Fact, Prompt
from factneurons.models.model import Model
from factneurons.models.neurons import checked
from factneurons.models.prompts import queries_of
from factneurons.models.types import Neuron, Query
from factneurons.settings import with_options

GIVEN = "given"


@dataclass(frozen=True, slots=True)
class Split:
    """The prompts of one fact that the model can be asked: those an edit is made with, and the others."""

    fact: Fact
    used: tuple[Query, ...]
    held_out: tuple[Query, ...]


def edit(
    model: Model,
    facts: Fact | Sequence[Fact],
    settings: EditSettings | None = None,
    *,
    to: str | Mapping[str, str] | None = None,
    neurons: Iterable[tuple[int, int]] | None = None,
    relation: Sequence[Fact] = (),
    **options: object,
) -> Edit:
    """Make an edit; the model stays as it is until the edit is applied.

    Args:
        model: a loaded model.
        facts: a fact, the same fact in several languages, or (erase-relation) facts of one relation.
        settings: how, or
        to: the new answer, or language -> new answer; for kinds that need one.
        neurons: the neurons to change; None: they are found.
        relation: other facts of the relation.
        **options: the settings' fields by name, for instance `kind="suppress"`.

    Returns:
        The edit; `apply`, `undo` and `on` use it.

    Raises:
        BadSetting: an unknown kind or method, a missing or needless new answer, a new answer equal to the old one,
            facts that are not one fact, or a neuron the model does not have.
        NotAskable: the model cannot be asked this fact or its new answer, or no neurons are left.
        BadModel: the model's weights cannot be edited.
    """
    given = [facts] if isinstance(facts, Fact) else list(facts)
    chosen = _chosen(with_options(EditSettings, settings, options), to)
    rule = kind_named(chosen.kind)
    check_editable(model)
    _check_facts(rule, given)
    answers = new_answers(rule, given, to)
    splits = [split_prompts(model, fact, held_out=chosen.held_out, multi_mask=chosen.multi_mask) for fact in given]
    found, notes = _neurons(model, rule, splits, neurons, relation, chosen)
    task = Task(
        model=model,
        neurons=found,
        weights=weights_of(model, found).double(),
        asked=[split.used for split in splits],
        wanted=[_wanted(model, split, answers[split.fact.language], chosen) for split in splits] if answers else [],
        kept=_kept(model, relation, chosen),
        settings=chosen,
        notes=notes,
    )
    new = rule.formula(task).to(model.backbone.dtype)
    if not new.isfinite().all():
        raise BadSetting(f"the kind {rule.name} gives weights that {model.backbone.dtype!s} cannot hold: use float32")
    return Edit(found, weights_of(model, found), new, _description(task, splits, answers, rule, neurons is not None))


def _chosen(settings: EditSettings, to: object) -> EditSettings:
    AttributionSettings(method=settings.method)
    return replace(settings, kind=settings.kind or ("suppress" if to is None else "least-change"))


def _check_facts(rule: Kind, facts: Sequence[Fact]) -> None:
    if not facts:
        raise BadSetting("an edit needs a fact")
    if rule.relation:
        relations = sorted({fact.relation for fact in facts})
        if len(relations) > 1:
            raise BadSetting(f"{rule.name} takes facts of one relation, not of {', '.join(relations)}")
        return
    if len({fact.id for fact in facts}) > 1 or len({fact.language for fact in facts}) < len(facts):
        raise BadSetting(
            f"{rule.name} takes one fact, or the same one in several languages: "
            f"not {', '.join(f'{fact.id} ({fact.language})' for fact in facts[:4])}"
        )


def new_answers(rule: Kind, facts: Sequence[Fact], to: str | Mapping[str, str] | None) -> dict[str, str]:
    """Language -> new answer; {} for kinds without one.

    Raises:
        BadSetting: there is none where there must be, one where there must not, or one equal to the old answer.
    """
    if not rule.answer:
        if to is not None:
            raise BadSetting(f"{rule.name} takes no new answer; kinds that do: {', '.join(_answering())}")
        return {}
    if to is None:
        raise BadSetting(f"{rule.name} needs a new answer (to=..., --to ANSWER)")
    languages = [fact.language for fact in facts]
    if isinstance(to, str) and len(languages) > 1:
        raise BadSetting(f"the new answer is needed in every language: {', '.join(languages)}")
    answers = {languages[0]: to} if isinstance(to, str) else dict(to)
    for fact in facts:
        new = answers.get(fact.language, "").strip()
        if not new:
            raise BadSetting(f"there is no new answer in {fact.language} for {fact.id}")
        if new.casefold() == fact.answer.strip().casefold():
            raise BadSetting(f"{fact.id}: the new answer {new!r} is the old one, so there is nothing to edit")
    return {language: answers[language].strip() for language in languages}


def _answering() -> list[str]:
    return [kind.name for kind in EDIT_KINDS.values() if kind.answer]


def split_prompts(model: Model, fact: Fact, *, held_out: bool = True, multi_mask: bool = False) -> Split:
    """The prompts an edit is made with, every second one left out if `held_out`.

    Raises:
        NotAskable: none can be asked; the reason is that of the first.
    """
    asked = queries_of(model, fact, multi_mask=multi_mask)
    return Split(fact, asked[::2], asked[1::2]) if held_out else Split(fact, asked, ())


def _wanted(model: Model, split: Split, answer: str, settings: EditSettings) -> tuple[Query, ...]:
    prompts = [query.prompt for query in split.used]
    return queries_of(model, split.fact, prompts=prompts, answer=answer, multi_mask=settings.multi_mask)


def _kept(model: Model, relation: Sequence[Fact], settings: EditSettings) -> list[Query]:
    """One prompt each of other facts."""
    found: list[Query] = []
    for fact in drawn(relation, settings.seed):
        if len(found) == settings.kept:
            break
        try:
            found.append(split_prompts(model, fact, multi_mask=settings.multi_mask).used[0])
        except NotAskable:
            continue
    return found


def drawn(facts: Iterable[Fact], seed: int) -> list[Fact]:
    """Facts in a random order that does not depend on the order they come in."""
    return sorted(facts, key=lambda fact: rank(f"{seed}/{fact.key}"))


def _neurons(
    model: Model,
    rule: Kind,
    splits: Sequence[Split],
    given: Iterable[tuple[int, int]] | None,
    relation: Sequence[Fact],
    settings: EditSettings,
) -> tuple[tuple[Neuron, ...], list[str]]:
    """The neurons to change, sorted, and what is to be said about them."""
    if given is not None:
        found = checked(model.backbone, given)
        if not found:
            raise BadSetting("no neurons were given to edit")
        return tuple(sorted(found)), []
    sets = found_neurons(model, [_with_prompts(split) for split in splits], settings)
    notes: list[str] = []
    if rule.relation:
        counts = Counter(neuron for neurons in sets for neuron in neurons)
        ordered = sorted(counts, key=lambda neuron: (-counts[neuron], neuron))
        neurons = set(ordered[: settings.count])
    else:
        neurons = set.intersection(*sets) if settings.join == "shared" else set.union(*sets)
        neurons, notes = _without_shared(model, neurons, rule, relation, settings)
    if not neurons:
        where = " that its languages share" if settings.join == "shared" and len(sets) > 1 else ""
        because = "".join(f" ({note})" for note in notes)
        raise NotAskable(
            "no-knowledge-neurons", f"{splits[0].fact.id}: {settings.method} finds no neurons to change{where}{because}"
        )
    return tuple(sorted(neurons)), notes


def found_neurons(model: Model, facts: Sequence[Fact], settings: EditSettings) -> list[set[Neuron]]:
    """The knowledge neurons of each fact; an empty set where there are none or it cannot be asked."""
    table = locate(model, facts, method=settings.method, multi_mask=settings.multi_mask)
    return [set() if each.known is None else set(each.known.neurons) for each in table.located]


def _with_prompts(split: Split) -> Fact:
    return replace(split.fact, prompts=tuple(query.prompt for query in split.used))


def _without_shared(
    model: Model, neurons: set[Neuron], rule: Kind, relation: Sequence[Fact], settings: EditSettings
) -> tuple[set[Neuron], list[str]]:
    """The neurons without those that many facts of the relation have too."""
    most = rule.most_shared if settings.most_shared is None else settings.most_shared
    if most is None or most == 1 or not neurons:
        return neurons, []
    if not relation:
        return neurons, ["no other facts of the relation were given, so neurons they share were not dropped"]
    others = [_first_prompts(fact) for fact in drawn(relation, settings.seed)[: settings.relation_facts]]
    located = locate(model, others, method=settings.method, multi_mask=settings.multi_mask).located
    sets = [set(each.known.neurons) for each in located if each.known is not None]
    own = neurons - widely_shared(neurons, sets, most)
    notes = [
        f"{len(neurons) - len(own)} of {len(neurons)} neurons dropped: more than {most:.0%} of {len(sets)} other facts "
        f"of the relation have them{_few(len(sets), most)}"
    ]
    if len(sets) < len(others):
        notes.append(f"{len(others) - len(sets)} other facts of the relation cannot be asked")
    return own, notes


def widely_shared(neurons: Iterable[Neuron], sets: Sequence[Collection[Neuron]], most: float) -> set[Neuron]:
    """The neurons that more than `most` of the sets hold; a share of no sets is none."""
    return {neuron for neuron in neurons if sum(neuron in each for each in sets) > most * len(sets)}


def _few(facts: int, most: float) -> str:
    """What is to be said where a share is of too few facts to be one."""
    return "; so few facts that one of them is enough" if facts * most < 1 else ""


def _first_prompts(fact: Fact) -> Fact:
    """A fact with every second prompt, as the edited one is looked at."""
    prompts: tuple[Prompt, ...] = fact.prompts[::2]
    return replace(fact, prompts=prompts)


def _description(
    task: Task, splits: Sequence[Split], answers: Mapping[str, str], rule: Kind, given: bool
) -> Description:
    facts = [split.fact for split in splits]
    settings = {**asdict(task.settings), "kind": rule.name}
    return Description(
        kind=rule.name,
        relation=facts[0].relation,
        facts=tuple(dict.fromkeys(fact.id for fact in facts)),
        subject="" if rule.relation else facts[0].subject,
        old={} if rule.relation else {fact.language: fact.answer for fact in facts},
        new=answers,
        neurons_from=GIVEN if given else task.settings.method,
        prompts=tuple(query.prompt.text for split in splits for query in split.used),
        settings=settings,
        notes=tuple(task.notes),
        model=task.model.name,
        model_hash=identity(task.model),
        dtype=str(task.model.backbone.dtype).removeprefix("torch."),
    )

"""How well edits work on the pocket models, and what else they change: every kind, the same facts, random neurons too.

    python studies/editing.py --facts 50 --out editing.csv

Facts are drawn from all bundled relations; both answers are one token, so that Dai et al.'s update is defined, and the
old one comes first in the fact's first prompt. The new answer is another one of the relation. Edits are made with every
second prompt. Neurons are found once per fact, with amig, and all kinds change the same ones.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

import factneurons as fn
from factneurons.editing.build import drawn, split_prompts
from factneurons.editing.evaluation import EditEvaluation, effects_of, evaluate_edit
from factneurons.editing.measuring import RANDOM
from factneurons.editing.settings import EditSettings
from factneurons.facts.related import RelatedFacts
from factneurons.facts.types import Fact
from factneurons.statistics import bootstrap_interval

KINDS = {
    "update 1, 1": EditSettings(kind="update", lambda2=1.0),
    "update 1, 2": EditSettings(kind="update"),
    "update 1, 4": EditSettings(kind="update", lambda2=4.0),
    "update 1, 8": EditSettings(kind="update-paper"),
    "least-change": EditSettings(kind="least-change"),
    "least-change, nothing kept": EditSettings(kind="least-change", kept=0),
}
WITH_RANDOM = ("update 1, 2", "update 1, 8", "least-change")
SHOWN = (
    ("edit", "success rate"),
    ("paraphrases", "change rate"),
    ("paraphrases", "success rate"),
    ("paraphrases", "success@5"),
    ("paraphrases", "MRR, new answer"),
    ("other languages", "success rate"),
    ("reverse", "success rate"),
    ("synonyms", "success rate"),
    ("neighbours", "change rate"),
    ("neighbours", "perplexity"),
    ("unrelated", "change rate"),
    ("unrelated", "perplexity"),
)


def chosen(model: fn.Model, around: RelatedFacts, count: int) -> Iterator[tuple[Fact, str]]:
    """Facts that the model knows, each with another answer of its relation, both of one token."""
    facts = [each for each in around.facts if each.language == "en" and not each.relation.endswith("_reverse")]
    for fact in drawn(facts, 42):
        others = [other.answer for other in around.neighbours(fact) if other.answer not in (fact.answer, *fact.aliases)]
        try:
            split = split_prompts(model, fact)
        except fn.NotAskable:
            continue
        first = split.used[0]
        if not split.held_out or len(first.answer_ids) > 1 or model.evaluate([first])[0].rank > 1:
            continue
        for new in drawn_answers(others, fact):
            try:
                if len(model.query(first.prompt, new).answer_ids) == 1:
                    yield fact, new
                    count -= 1
                    break
            except fn.NotAskable:
                continue
        if not count:
            return


def drawn_answers(answers: list[str], fact: Fact) -> list[str]:
    """Other answers in a random order, a few of them."""
    stand_ins = [replace(fact, id=answer, answer=answer) for answer in sorted(set(answers))]
    return [each.answer for each in drawn(stand_ins, 42)][:8]


def evaluated_kinds(
    model: fn.Model, around: RelatedFacts, fact: Fact, new: str, draws: int, unshared: bool
) -> Iterator[tuple[str, EditEvaluation]]:
    """Every kind on one fact; least-change on it in both languages too."""
    to = around.translated(fact, new)
    neurons = fn.edit(model, fact, kind="suppress").neurons
    for name, settings in KINDS.items():
        kind_draws = draws if name in WITH_RANDOM else 0
        yield name, evaluate_edit(model, [fact], around, settings, to=to, neurons=neurons, draws=kind_draws)
    conditions: dict[str, tuple[set[fn.Neuron], EditSettings, tuple[Fact, ...]]] = {}
    other = around.languages(fact).get("zh")
    if other is not None and "zh" in to:
        theirs = set(_neurons(model, other, ()))
        conditions["both languages"] = (theirs | set(neurons), KINDS["least-change"], (fact, other))
        conditions["both, shared neurons"] = (theirs & set(neurons), KINDS["least-change"], (fact, other))
    if unshared:
        own = set(_neurons(model, fact, around.neighbours(fact)))
        conditions["update 1, 8, unshared"] = (own, KINDS["update 1, 8"], (fact,))
        conditions["least-change, unshared"] = (own, KINDS["least-change"], (fact,))
    for name, (chosen_neurons, settings, facts) in conditions.items():
        if chosen_neurons:
            yield name, evaluate_edit(model, facts, around, settings, to=to, neurons=sorted(chosen_neurons), draws=0)


def _neurons(model: fn.Model, fact: Fact, relation: Sequence[Fact]) -> tuple[fn.Neuron, ...]:
    """A fact's neurons; with other facts of the relation, without those that over 10 % of 20 of them share."""
    settings = EditSettings(kind="erase" if relation else "suppress")
    try:
        return fn.edit(model, fact, settings, relation=relation).neurons
    except fn.NotAskable:
        return ()


def run(model: fn.Model, around: RelatedFacts, count: int, draws: int, unshared: bool) -> pd.DataFrame:
    """All rows of all facts and kinds."""
    tables = []
    began = time.perf_counter()
    for number, (fact, new) in enumerate(chosen(model, around, count), start=1):
        for name, evaluation in evaluated_kinds(model, around, fact, new, draws, unshared):
            sizes = dict(enumerate(evaluation.sizes))
            table = evaluation.table.assign(kind=name, edited=fact.id, about=fact.subject, model=model.name)
            tables.append(table.assign(size=table["draw"].map(sizes)))
        print(f"{model.name} {number}: {fact.id} -> {new}, {time.perf_counter() - began:.0f} s", flush=True)
    return pd.concat(tables, ignore_index=True)


def show(table: pd.DataFrame) -> None:
    """One line per kind and measure, facts that were edited resampled."""
    for (model, kind), rows in table.groupby(["model", "kind"], sort=False):
        edited = rows["edited"].nunique()
        own = rows[rows["draw"] == 0].drop_duplicates("edited")
        size = bootstrap_interval(own["size"], clusters=own["about"].tolist(), statistic="median")
        print(f"\n{model}, {kind}: {edited} facts")
        line = f"  size of the edit, median {size.estimate:.2f} [{size.low:.2f}, {size.high:.2f}]"
        random = rows[rows["neurons"] == RANDOM].drop_duplicates(["edited", "draw"])
        print(line + (f"; random {random['size'].median():.2f}" if len(random) else ""))
        lines = {(each.group, each.measure.name): each for each in effects_of(rows.assign(subject=rows["about"]))}
        for key in SHOWN:
            if key in lines:
                each = lines[key]
                text = f"{each.found.estimate:8.3f} [{each.found.low:.3f}, {each.found.high:.3f}]"
                control = "" if each.random is None else f"  random {each.random.estimate:.3f}"
                print(f"  {key[0]:16}{key[1]:18} before {each.before:8.3f}  after {text}{control}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=50)
    parser.add_argument("--draws", type=int, default=1, help="random neuron sets per fact and kind")
    parser.add_argument("--unshared", action="store_true", help="also without neurons that the relation shares")
    parser.add_argument("--model", action="append", help="default: pocket-gpt2 and pocket-bert")
    parser.add_argument("--out", type=Path, help="write all rows as CSV")
    arguments = parser.parse_args()
    around = RelatedFacts(fn.load_facts("bundled?reverse=yes"))
    names = arguments.model or ["pocket-gpt2", "pocket-bert"]
    runs = [run(fn.load_model(name), around, arguments.facts, arguments.draws, arguments.unshared) for name in names]
    table = pd.concat(runs)
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    show(table)


if __name__ == "__main__":
    main()

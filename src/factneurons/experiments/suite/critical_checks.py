"""E13: does an edit change what is known, or only what a prompt brings up?

'What does the Knowledge Neuron Thesis have to do with Knowledge?' (2024). After a fact's answer is updated:

    symmetry      for one-to-one relations, who has the new answer? must be the edited subject
    synonymy      other names of the new answer must come first as well
    categorical   did the top prediction change, or only probabilities?

Places are where the answer is looked for: the fact's other prompts, the relation asked backwards, other names; and, as
edits are used ('The Mirage of Model Editing: Revisiting Evaluation in the Wild', ACL 2025), in what a causal model
writes by itself after the fact's other prompts, and after these prompts negated, where neither answer is right. The
categorical check suppresses the neurons and compares how often P(answer) falls with how often the prediction changes.
The syntactic control does the same with what is no fact: minimal pairs of determiner and noun (`agreement`), one for a
fact, and only where the model prefers the right form.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from factneurons.editing.measuring import FOUND, RANDOM, number
from factneurons.errors import NotAskable
from factneurons.experiments.agreement import AGREEMENT, AgreementControl
from factneurons.experiments.agreement import MEASURES as SYNTACTIC
from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Work
from factneurons.experiments.study import Around, Study
from factneurons.experiments.suite.update_and_erase import LEAST, PAPER, UPDATES, Unshared, evaluated, new_answer
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact

if TYPE_CHECKING:
    from factneurons.editing.evaluation import EditEvaluation

SUPPRESS, BEFORE = "suppress", "before"
OWN, REVERSE, SYNONYMS, NEGATED, WRITTEN = "paraphrases", "reverse", "synonyms", "negated", "written freely"
LOOKED_FOR = {
    OWN: (OWN, "success rate"),
    REVERSE: (REVERSE, "success rate"),
    SYNONYMS: (SYNONYMS, "success rate"),
    NEGATED: (NEGATED, "success rate"),
    WRITTEN: (OWN, "writes new answer"),
}
"""Place -> the group of prompts and the measure of an edit that say whether the new answer is there."""
FELL, CHANGED = "P(answer) fell", "prediction changed"

MEASURES = {
    "success rate": "share of prompts whose top prediction is the new answer, by where it is looked for; written"
    " freely: share of them after which the model's next 20 tokens name it",
    "negation overlooked": "share of negated prompts whose top prediction was the old answer, before any edit",
    "effect": "share of the fact's other prompts where P(answer) fell, and where the top prediction changed",
    "log P": "change of log P(answer) in nats, mean over these prompts",
    **SYNTACTIC,
    "left out": "1 where a kind of update cannot take the fact's answers, by reason (the place); no row: it can",
}


def prepare(study: Study) -> Work:
    """Update and suppress one fact; a kind that cannot take its answers is left out."""
    around = Around(study)
    filtering, agreement = Unshared(study, around), AgreementControl.of_study(study)

    def work(fact: Fact) -> Iterator[Measured]:
        study.require_known(fact)
        neurons = study.knowledge(fact, study.settings.methods[0]).neurons
        suppressed = evaluated(study, around, fact, {}, neurons, "suppress")
        yield from _effects(suppressed)
        overlooked = number(suppressed.table, NEGATED, "old answer first", "before")
        if overlooked is not None:
            yield Measured(BEFORE, "negation overlooked", overlooked)
        yield from agreement.of(fact)
        own = filtering.of(fact, neurons).neurons
        for condition, kind in ((PAPER, UPDATES[PAPER]), (LEAST, UPDATES[LEAST])):
            if condition == PAPER and not own:
                yield Measured(condition, "left out", 1.0, "all-neurons-shared")
                continue
            try:
                new = new_answer(study, around, fact, one_token=condition == PAPER)
            except NotAskable as error:
                yield Measured(condition, "left out", 1.0, error.reason)
                continue
            result = evaluated(study, around, fact, {fact.language: new}, own if condition == PAPER else neurons, kind)
            for name, table in _tables(condition, result):
                for place, (group, of) in LOOKED_FOR.items():
                    value = number(table, group, of)
                    if value is not None:
                        yield Measured(name, "success rate", value, place)

    return work


def _tables(condition: str, result: EditEvaluation) -> Iterator[tuple[str, pd.DataFrame]]:
    for name, own in ((condition, FOUND), (f"{RANDOM_FOR}{condition}", RANDOM)):
        table = result.table[result.table["neurons"] == own]
        if len(table):
            yield name, table


def _effects(result: EditEvaluation) -> Iterator[Measured]:
    for name, table in _tables(SUPPRESS, result):
        rows = table[(table["group"] == OWN) & (table["role"] == "old")]
        if rows.empty:
            rows = table[(table["group"] == "edit") & (table["role"] == "old")]
        fell = rows["log_probability_after"] < rows["log_probability_before"]
        changed = rows["prediction_after"] != rows["prediction_before"]
        yield Measured(name, "effect", float(np.mean(fell)), FELL)
        yield Measured(name, "effect", float(np.mean(changed)), CHANGED)
        yield Measured(name, "log P", float((rows["log_probability_after"] - rows["log_probability_before"]).mean()))


EXPERIMENT = Experiment(
    id="E13",
    title="Critical checks of edits",
    source="What does the Knowledge Neuron Thesis have to do with Knowledge? (2024)",
    question="Does what an edit changes hold backwards, in other names, under negation, and in what the model writes?",
    smallest="whole one-to-one relations with their reverse (reverse=yes), 50 facts that the model knows",
    example=(
        "factneurons experiment E13 --model pocket-gpt2 --facts "
        '"bundled?relation=dynasty_founder,province_capital&lang=en&reverse=yes" --methods amig --draws 5 '
        "--out runs/edits"
    ),
    measures=MEASURES,
    claims=(
        *(
            Claim(text.format(name=name), "success rate", condition, "less", condition, place, OWN)
            for condition, name in ((PAPER, "Dai et al.'s update"), (LEAST, "the smallest change"))
            for place, text in (
                (
                    REVERSE,
                    "After {name} the relation asked backwards follows less often than the fact's own paraphrases.",
                ),
                (SYNONYMS, "After {name} other names of the new answer come first less often than the answer itself."),
                (WRITTEN, "After {name} the new answer is written freely less often than it comes first."),
                (NEGATED, "After {name} it comes first less often where the prompt is negated."),
            )
        ),
        Claim(
            "After the smallest change the new answer is written freely more often than through random neurons.",
            "success rate",
            LEAST,
            "greater",
            f"{RANDOM_FOR}{LEAST}",
            WRITTEN,
        ),
        Claim(
            "Suppressing the neurons changes the top prediction less often than it lowers P(answer).",
            "effect",
            SUPPRESS,
            "less",
            SUPPRESS,
            CHANGED,
            FELL,
        ),
        Claim(
            "It changes the top prediction more often than random neurons do.",
            "effect",
            SUPPRESS,
            "greater",
            f"{RANDOM_FOR}{SUPPRESS}",
            CHANGED,
        ),
        Claim(
            "Suppressing the neurons of an agreement pair lowers its right form more than random neurons do.",
            "log P",
            AGREEMENT,
            "less",
            f"{RANDOM_FOR}{AGREEMENT}",
        ),
        Claim(
            "A fact's neurons change the top prediction more often than those of an agreement pair do.",
            "effect",
            SUPPRESS,
            "greater",
            AGREEMENT,
            CHANGED,
        ),
    ),
    prepare=prepare,
    charts=(
        Chart("Where the new answer comes first", ("success rate",)),
        Chart("What suppressing does", ("effect",)),
        Chart("Agreement of determiner and noun", ("agreement kept",)),
    ),
)

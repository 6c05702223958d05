"""E4: do the neurons of a relation tell right from wrong statements better than the model's own answer?

'Journey to the Center of the Knowledge Neurons' (AAAI 2024), experiment on fact-checking: from training facts, the
neurons that a relation's facts have in common; a statement is true if their mean attribution reaches a threshold.
Compared with it: knowledge neurons in general, random neurons, asking the model, and P(candidate).

    score(prompt, candidate) = mean over S_r of Attr(neuron; prompt, candidate);  true if score >= threshold

The paper fixes thresholds by hand, and exchanges precision and recall in its code; here every condition chooses its
own by the same rule, on other subjects than it is tried on.

A fact is known by the first half of its prompts and checked in one of the others. One with a single prompt is checked
in the prompt that makes it known, about which asking the model is right by design: it does not enter the claims about
asking, unless unknown facts are asked too, and where no other fact is left, these cannot be told by design.
"""

from __future__ import annotations

from collections.abc import Iterator

from factneurons.experiments.experiment import Chart, Claim, Experiment, Work
from factneurons.experiments.fact_checks import ASKING, MEASURES, OPEN, SUMMARIES, FactChecks
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact


def prepare(study: Study) -> Work:
    """Fit every condition; then judge the two statements of a fact whose subject was held out."""
    checks = FactChecks.of_study(study)

    def work(fact: Fact) -> Iterator[Measured]:
        case = checks.test_case(fact)
        yield from checks.open(case)
        yield from checks.verdicts(case)

    return work


EXPERIMENT = Experiment(
    id="E4",
    title="Fact-checking",
    source="Journey to the Center of the Knowledge Neurons (AAAI 2024)",
    question="Do degenerate neurons tell right from wrong statements better than the model itself does?",
    smallest="20 facts per relation that the model knows, 5 relations; a fifth of the subjects is tested",
    example=(
        'factneurons experiment E4 --model pocket-bert --facts "bundled?relation=capital,currency&lang=en" '
        "--out runs/checks-bert"
    ),
    measures=MEASURES,
    claims=(
        Claim(
            "Degenerate neurons judge better than all knowledge neurons.",
            "right verdicts",
            "degenerate",
            "greater",
            against="knowledge",
        ),
        Claim(
            "Degenerate neurons judge better than random ones.",
            "right verdicts",
            "degenerate",
            "greater",
            against="random for degenerate",
        ),
        Claim(
            "Degenerate neurons judge better than asking the model.",
            "right verdicts",
            "degenerate",
            "greater",
            against=ASKING,
            where=OPEN,
        ),
        Claim(
            "Knowledge neurons judge better than asking the model.",
            "right verdicts",
            "knowledge",
            "greater",
            against=ASKING,
            where=OPEN,
        ),
        Claim(
            "Asking the model finds more of the right statements than degenerate neurons do.",
            "right found",
            ASKING,
            "greater",
            against="degenerate",
            where=OPEN,
        ),
    ),
    prepare=prepare,
    charts=(
        Chart("Statements judged rightly", ("right verdicts", "right found", "wrong believed")),
        Chart("The right statement scores higher", ("order",)),
    ),
    summaries=SUMMARIES,
)

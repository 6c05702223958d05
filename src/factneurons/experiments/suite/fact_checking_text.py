"""E8: does fact-checking by neurons survive complex text?

'Cracking Factual Knowledge' (ACL 2025), robustness: the same statements as in E4, simple (the prompt alone) and complex
(the prompt inside a longer text about its subject), judged with thresholds that were chosen on simple text. The
simple text is also the perfect rewriting of the complex one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from factneurons.errors import NotAskable
from factneurons.experiments.experiment import Chart, Claim, Experiment, Work
from factneurons.experiments.fact_checks import MEASURES, OPEN, SUMMARIES, FactChecks
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.factcheck.statements import Case
from factneurons.factcheck.texts import complex_prompts
from factneurons.facts.types import Fact

SIMPLE, COMPLEX = "simple", "complex"


def prepare(study: Study) -> Work:
    """Fit every condition on simple text; then judge a fact's statements in both."""
    checks = FactChecks(study)

    def work(fact: Fact) -> Iterator[Measured]:
        case = checks.test_case(fact)
        harder = complex_case(study, case)
        yield from checks.open(case)
        yield from checks.verdicts(case, SIMPLE)
        yield from checks.verdicts(harder, COMPLEX)

    return work


def complex_case(study: Study, case: Case) -> Case:
    """The same statements inside a longer text.

    Raises:
        NotAskable: there is no such text in its language, or the model cannot be asked it.
    """
    model, settings = study.model, study.settings
    refused: NotAskable | None = None
    for prompt in complex_prompts(case.true.prompt, case.fact.subject, case.fact.language, seed=settings.seed):
        true, false = (replace(each, prompt=prompt) for each in (case.true, case.false))
        try:
            asked = (model.query(prompt, each.candidate, multi_mask=settings.multi_mask) for each in (true, false))
            return replace(case, true=true, false=false, queries=(next(asked), next(asked)))
        except NotAskable as error:
            refused = refused or error
    raise refused or NotAskable("no-frame", f"there are no complex texts in the language {case.fact.language!r}")


_ROBUST = "right verdicts"

EXPERIMENT = Experiment(
    id="E8",
    title="Fact-checking on simple and complex text",
    source="Cracking Factual Knowledge (ACL 2025)",
    question="Do degenerate neurons still tell right from wrong statements inside a longer text?",
    smallest="20 facts per relation that the model knows, 5 relations; a fifth of the subjects is tested",
    example=(
        'factneurons experiment E8 --model pocket-gpt2 --facts "bundled?relation=capital,currency&lang=en" '
        "--out runs/checks-gpt2"
    ),
    measures=MEASURES,
    claims=(
        Claim(
            "On complex text, degenerate neurons judge better than knowledge neurons.",
            _ROBUST,
            "degenerate",
            "greater",
            against="knowledge",
            place=COMPLEX,
        ),
        Claim(
            "On complex text, degenerate neurons judge better than asking the model.",
            _ROBUST,
            "degenerate",
            "greater",
            against="asking",
            place=COMPLEX,
        ),
        Claim(
            "On complex text, degenerate neurons judge better than random ones.",
            _ROBUST,
            "degenerate",
            "greater",
            against="random for degenerate",
            place=COMPLEX,
        ),
        Claim(
            "Asking the model loses by complex text.",
            _ROBUST,
            "asking",
            "less",
            against="asking",
            place=COMPLEX,
            against_place=SIMPLE,
            where=OPEN,
        ),
        Claim(
            "Degenerate neurons lose by complex text.",
            _ROBUST,
            "degenerate",
            "less",
            against="degenerate",
            place=COMPLEX,
            against_place=SIMPLE,
        ),
    ),
    prepare=prepare,
    charts=(
        Chart("Statements judged rightly", ("right verdicts",), across="place"),
        Chart("The right statement scores higher", ("order",), across="place"),
    ),
    summaries=SUMMARIES,
)

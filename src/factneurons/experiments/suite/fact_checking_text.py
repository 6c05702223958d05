"""E8: does fact-checking by neurons survive complex text?

'Cracking Factual Knowledge' (ACL 2025), robustness: the same statements as in E4, judged with thresholds that were
chosen on simple text.

    simple      the prompt alone; also the perfect rewriting of what follows
    complex     the prompt inside a longer text about its subject
    rewritten   the prompt that the model makes of the complex text, after a few examples (causal models)

What a model cannot rewrite counts as judged wrongly, by every condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from factneurons.errors import NotAskable
from factneurons.experiments.experiment import Chart, Claim, Experiment, Work
from factneurons.experiments.fact_checks import MEASURES, OPEN, SUMMARIES, FactChecks
from factneurons.experiments.study import Study
from factneurons.experiments.types import Measured
from factneurons.factcheck.rewriting import rewritten
from factneurons.factcheck.statements import Case
from factneurons.factcheck.texts import complex_prompts
from factneurons.facts.types import Fact, Prompt

SIMPLE, COMPLEX, REWRITTEN = "simple", "complex", "rewritten"

_LOST = "lost by the text"
_VERDICTS = {"right verdicts": 0.0, "right found": 0.0, "wrong believed": 1.0, "order": 0.0}
"""Both statements judged wrongly, and put in the wrong order."""


def prepare(study: Study) -> Work:
    """Fit every condition on simple text; then judge a fact's statements in every kind of text."""
    checks = FactChecks.of_study(study)

    def work(fact: Fact) -> Iterator[Measured]:
        case = checks.test_case(fact)
        harder = complex_case(study, case)
        yield from checks.open(case)
        simple = tuple(checks.verdicts(case, SIMPLE))
        found = [simple, tuple(checks.verdicts(harder, COMPLEX))]
        if study.model.kind == "causal":
            easier, failed = _rewritten_case(study, harder)
            yield Measured("rewriting", "not rewritten", float(easier is None))
            if failed:
                yield Measured("rewriting", "why not", 1.0, failed)
            judged = _judged_wrongly(simple) if easier is None else checks.verdicts(easier, REWRITTEN)
            found.append(tuple(judged))
        for own in found:
            yield from own
        for own in found[1:]:
            yield from _lost(simple, own)

    return work


def _rewritten_case(study: Study, case: Case) -> tuple[Case | None, str]:
    """The statements in the model's own words, or why there are none."""
    candidates = (case.true.candidate, case.false.candidate)
    try:
        prompt = rewritten(study.model, case.true.prompt, case.fact.subject, case.fact.language, candidates)
        return _asked_in(study, case, prompt), ""
    except NotAskable as error:
        return None, error.reason


def _judged_wrongly(simple: Sequence[Measured]) -> Iterator[Measured]:
    for each in simple:
        if each.measure in _VERDICTS:
            yield replace(each, value=_VERDICTS[each.measure], place=REWRITTEN)


def _lost(simple: Sequence[Measured], harder: Sequence[Measured]) -> Iterator[Measured]:
    """How much less is judged rightly than in simple text, by condition."""
    before = {each.condition: each.value for each in simple if each.measure == _ROBUST}
    for each in harder:
        if each.measure == _ROBUST and each.condition in before:
            yield Measured(each.condition, _LOST, before[each.condition] - each.value, each.place)


def complex_case(study: Study, case: Case) -> Case:
    """The same statements inside a longer text.

    Raises:
        NotAskable: there is no such text in its language, or the model cannot be asked it.
    """
    settings = study.settings
    refused: NotAskable | None = None
    for prompt in complex_prompts(case.true.prompt, case.fact.subject, case.fact.language, seed=settings.seed):
        try:
            return _asked_in(study, case, prompt)
        except NotAskable as error:
            refused = refused or error
    raise refused or NotAskable("no-frame", f"there are no complex texts in the language {case.fact.language!r}")


def _asked_in(study: Study, case: Case, prompt: Prompt) -> Case:
    """The same statements in another prompt."""
    true, false = (replace(each, prompt=prompt) for each in (case.true, case.false))
    multi_mask = study.settings.multi_mask
    first, second = (study.model.query(prompt, each.candidate, multi_mask=multi_mask) for each in (true, false))
    return replace(case, true=true, false=false, queries=(first, second))


_ROBUST = "right verdicts"


def _loses_least() -> Iterator[Claim]:
    for other, name in (
        ("knowledge", "knowledge neurons"),
        ("random for degenerate", "random ones"),
        ("asking", "asking the model"),
        ("probability", "P(candidate)"),
    ):
        text = f"Degenerate neurons lose less by complex text than {name}."
        where = OPEN if other in ("asking", "probability") else None  # right about simple text by design
        yield Claim(text, _LOST, "degenerate", "less", against=other, place=COMPLEX, where=where)


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
    measures=MEASURES
    | {
        _LOST: "share of the two statements judged rightly in simple text minus that in this text",
        "not rewritten": "1 if the model cannot rewrite the complex text, else 0",
        "why not": "1, by the reason why it cannot",
    },
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
        *_loses_least(),
        Claim(
            "Rewritten by the model, more is judged rightly by degenerate neurons than directly.",
            _ROBUST,
            "degenerate",
            "greater",
            against="degenerate",
            place=REWRITTEN,
            against_place=COMPLEX,
        ),
    ),
    prepare=prepare,
    charts=(
        Chart("Statements judged rightly", ("right verdicts",), across="place"),
        Chart("The right statement scores higher", ("order",), across="place"),
        Chart("Lost by the text", (_LOST,)),
    ),
    summaries=SUMMARIES,
)

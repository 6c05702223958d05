"""`ask`: a prompt and an answer in, and out comes what the model makes of it, and by which neurons.

The neurons are located as those of a fact with one prompt, and changed beside matched random ones, as every run does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from factneurons.asking.types import Answered, Asked, Carrier, Change
from factneurons.attribution.controls import matched_random, strengths
from factneurons.attribution.locate import locate_batch
from factneurons.attribution.settings import ACTIONS, AttributionSettings, InterventionSettings, SelectionSettings
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.errors import NotAskable
from factneurons.facts.types import Fact, Prompt
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.models.prompts import set_against
from factneurons.models.query import placed
from factneurons.models.questions import Question
from factneurons.models.suppression import log_probabilities_of
from factneurons.models.types import WRONG_ANSWERS, Evaluation, Neuron, Query, Written, check_finite
from factneurons.models.written import place_of, token_text, written, written_logits
from factneurons.settings import refuse, split_options, with_options

_UNDETERMINED = "und"
"""The language code of a prompt whose language nobody said; methods take their general threshold."""


def ask(
    model: Model | str,
    prompt: Prompt | str,
    answer: str,
    against: str | None = None,
    *,
    subject: str = "",
    settings: AttributionSettings | None = None,
    selection: SelectionSettings | None = None,
    tests: InterventionSettings | None = None,
    multi_mask: bool = False,
    tokens: int = 5,
    **options: object,
) -> Answered:
    """Ask a model a prompt: how likely is an answer, which neurons carry it, and what happens when they change?

    Args:
        model: a model, or the name or folder of one.
        prompt: a text with a blank (`___`); for a causal model the blank may be left out at the end.
        answer: the answer.
        against: another answer, whose P is taken off the answer's: the neurons are then those that make the difference.
        subject: what the prompt is about, as it stands there: needed where neurons are meant at its tokens.
        settings: how neurons are scored.
        selection: how they are chosen.
        tests: how many draws of random neurons they are compared with, and the seed.
        multi_mask: masked models: one mask for each token of an answer.
        tokens: how many tokens each neuron promotes and suppresses are named.
        **options: fields of the three records by name, for instance `method="dai", draws=50`.

    Raises:
        BadFact: no blank where a model needs one, or several.
        NotAskable: this model cannot be asked this answer, or it does not part from the other one; says why.
        BadSetting: an unknown option or an impossible value.
    """
    own = split_options(options, AttributionSettings, SelectionSettings, InterventionSettings)
    how = with_options(AttributionSettings, settings, own[AttributionSettings])
    choice = with_options(SelectionSettings, selection, own[SelectionSettings])
    test = with_options(InterventionSettings, tests, own[InterventionSettings])
    if against is not None:
        how = replace(how, against=against)
    asked = model if isinstance(model, Model) else load_model(model)
    queries = _queries(asked, prompt, answer, how, subject, multi_mask)
    evaluations = asked.evaluate(queries)
    known = _located(asked, queries[0], how, choice, subject, multi_mask)
    changes, notes = _changes(asked, queries, known, test)
    shown = [_asked(asked, *each) for each in zip(queries, evaluations, strict=True)]
    return Answered(
        model=asked.name,
        layers=asked.layer_count,
        searched=asked.backbone.neuron_count,
        prompt=queries[0].prompt.text,
        prediction=evaluations[0].prediction,
        answer=shown[0],
        against=shown[1] if len(shown) > 1 else None,
        log_ratio=_log_ratio([each.log_probability for each in evaluations]),
        method=how.method,
        target=how.target,
        positions=how.positions,
        carriers=tuple(_carriers(asked, known, tokens)),
        changes=changes,
        notes=(*_notes(asked, known, evaluations[0]), *notes),
    )


def _queries(
    model: Model, prompt: Prompt | str, answer: str, how: AttributionSettings, subject: str, multi_mask: bool
) -> tuple[Query, ...]:
    """The prompt with the answer, then with the other one where there is one."""
    if isinstance(prompt, str) and model.kind != "causal":  # elsewhere a blank that is not written is at the end
        mask = model.backbone.tokenizer.mask_token
        prompt = Prompt.parse(prompt, *([mask] if mask else []))

    def asked(answer: str) -> Query:
        return placed(model.query(prompt, answer, multi_mask=multi_mask, subject=subject), how.positions)

    query, against = asked(answer), how.against
    if against is None:
        return (query,)
    if against == WRONG_ANSWERS:
        refuse("against", against, "an answer: one question has no list of wrong ones")
    set_against(model, query, against, multi_mask=multi_mask)  # refuses an answer that does not part from the first
    return query, asked(against)


def _located(
    model: Model, query: Query, how: AttributionSettings, choice: SelectionSettings, subject: str, multi_mask: bool
) -> KnowledgeNeurons:
    fact = Fact("asked", "asked", subject or query.prompt.text, query.answer, _UNDETERMINED, (query.prompt,))
    (located,) = locate_batch(model, [fact], how, choice, multi_mask=multi_mask)
    assert located.known is not None  # a prompt that cannot be asked was refused by now
    return located.known


def _asked(model: Model, query: Query, evaluation: Evaluation) -> Asked:
    tokens = tuple(token_text(model.backbone, token) for token in query.answer_ids)
    return Asked(query.answer, tokens, math.exp(evaluation.log_probability), evaluation.rank)


def _changes(
    model: Model, queries: Sequence[Query], known: KnowledgeNeurons, tests: InterventionSettings
) -> tuple[tuple[Change, ...], list[str]]:
    """What suppressing and doubling does, and why there are no random neurons where there are none."""
    if not known.neurons:
        return (), ["No neuron reached the threshold, so there is nothing to change."]
    random, notes = list[tuple[Neuron, ...]](), list[str]()
    try:
        random = matched_random(
            strengths(model, queries[:1]), known.neurons, draws=tests.draws, seed=tests.seed, name=known.fact.key
        )
    except NotAskable as error:
        notes.append(f"There are no random neurons to compare with: {error}.")
    changes = []
    for action, factor in ACTIONS.items():
        sets = [known.neurons, *random]
        (logs,) = log_probabilities_of(model.backbone, [Question(queries, sets, [factor] * len(sets))])
        check_finite(logs, f"prompt {queries[0].prompt.text!r}", "P(answer) is NaN under an intervention")
        with model.scale_values(known.neurons, factor):
            (said,) = model.evaluate(queries[:1])
        after = [math.exp(value) for value in logs[0]]
        ratios = [_log_ratio(column) for column in logs.T.tolist()]
        changes.append(
            Change(
                action=action,
                probability=after[0],
                prediction=said.prediction,
                random=tuple(after[1:]),
                log_ratio=ratios[0],
                random_log_ratio=tuple(ratio for ratio in ratios[1:] if ratio is not None),
            )
        )
    return tuple(changes), notes


def _carriers(model: Model, known: KnowledgeNeurons, tokens: int) -> Iterator[Carrier]:
    (query,) = known.queries
    values = model.activations([query])[0]
    alone = model.probabilities_with([query], [[neuron] for neuron in known.neurons], 0.0)[0]
    logits = dict(written_logits(model, known.neurons))
    found = zip(
        known.neurons, known.scores, known.round_of_each, alone, written(model, known.neurons, tokens), strict=True
    )
    for neuron, score, number, without, own in found:
        value = float(values[neuron])
        here = Written(own.suppresses, own.promotes) if own and value < 0 else own
        place = place_of(logits[neuron] * (-1 if value < 0 else 1), query.answer_ids[0]) if own else None
        yield Carrier(neuron, score, number, value, float(without), here, place)


def _notes(model: Model, known: KnowledgeNeurons, evaluation: Evaluation) -> Iterator[str]:
    if evaluation.rank > 1:
        yield "The model does not say this answer itself; what is found are the neurons that raise it all the same."
    lowest = min((neuron.layer for neuron in known.neurons), default=model.layer_count - 1)
    if model.kind == "cloze" or lowest < model.layer_count - 1:
        yield (
            "What a neuron writes is read off its weights alone, which says less the lower its layer"
            + (", and less in a masked model." if model.kind == "cloze" else ".")
        )


def _log_ratio(logarithms: Sequence[float]) -> float | None:
    """ln P(answer) - ln P(against), where there are both."""
    return logarithms[0] - logarithms[1] if len(logarithms) > 1 else None

"""Statements from what a person writes: sentences of known relations, and JSON lines.

The prompts of facts are the patterns: "The capital of France is ___." of a fact about France becomes
"The capital of [X] is ___.", and matches "The capital of Ghana is Accra". A sentence may leave out the full stop,
letters may be large or small, and names may stand in quotation marks: a name that the facts have is read as they write
it. A statement whose own prompt this model cannot be asked (a causal model with the blank in the middle) is asked in
another pattern of its relation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from factneurons.errors import BadFact, NotAskable
from factneurons.factcheck.types import Group, Statement
from factneurons.facts.types import BLANK, Fact, Prompt
from factneurons.models.model import Model

SUBJECT = "[X]"
YEAR = "[D]"
_END = ".。!！?？"
_NAMED = {SUBJECT: "(?P<subject>.+?)", YEAR: r"(?P<year>\d{1,4})", BLANK: "(?P<candidate>.+?)"}
_SLOTS = re.compile("|".join(re.escape(slot) for slot in _NAMED))
_LONGEST = 1000
_SPACES = re.compile(r"\s+")
_QUOTED = re.compile('["\'“‘«»„‚‹›「『《]+(?P<inside>[^"“”«»„]+?)["\'”’«»“‘‹›」』》]+')

REASONS: dict[str, str] = {
    "unknown-relation": "no pattern of a known relation fits it",
    "not-json": "the line begins like JSON and is none",
    "wrong-fields": "a JSON line needs the texts prompt and candidate; relation and language may follow",
    "bad-prompt": "its prompt needs exactly one blank ___",
    "no-candidate": "the blank ___ is where the candidate should be",
    "too-long": "the line has more than 1000 letters",
    "no-relation-neurons": "its relation has no neurons to ask",
}
"""Why a line is no statement that can be judged: code -> meaning. What a model cannot be asked has its own codes."""


def reason_in_words(reason: str) -> str:
    """What a reason means; one of a model's own codes is its own words."""
    return REASONS.get(reason, reason)


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """A line that was read.

    Attributes:
        number: from 1.
        text: what it says.
        statement: the statement; None: there is none.
        reason: why there is none, a key of REASONS or of `NotAskable`; "": there is one.
        detail: the same in words.
    """

    number: int
    text: str
    statement: Statement | None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A prompt with the subject (and the year) taken out, and what it matches."""

    group: Group
    text: str
    sentence: re.Pattern[str]
    prompt: re.Pattern[str]

    @property
    def letters(self) -> int:
        """How much of a sentence it says itself."""
        return len(_SLOTS.sub("", self.text))


class Parser:
    """Reads statements about the relations of some facts.

    Args:
        facts: whose prompts are the patterns.
        model: statements that it cannot be asked are worded anew; None: they stay as they are.
        multi_mask: how the model is asked.
    """

    def __init__(self, facts: Iterable[Fact], model: Model | None = None, *, multi_mask: bool = False) -> None:
        self._patterns: dict[tuple[Group, str], _Pattern] = {}
        self._subjects: dict[Group, dict[str, str]] = {}
        self._answers: dict[Group, dict[str, str]] = {}
        self._model, self._multi_mask = model, multi_mask
        for fact in facts:
            group = (fact.relation, fact.language)
            self._subjects.setdefault(group, {})[_folded(fact.subject)] = fact.subject
            for name in (fact.answer, *fact.aliases, *fact.wrong_answers):
                self._answers.setdefault(group, {}).setdefault(_folded(name), name)
            for prompt in fact.prompts:
                text = pattern_of(prompt, fact.subject, fact.date)
                if text is not None and (group, text) not in self._patterns:
                    self._patterns[group, text] = _compiled(group, text)

    def read(self, lines: Iterable[str]) -> Iterator[ParsedLine]:
        """Every line that is not empty, as a statement or with the reason why it is none."""
        for number, line in enumerate(lines, start=1):
            text = _SPACES.sub(" ", line).strip().removeprefix("\N{BYTE ORDER MARK}")
            if text:
                yield self._read(number, text)

    def _read(self, number: int, text: str) -> ParsedLine:
        try:
            if len(text) > _LONGEST:
                raise _NoStatement("too-long", text)
            statement = self._of_json(text) if text.startswith("{") else self._of_sentence(text)
            if BLANK in statement.candidate:
                raise _NoStatement("no-candidate", text)
            return ParsedLine(number, text, self._askable(statement))
        except (_NoStatement, NotAskable) as error:
            return ParsedLine(number, text, None, error.reason, str(error))

    def _of_sentence(self, text: str) -> Statement:
        best = max(self._matches(text, "sentence"), default=None, key=lambda match: match[0])
        if best is None:
            raise _NoStatement("unknown-relation", text)
        _, pattern, found = best
        return self._statement(pattern, found, found["candidate"])

    def _of_json(self, text: str) -> Statement:
        record = _json_object(text)
        candidate = record["candidate"]
        asked = _prompt(record["prompt"])
        group = (record.get("relation", ""), record.get("language", "en"))
        if group in self._subjects:
            return Statement(asked, _known_as(self._answers[group], candidate), record["relation"], group[1])
        best = max(self._matches(asked.text, "prompt"), default=None, key=lambda match: match[0])
        if best is None:
            raise _NoStatement("unknown-relation", asked.text)
        _, pattern, found = best
        return self._statement(pattern, found, candidate)

    def _matches(self, text: str, what: str) -> Iterator[tuple[tuple[bool, int, str], _Pattern, Mapping[str, str]]]:
        """Every pattern that fits, with what makes one better than another: a known subject, then its own letters."""
        whole = _QUOTED.fullmatch(text)
        bare = (whole["inside"] if whole else text).rstrip(_END + " ")
        for pattern in self._patterns.values():
            match = getattr(pattern, what).fullmatch(bare)
            if match is not None:
                found = {name: value.strip() for name, value in match.groupdict().items()}
                subjects = self._subjects[pattern.group]
                known = _folded(_known_as(subjects, found["subject"])) in subjects
                yield (known, pattern.letters, pattern.text), pattern, found

    def _statement(self, pattern: _Pattern, found: Mapping[str, str], candidate: str) -> Statement:
        subject = _known_as(self._subjects[pattern.group], found["subject"])
        prompt = _filled(pattern.text, subject, found.get("year"))
        return Statement(prompt, _known_as(self._answers[pattern.group], candidate), *pattern.group, subject=subject)

    def _askable(self, statement: Statement) -> Statement:
        """The statement, if need be in another pattern of its relation.

        Raises:
            NotAskable: the model cannot be asked it in any; the reason is that of its own prompt.
        """
        if self._model is None:
            return statement
        others = list(self._worded_anew(statement)) if statement.subject else []
        refused: NotAskable | None = None
        for each in (statement, *others):
            try:
                self._model.query(each.prompt, each.candidate, multi_mask=self._multi_mask)
                return each
            except NotAskable as error:
                refused = refused or error
        assert refused is not None
        raise refused

    def _worded_anew(self, statement: Statement) -> Iterator[Statement]:
        year = re.search(r"\b\d{4}\b", statement.prompt.text)
        for pattern in self._patterns.values():
            if pattern.group == statement.group and (YEAR not in pattern.text or year):
                prompt = _filled(pattern.text, statement.subject, year[0] if year else None)
                yield Statement(prompt, statement.candidate, *pattern.group, subject=statement.subject)


class _NoStatement(Exception):
    """A line that is no statement, and why."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{REASONS[reason]}: {detail if len(detail) <= 120 else detail[:117] + '...'}")
        self.reason = reason


def _json_object(text: str) -> dict[str, str]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _NoStatement("not-json", text) from error
    fields = {"prompt", "candidate", "relation", "language"}
    texts = isinstance(record, dict) and all(isinstance(value, str) and value.strip() for value in record.values())
    if not texts or not {"prompt", "candidate"} <= record.keys() <= fields:
        raise _NoStatement("wrong-fields", text)
    return dict(record)


def pattern_of(prompt: Prompt, subject: str, date: str | None = None) -> str | None:
    """The prompt with [X] for its subject and [D] for its year; None if the subject is not in it just once."""
    text = prompt.text
    if text.count(subject) != 1 or any(slot in text for slot in (SUBJECT, YEAR)):
        return None
    before, _, after = text.partition(subject)
    if date:
        before, after = (part.replace(date, YEAR) for part in (before, after))
    return f"{before}{SUBJECT}{after}"


def _compiled(group: Group, text: str) -> _Pattern:
    return _Pattern(group, text, _expression(text, _NAMED), _expression(text, {**_NAMED, BLANK: re.escape(BLANK)}))


def _expression(text: str, slots: Mapping[str, str]) -> re.Pattern[str]:
    """What the pattern matches; its end may lack punctuation, which a sentence is stripped of as well."""
    pieces, place, seen = [], 0, set[str]()
    bare = _SPACES.sub(" ", text).strip().rstrip(_END + " ")
    for match in _SLOTS.finditer(bare):
        pieces.append(re.escape(bare[place : match.start()]))
        slot = match[0]
        pieces.append(r"\d{1,4}" if slot in seen else slots[slot])
        seen.add(slot)
        place = match.end()
    pieces.append(re.escape(bare[place:]))
    return re.compile("".join(pieces), re.IGNORECASE | re.DOTALL)


def _filled(pattern: str, subject: str, year: str | None) -> Prompt:
    return _prompt(pattern.replace(YEAR, year or "").replace(SUBJECT, subject))


def _prompt(text: str) -> Prompt:
    try:
        return Prompt.parse(_SPACES.sub(" ", text).strip())
    except BadFact as error:
        raise _NoStatement("bad-prompt", str(error)) from error


def _known_as(names: Mapping[str, str], text: str) -> str:
    """A name as the facts write it, whatever its letters' case; else the text. Quotation marks around it go.

    `names` has the facts' names by their folded form.
    """
    bare = text.strip()
    if bare in names.values():
        return bare
    quoted = _QUOTED.fullmatch(bare)
    inside = quoted["inside"].rstrip(_END + ",") if quoted else bare
    return names.get(_folded(bare)) or names.get(_folded(inside)) or inside


def _folded(text: str) -> str:
    return _SPACES.sub(" ", text).strip().casefold()

"""What to type for a file that fits no format: its first record, and the line of `columns=` that comes nearest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from factneurons.facts.problems import shown

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "case_id", "known_id", "uuid", "qid", "lineid", "index"),
    "relation": ("relation", "relation_id", "predicate_id", "predicate", "prop", "property", "rel", "relation_name"),
    "subject": ("subject", "subj", "sub_label", "sub", "entity", "head"),
    "answer": (
        "answer",
        "attribute",
        "object",
        "obj_label",
        "obj",
        "target_true.str",
        "ground_truth",
        "answers.0",
        "ans",
        "tail",
    ),
    "prompt": ("prompt", "question", "query", "src", "cloze", "sentence", "text", "pattern", "template"),
    "aliases": ("aliases", "possible_answers", "answer_alias", "o_aliases", "answers"),
}
"""Our column -> what others call it, the likeliest first."""

_INSTEAD = {"id": "#", "relation": "=RELATION", "subject": "SUBJECT", "answer": "ANSWER", "prompt": "PROMPT"}
_DEPTH = 3


def advice(record: Mapping[str, Any]) -> str:
    """The record, cut, and the option to type; names in capitals are to be filled in."""
    line = ",".join(f"{ours}:{theirs}" for ours, theirs in _nearest(record))
    what = f"the record: {shown(dict(record), 160)}"
    return f"{what}; type ?columns={line} (blank=end if prompts end there); see docs/facts.md"


def _nearest(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    paths = {path.casefold(): path for path in _paths(record, "", _DEPTH)}
    for ours, names in NAMES.items():
        theirs = next(
            (at for name in names for low, at in paths.items() if low == name or low.endswith(f".{name}")), None
        )
        if theirs is not None or ours in _INSTEAD:
            yield ours, theirs or _INSTEAD[ours]


def _paths(value: object, before: str, depth: int) -> Iterator[str]:
    """The paths of a record's texts, numbers and lists, as the option `columns` writes them."""
    if isinstance(value, Mapping) and depth:
        for name, inner in value.items():
            yield from _paths(inner, f"{before}.{name}" if before else str(name), depth - 1)
        return
    yield before
    if isinstance(value, list) and value:
        yield f"{before}.0"

"""How an edit is made: one frozen record for the API, the command line and the edit's own description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from factneurons.errors import BadSetting

JOINS = ("all", "shared")


@dataclass(frozen=True, slots=True)
class EditSettings:
    """Settings of one edit.

    Attributes:
        kind: a name of `KINDS`; "" for "least-change" where there is a new answer, else "suppress".
        method: the attribution method that finds the neurons, where none are given.
        held_out: leave every second prompt of a fact out of finding neurons and making the edit, to measure with.
        join: several languages: "all" their neurons, or those they have "shared".
        most_shared: drop neurons that more than this share of the relation's other facts have too; 1 keeps all;
            None: the kind's own (0.1 for erase, else all are kept).
        relation_facts: how many facts of the relation are looked at for that.
        margin: least-change: by how many nats the new answer must come before every other token.
        kept: least-change: how many prompts of other facts of the relation must keep their answers.
        lambda1, lambda2: update: weights of the old and the new answer's direction; None: the kind's own.
        count: erase-relation: how many neurons, the most frequent ones.
        multi_mask: masked models: ask answers of several tokens with as many masks.
        seed: decides every draw.

    Raises:
        BadSetting: an impossible value.
    """

    kind: str = ""
    method: str = "amig"
    held_out: bool = True
    join: str = "all"
    most_shared: float | None = None
    relation_facts: int = 20
    margin: float = 2.0
    kept: int = 10
    lambda1: float | None = None
    lambda2: float | None = None
    count: int = 20
    multi_mask: bool = False
    seed: int = 42

    def __post_init__(self) -> None:
        if self.join not in JOINS:
            raise BadSetting(f"unknown join {self.join!r}; valid: {', '.join(JOINS)}")
        if self.most_shared is not None and not 0 <= self.most_shared <= 1:
            raise BadSetting(f"most_shared is a share from 0 to 1, not {self.most_shared}")
        if self.margin <= 0:
            raise BadSetting(f"margin is above 0, not {self.margin}")
        for name, least in (("relation_facts", 1), ("kept", 0), ("count", 1)):
            if getattr(self, name) < least:
                raise BadSetting(f"{name} is at least {least}, not {getattr(self, name)}")


def with_options(
    record: type[EditSettings], settings: EditSettings | None, options: Mapping[str, object]
) -> EditSettings:
    """To be replaced by that of the ground."""
    return replace(settings or record(), **options)  # type: ignore[arg-type]

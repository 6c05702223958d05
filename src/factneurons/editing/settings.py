"""How an edit is made: one frozen record for the API, the command line and the edit's own description."""

from __future__ import annotations

from dataclasses import dataclass

from factneurons.settings import check, option

JOINS = ("all", "shared")


@dataclass(frozen=True, slots=True)
class EditSettings:
    """Settings of one edit.

    Raises:
        BadSetting: an impossible value.
    """

    kind: str = option("", "A kind of edit. Default: least-change with a new answer, else suppress.")
    method: str = option("amig", "The attribution method that finds the neurons.")
    held_out: bool = option(
        True, "Leave every second prompt of a fact out of finding neurons and making the edit, to measure with."
    )
    join: str = option(
        "all", "Several languages: all their neurons, or those they have shared; one of: {choices}.", choices=JOINS
    )
    most_shared: float | None = option(
        None,
        "Drop neurons that more than this share of the relation's facts have; 1 keeps all. Default: the kind's own.",
        least=0,
        most=1,
    )
    relation_facts: int = option(20, "How many facts of the relation are looked at for that.", least=1)
    margin: float = option(2.0, "least-change: nats by which the new answer comes first.", above=0)
    kept: int = option(10, "least-change: other facts of the relation that must keep their answers.", least=0)
    lambda1: float | None = option(None, "update: weight of the old answer's direction. Default: the kind's own.")
    lambda2: float | None = option(None, "update: weight of the new answer's direction. Default: the kind's own.")
    count: int = option(20, "erase-relation: how many neurons, the most frequent ones.", least=1)
    multi_mask: bool = option(False, "Masked models: one mask for each token of an answer.")
    seed: int = option(42, "Decides every random draw.")

    def __post_init__(self) -> None:
        check(self)

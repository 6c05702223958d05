"""How edits and fine-tunings are made: frozen records for the API, the command line and an edit's own description."""

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


TRAINED_PARTS = ("all", "in")


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """Settings of one fine-tuning.

    Raises:
        BadSetting: an impossible value.
    """

    target: float = option(0.99, "Stop at this share of trained prompts answered rightly, 0 to 1.", above=0, most=1)
    epochs: int = option(100, "Stop after so many passes over the prompts in any case.", least=1)
    batch: int = option(32, "Prompts per step; a batch that does not fit into memory is made in parts.", least=1)
    learning_rate: float | None = option(
        None,
        "AdamW's, constant. Default: 0.005 for neurons, 0.0005 for the whole model; large models want less.",
        above=0,
    )
    parts: str = option(
        "all",
        "What of a neuron is trained: all, or in (in-weights and bias alone, as in released code).",
        choices=TRAINED_PARTS,
    )
    held_out: bool = option(True, "Leave every second prompt of a fact out of training, to measure with.")
    multi_mask: bool = option(False, "Masked models: one mask for each token of an answer.")
    seed: int = option(42, "Decides the order of the prompts.")

    def __post_init__(self) -> None:
        check(self)

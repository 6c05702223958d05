"""What a suite tells across its models: degeneracy, robustness and fact-checking by size and by training (E11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from factneurons.experiments.ladder import Followed, GoTogether, Ladder, Rung, RungTest, follow, ladders_of
from factneurons.runs.store import Run


class _Placed(Protocol):
    """A model, and the folder of its run inside the suite's."""

    @property
    def name(self) -> str: ...
    @property
    def folder(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Climbed:
    """One ladder in one language, as it is told.

    Attributes:
        ladder: the models.
        language: of the facts.
        followed: its numbers.
        together: which of them go together.
    """

    ladder: Ladder
    language: str
    followed: list[Followed]
    together: list[GoTogether]


def ladders_in(
    folder: Path, models: Sequence[_Placed], tables: Mapping[tuple[str, str], pd.DataFrame]
) -> list[Climbed]:
    """What the models of a suite tell together; [] where no two of them are of one family and measured by E11.

    Args:
        folder: the suite's folder.
        models: the models, those of one size in the order of training.
        tables: (model, experiment) -> its measurements.
    """
    rungs = []
    for model in models:
        if (model.name, "E11") in tables:
            shape = Run.open(folder / model.folder).manifest.model
            own = {of: table for (name, of), table in tables.items() if name == model.name}
            rungs.append(Rung(model.name, str(shape["family"]), int(shape["layers"]) * int(shape["width"]), own))
    ladders = ladders_of(rungs)
    followed, together = follow(ladders)
    return [
        Climbed(
            ladder,
            language,
            [each for each in followed if each.ladder is ladder and each.language == language],
            [each for each in together if each.ladder is ladder and each.language == language],
        )
        for ladder in ladders
        for language in dict.fromkeys(each.language for each in followed if each.ladder is ladder)
    ]


def ladder_frame(climbed: Sequence[Climbed]) -> pd.DataFrame:
    """A row per mean of a model, per test over models, per test of the last model against the first."""
    names = ["along", "family", "language", "number", "what", "model", "value", "low", "high", "facts", "models",
             "p_value", "verdict", "smallest_p", "enough"]  # fmt: skip
    rows = (row for each in climbed for row in (*_followed_rows(each), *_together_rows(each)))
    return pd.DataFrame(rows, columns=names)


def _followed_rows(climbed: Climbed) -> Iterator[dict[str, object]]:
    for each in climbed.followed:
        key = {**_key(climbed), "number": each.aspect.name}
        for rung, mean in zip(climbed.ladder.rungs, each.means, strict=False):
            ends = {"low": mean.low, "high": mean.high, "facts": mean.n}
            yield {**key, "what": "mean", "model": rung.model, "value": mean.estimate, **ends}
        if each.over_models is not None:
            yield {**key, "what": "over models", **_of_test(each.over_models)}
        if each.over_facts is not None:
            ends_test = each.over_facts
            effect = ends_test.difference
            between = {} if effect is None else {"value": effect.estimate, "low": effect.low, "high": effect.high}
            yield {
                **key, "what": "last model against the first", **between, "facts": ends_test.facts,
                "p_value": ends_test.p_value, "verdict": ends_test.verdict, "smallest_p": ends_test.smallest_p,
                "enough": ends_test.enough,
            }  # fmt: skip


def _together_rows(climbed: Climbed) -> Iterator[dict[str, object]]:
    for each in climbed.together:
        number = f"{each.first.name} with {each.second.name}"
        yield {**_key(climbed), "number": number, "what": "over models", **_of_test(each.over_models)}


def _key(climbed: Climbed) -> dict[str, object]:
    ladder = climbed.ladder
    return {
        "along": ladder.along, "family": ladder.family, "language": climbed.language, "models": len(ladder.rungs)
    }  # fmt: skip


def _of_test(test: RungTest) -> dict[str, object]:
    return {
        "value": test.correlation, "p_value": test.p_value, "verdict": test.verdict, "smallest_p": test.smallest_p,
        "enough": test.enough,
    }  # fmt: skip

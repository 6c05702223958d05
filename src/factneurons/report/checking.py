"""What the report says of fact-checking: the table of conditions, examples, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from factneurons.factcheck.conditions import CONDITIONS
from factneurons.findings.checks import MEASURES, CheckResult, Judged, results_of
from factneurons.runs.reading import speakers_of
from factneurons.runs.store import Run
from factneurons.statistics import Interval

_EXAMPLES_OF_A_KIND = 4
_EXAMPLES_BY = ("degenerate", "knowledge", "probability")


@dataclass(frozen=True, slots=True)
class Example:
    """One judged test statement.

    Attributes:
        row: its columns of the table `checks`.
        text: the whole sentence.
        judged: whether it was judged true.
        score, threshold, probability: what that rests on.
        neurons: those that say most, "L3.427 +31%".
    """

    row: dict[str, object]
    text: str
    judged: bool
    score: float
    threshold: float
    probability: float
    neurons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checks:
    """Everything the section shows.

    Attributes:
        tables: what facts each is about -> conditions with their measures.
        measures: the measures of the tables' columns: name -> meaning.
        examples: judged statements.
        examples_by: the condition that judged them.
        sentences: the main findings in words.
    """

    tables: dict[str, list[CheckResult]]
    measures: dict[str, str]
    examples: list[Example]
    examples_by: str
    sentences: list[str]

    @property
    def known(self) -> list[CheckResult]:
        """The results on facts that the model knows."""
        return [each for each in self.results if each.judged.known]

    @property
    def results(self) -> list[CheckResult]:
        """All results."""
        return [each for table in self.tables.values() for each in table]


def checks_of(run: Run) -> Checks | None:
    """What is said of a run's checks; None without any."""
    if "check" not in run.manifest.stages:
        return None
    checks = run.table("checks")
    if checks.empty:
        return None
    results = results_of(checks)
    tables = {
        "Facts that the model knows": [each for each in results if each.judged.known],
        "Facts that the model does not know": [each for each in results if not each.judged.known],
    }
    by = {each.judged.condition: each.judged for each in results if each.judged.known}
    shown = next((by[name] for name in _EXAMPLES_BY if name in by), None)
    return Checks(
        tables={title: table for title, table in tables.items() if table},
        measures={name: meaning for name, (meaning, _, _) in MEASURES.items()},
        examples=[] if shown is None else list(_examples(shown)),
        examples_by="" if shown is None else title_of(shown),
        sentences=list(_sentences(checks, tables["Facts that the model knows"])),
    )


def title_of(judged: Judged) -> str:
    """What a condition is called."""
    return CONDITIONS[judged.condition].title


def _sentences(checks: pd.DataFrame, known: Sequence[CheckResult]) -> Iterator[str]:
    facts = checks.drop_duplicates(["fact_id", "language"])
    count, knows = len(facts), int(facts["known"].sum())
    yield (
        f"{count:,} facts gave a right and a wrong statement each; the model knows {knows:,} of them. Thresholds were "
        f"chosen on {int((facts['known'] & (facts['split'] == 'train')).sum()):,} known facts, and tried on facts "
        "about other subjects."
    )
    if not knows:
        yield "The model knows none of these facts, so there are no neurons to ask and no thresholds."
    if known:
        best = max(known, key=lambda each: each.measures["F1"].estimate)
        yield f"The best F1 is that of {title_of(best.judged)}: {_told(best.measures['F1'])}."
    named = {each.judged.condition: each for each in known}
    for name in ("degenerate", "knowledge"):
        if name in named and "random" in named:
            own, random = named[name].measures["AUROC"], named["random"].measures["AUROC"]
            yield (
                f"Of a right and a wrong statement, {title_of(named[name].judged)} score the right one higher in "
                f"{own.estimate:.1%} of the pairs, random neurons in {random.estimate:.1%}."
            )


def _told(interval: Interval) -> str:
    if not np.isfinite(interval.low):
        return f"{interval.estimate:.3f}"
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _examples(judged: Judged) -> Iterator[Example]:
    """A few of every kind: right or wrong, judged true or doubtful; spread over the statements."""
    truth, verdict = judged.truth, judged.judged[:, 0]
    for true, said in ((True, True), (True, False), (False, False), (False, True)):
        rows = np.flatnonzero((truth == true) & (verdict == said))
        for row in rows[np.linspace(0, len(rows) - 1, min(_EXAMPLES_OF_A_KIND, len(rows)), dtype=int)]:
            record = {str(name): value for name, value in judged.frame.iloc[int(row)].to_dict().items()}
            yield Example(
                row=record,
                text=str(record["prompt"]).replace("___", str(record["candidate"])),
                judged=bool(verdict[row]),
                score=float(judged.scores[row, 0]),
                threshold=float(judged.thresholds[row, 0]),
                probability=float(judged.probabilities[row, 0]),
                neurons=tuple(f"L{name.replace('/', '.')} {share:+.0%}" for name, share in speakers_of(record)),
            )

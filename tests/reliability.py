"""What is done to break it: one row per trial, how often in the suite and by `make long`, and the page that tells.

A test of a row carries `@pytest.mark.trial(NAME)`. If it takes the fixture `trial`, it tries `trial.times` times from
`trial.seed`: few times in the suite, the row's full number under `pytest -m long`; otherwise it is the same in both.
`pytest -m long` also writes the rows that it ran into docs/reliability.md, with what tests noted: `trial.note(text)`,
or `record_property("note", text)` where a test is not given `trial`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- trials -->\n", "<!-- trials: end -->"


@dataclass(frozen=True)
class Row:
    """A trial: what is done, what must hold, how often in the suite and in full (0: every test once)."""

    tried: str
    holds: str
    quick: int = 0
    full: int = 0
    elsewhere: str = ""


TRIALS = {
    "kill": Row("`kill -9` at random moments of one run of 200 facts", "every fact once; tables byte-equal", 8, 50),
    "kill in a write": Row(
        "`kill -9` before, after and in the middle of every write, flush and rename",
        "every file is the old one or the new one; what is left is cleared away",
    ),
    "signal": Row(
        "Ctrl-C and SIGTERM to a real command, and to a batch without end",
        "exit 130 and 143 within 10 s; at most the running batch is done again",
    ),
    "disk full": Row(
        "a disk that is full after so many files of a command",
        "one line, exit 2; goes on when there is space",
        4,
        20,
    ),
    "disk full in a write": Row(
        "a disk that is full at every third step of writing, or out of quota", "one line; nothing finished is lost"
    ),
    "disk really full": Row(
        "a real disk without room, and a real quota, for so many parts of the main job's output",
        "one line, exit 2; what is finished is kept; goes on when there is room",
        2,
        20,
    ),
    "other settings": Row("a run gone on with, but other settings, model or data", "refused, the field is named"),
    "worker counts": Row("1, then 4, then 2 workers on one run", "the tables of one worker; no fact twice"),
    "dead workers": Row(
        "of 4 workers one at a time killed, or frozen past its lease and woken", "the tables of one worker", 4, 20
    ),
    "network folder": Row(
        "of 4 workers one at a time killed or frozen, through two mounts of one folder over SFTP, as on two machines",
        "the tables of one worker",
        2,
        20,
    ),
    "fuzzed records": Row(
        "files of fuzzed JSON lines, by hypothesis", "no traceback; file, line, reason; counts add up", 100, 10_000
    ),
    "hand-made files": Row(
        "hand-made bad files: cut, BOM, NUL, surrogates, NaN, deep, long, doubled, CRLF",
        "no traceback; file, line, reason; counts add up",
        200,
        200,
    ),
    "paths in data": Row(
        "facts whose ids, relations and sources are paths, under an audit hook", "nothing outside the run is touched"
    ),
    "bad numbers": Row("NaN or infinity in weights, activations or gradients, layer by layer", "told with the layer"),
    "one fails": Row(
        "one fact of 100 that always fails", "with `--skip-bad` 99 kept, 1 counted, exit 0; without it one line, exit 2"
    ),
    "out of memory": Row(
        "memory for so many tokens at once, from all of them down to one row",
        "equal to 1e-6; at most log2(batch) retries a batch; below one row a clear line with what was asked for",
        3,
        30,
    ),
    "memory flat": Row(
        "so many facts instead of a few, 100 steps instead of 10",
        "the peak grows by less than 5 %",
        60,
        1000,
    ),
    "leak": Row("attributions after 20 to warm up", "resident memory grows less than 1 %", 20, 200),
    "undone": Row("random interventions in every family, half of them thrown out of", "bit-equal afterwards", 4, 100),
    "hooked": Row("every family hooked, nothing changed", "logits bit-equal to plain transformers"),
    "batches": Row(
        "facts in random orders, batches of 1, 2, 7 and 32",
        "float32: scores to 1e-5 of a fact's largest, or to twice what a plain loop in float32 is off; the same "
        "neurons; bfloat16: what is noted",
        1,
        20,
    ),
    "threads": Row(
        "the same command again, in other processes, with 1 and 2 threads",
        "byte-equal tables with as many threads; between 1 and 2 to 1e-4: scores of a fact's largest, an integral's "
        "error of the change it misses, other numbers of themselves",
        1,
        5,
    ),
    "completeness": Row(
        "the sum of scores against F(x) - F(baseline)",
        "the error that is said; to 1e-6 where all is linear in the neurons; falls as the rule's elsewhere",
    ),
    "slow reference": Row(
        "tiny random models of six families against finite differences in float64", "1e-4 relative", 1, 20
    ),
    "planted": Row(
        "planted models", "precision and recall, beside random neurons", elsewhere="[benchmark](benchmark.md)"
    ),
    "tokenizers": Row("six kinds of tokenizer, 200 answers", "prompt and answer are read back; empty ones are refused"),
    "false weights": Row(
        "pickles, and safetensors whose header lies",
        "refused or ignored; no code runs; a lie costs less than 1 s and 100 MB",
    ),
    "remote code": Row("a model's own code, asked for by its configuration", "refused, the option is named"),
    "hostile texts": Row(
        "hostile texts as every field of a fact, the report in Chromium with everything opened",
        "no new element, attribute or handler; 0 dialogs, 0 requests",
        50,
        1000,
    ),
    "network": Row("every test with connections beyond this machine made to fail", "all pass"),
    "tampered": Row("one bit of a run's file, of its model or of its data changed", "`verify` names the file", 20, 500),
    "two commands": Row("two commands on one folder, and the lock of a dead one", "they share the work or it is said"),
    "odd places": Row(
        "read-only folders, links, spaces, other scripts, a clock that jumps ten years", "it works, or one clear line"
    ),
    "versions": Row(
        "golden numbers of the bundled models in the lowest and the newest versions of what it runs on",
        "to 1e-4 of the largest of their kind, the same neurons and verdicts",
        elsewhere="`make versions`, not run yet",
    ),
}


@dataclass
class Trial:
    """What a test of a trial is given: how often, from which seed; it may note what it measured."""

    times: int
    seed: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def random(self) -> random.Random:
        return random.Random(self.seed)

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Outcome:
    """What came out of a trial's tests so far."""

    seconds: float = 0.0
    files: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    tests: int = 0
    held: bool = True


def trial_of(item: pytest.Function | pytest.FixtureRequest) -> str:
    (mark,) = getattr(item, "node", item).iter_markers("trial")
    return mark.args[0]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "trial" in metafunc.fixturenames:
        (mark,) = metafunc.definition.iter_markers("trial")
        row = TRIALS[mark.args[0]]
        few = pytest.param(row.quick, id="quick", marks=pytest.mark.quick)
        metafunc.parametrize("trial", [few, pytest.param(row.full, id="full", marks=pytest.mark.long)], indirect=True)


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> Iterator[Trial]:
    """How often this trial is to be tried, from which seed: see `Trial`."""
    made = Trial(request.param)
    yield made
    request.node.user_properties += [("note", text) for text in made.notes]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("trial"):
            item.user_properties.append(("trial", trial_of(item)))
            if "trial" not in item.fixturenames:
                item.add_marker("quick")
                item.add_marker("long")


class Recorder:
    """Gathers what came out of the long trials, and writes it into the page at the end."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = dict(report.user_properties)
        if "trial" not in said:
            return
        outcome = self.outcomes.setdefault(str(said["trial"]), Outcome())
        outcome.seconds += report.duration
        outcome.files.add(report.nodeid.partition("::")[0])
        outcome.held &= not report.failed
        outcome.tests += report.when == "call"
        if report.skipped:
            outcome.said.append(f"skipped: {report.longrepr[2].removeprefix('Skipped: ')}")
        if report.when == "teardown":
            outcome.said += [str(text) for name, text in report.user_properties if name == "note"]

    def pytest_sessionfinish(self) -> None:
        renew(self.outcomes)


def renew(outcomes: dict[str, Outcome]) -> None:
    """Write these outcomes into the page."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    table, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}{written(table, outcomes)}{END}{tail}", encoding="utf-8")


def written(table: str, outcomes: dict[str, Outcome]) -> str:
    """The table with the rows of these outcomes anew; the other rows stay as they are, if they are still rows."""
    former = {line.split(" | ")[0]: line for line in table.splitlines()}
    lines = ["| tried | times | must hold | came out | seconds | tests |", "| --- | ---: | --- | --- | ---: | --- |"]
    for name, row in TRIALS.items():
        start = f"| {row.tried}"
        if name in outcomes:
            found = outcomes[name]
            result = "; ".join(["held" if found.held else "**DID NOT HOLD**", *dict.fromkeys(found.said)])
            times = row.full or found.tests
            cells = (f"{found.seconds:,.0f}", ", ".join(f"`{file}`" for file in sorted(found.files)))
        else:
            times, result, cells = row.full, (row.elsewhere or "not run in full yet"), ("", "")
        line = " | ".join([start, f"{times:,}" if times else "", row.holds, result, *cells]) + " |"
        lines.append(line if name in outcomes or start not in former else former[start])
    return "\n".join(lines) + "\n"


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr == "long" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())


if __name__ == "__main__":
    renew({})

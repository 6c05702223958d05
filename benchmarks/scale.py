"""Many facts, several workers and kills in between: what workers cost, and whether the tables stay those of one.

    python benchmarks/scale.py --facts 100 --kills 4     # tries it, in minutes
    python benchmarks/scale.py                           # 10,000 facts, 20 kills with each number of workers

The bundled facts are repeated under other ids, and located and tested as a user would: `factneurons locate --workers N`
in processes of one thread each. First one worker that nobody disturbs; then, for each number of workers, a run in which
processes that are at work are killed (SIGKILL), at random points of the way, and the same command is given once more in
the place of each. One line of JSON each: wall and processor seconds (of all processes, killed ones too, loading of the
model and lost work with them), both beside those of the first, the largest memory of a process, the files that are
left, and the tables, in canonical order and without what a clock decides, that differ from those of the first in any
byte. Ends with 1 if one does. `--kills 0` shows the workers' cost alone. Needs Linux.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent))
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.facts.writing import write_jsonl
from factneurons.models.bundled import POCKET_MODELS
from factneurons.runs.store import MANIFEST, Run
from factneurons.runs.tables import TABLES
from factneurons.runs.workers import Workers
from measuring import machine

LOOK = 0.5
"""Mean seconds between two looks at the processes: at random moments, so that a kill comes anywhere in a batch."""
STAGES = 2
"""What `locate` does with each fact: it is located, and its neurons are tested."""
_CHILD_SUBREAPER = (
    36  # prctl(2): the workers of a killed process become children of this one, so that they are waited for
)


def repeated(number: int) -> Iterator[Fact]:
    """The bundled English facts in a mixed order, again and again under other ids."""
    facts = list(load_facts(f"bundled?lang=en&sample={number}&seed=0"))
    again = (replace(fact, id=f"{fact.id}/{turn}", translations={}) for turn in count() for fact in facts)
    return islice(again, number)


@dataclass
class Crowd:
    """All processes that work on one run, whoever started them.

    Attributes:
        command: what each is given, without `--workers`.
        folder: the run's folder.
        log: the file that takes what they say.
        peak: the largest memory that one of them had, in megabytes.
        failed: exit codes, but for 0 and those of the killed.
    """

    command: list[str]
    folder: Path
    log: Path
    peak: float = 0.0
    failed: list[int] = field(default_factory=list)

    def start(self, workers: int) -> None:
        """One process more, which starts others from two workers on."""
        said = (os.POSIX_SPAWN_OPEN, 1, str(self.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        words = [sys.executable, "-m", "factneurons", *self.command, "--workers", str(workers)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        os.posix_spawn(sys.executable, words, environment, file_actions=[said, (os.POSIX_SPAWN_DUP2, 1, 2)])

    def alive(self) -> set[int]:
        """The processes that are there now; those that ended are waited for, and the memory of the others read."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                code = os.waitstatus_to_exitcode(ended[1])
                self.failed += [code] if code not in (0, -signal.SIGKILL) else []
        found = set(descendants(os.getpid()))
        self.peak = max([self.peak, *map(peak_of, found)])
        return found

    def at_work(self) -> list[int]:
        """Those of them that have joined the run."""
        seen = Workers(self.folder)
        return [sign.says["pid"] for sign in seen if "pid" in sign.says and not seen.killed(sign.name)]

    def done(self) -> int:
        """How many facts are done, summed over the stages."""
        if not (self.folder / MANIFEST).exists():
            return 0
        run = Run.open(self.folder)
        return sum(run.counts(stage).read for stage in run.manifest.stages)


def descendants(process: int) -> Iterator[int]:
    """The children of a process, and theirs."""
    with suppress(OSError):  # it has just ended
        for child in map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()):
            yield child
            yield from descendants(child)


def peak_of(process: int) -> float:
    """The largest resident memory that a process has had, in megabytes; 0 for one that has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


def disturb(crowd: Crowd, workers: int, kills: int, facts: int, generator: random.Random) -> int:
    """Let the workers finish the run, kill so many on the way, replace each; how many there was time to kill."""
    due = sorted(generator.uniform(0, 0.95 * STAGES * facts) for _ in range(kills))
    crowd.start(workers)
    killed = 0
    while alive := crowd.alive():
        time.sleep(generator.uniform(0, 2 * LOOK))
        if killed < len(due) and crowd.done() >= due[killed] and (victims := alive.intersection(crowd.at_work())):
            os.kill(generator.choice(sorted(victims)), signal.SIGKILL)
            crowd.start(1)
            killed += 1
    return killed


def hashes(folder: Path) -> dict[str, str]:
    """A hash of every byte of every table that has rows."""
    run, found = Run.open(folder), {}
    for name in TABLES:
        frame = run.table(name)
        if len(frame):
            table = pa.Table.from_pandas(frame.drop(columns="seconds", errors="ignore"))
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as stream:
                stream.write_table(table)
            found[name] = hashlib.sha256(sink.getvalue()).hexdigest()
    return found


def measure(crowd: Crowd, workers: int, kills: int, facts: int, generator: random.Random) -> dict[str, float]:
    """Make one run, and say what it took.

    Raises:
        SystemExit: a process that was not killed did not end well, or the run is not done.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    killed = disturb(crowd, workers, kills, facts, generator)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    stages = Run.open(crowd.folder).manifest.stages if (crowd.folder / MANIFEST).exists() else {}
    if crowd.failed or len(stages) < STAGES or any(stage.state != "done" for stage in stages.values()):
        raise SystemExit(f"exit codes {crowd.failed}, {crowd.done()} of {STAGES * facts} done\n{crowd.log.read_text()}")
    return {
        "workers": workers,
        "killed": killed,
        "wall seconds": round(wall, 1),
        "processor seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "MB of the largest process": round(crowd.peak),
        "files": sum(path.is_file() for path in crowd.folder.rglob("*")),
    }


def main() -> int:
    """Parse and print; 1 if a table differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20, help="with each number of workers")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="one run each")
    parser.add_argument("--model", default="pocket-gpt2", help=f"{', '.join(POCKET_MODELS)} or a folder")
    parser.add_argument("--method", default="joint", help="with --rounds 1 the cheapest that is a real search")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="decides who is killed, and when")
    options = parser.parse_args()
    if ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise SystemExit("this system does not give the workers of a killed process to another; it needs Linux")
    print(json.dumps({**machine(), "facts": options.facts, "method": options.method}), flush=True)
    generator, differs = random.Random(options.seed), False
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "facts.jsonl"
        write_jsonl(repeated(options.facts), source)
        given = ["locate", "--model", options.model, "--facts", str(source), "--draws", "1", "--unrelated", "1"]
        given += ["--method", options.method, "--rounds", str(options.rounds)]
        first: dict[str, float] = {}
        for number, (workers, kills) in enumerate([(1, 0), *((each, options.kills) for each in options.workers)]):
            folder = Path(place) / f"run-{number}"
            crowd = Crowd([*given, "--out", str(folder)], folder, Path(place) / f"run-{number}.log")
            row = measure(crowd, workers, kills, options.facts, generator)
            first = first or {**row}
            beside = {f"{name}, times": round(row[name] / first[name], 2) for name in row if name.endswith("seconds")}
            one, own = hashes(Path(place) / "run-0"), hashes(folder)
            differing = sorted(name for name in one.keys() | own.keys() if one.get(name) != own.get(name))
            differs |= bool(differing)
            print(json.dumps({**row, **beside, "tables": len(own), "tables that differ": differing}), flush=True)
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())

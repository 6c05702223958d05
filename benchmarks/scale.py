"""Many facts, several workers and kills in between: what workers cost, and whether the tables stay those of one.

    python benchmarks/scale.py --facts 100 --kills 4    # tries it, in minutes
    python benchmarks/scale.py --model tiny --ray       # 10,000 facts, 20 kills with each number of workers, then Ray

The bundled facts, one prompt of each, are repeated under other ids, and located and tested as a user would:
`factneurons locate --workers N` in processes of one thread each. First one worker that nobody disturbs; then, for
each number of workers, a run in which processes that are at work are killed (SIGKILL), at random points of the way,
and the same command is given once more in the place of each. With `--ray` two actors of a local Ray cluster do the
same; of those that are killed Ray starts others, and the command is given once more when it has given up.

One line of JSON each: wall and processor seconds (of all processes, killed ones too, loading of the model and lost
work with them; of Ray's as far as they were seen), both beside those of the first; the largest memory of each worker
(least, median and most, those that were killed young among them) and of the first one after 500 facts; the files that
are left, and the most that there were; and the tables, in canonical order and without what a clock decides, that
differ from those of the first in any byte. Ends with 1 if one does. With `--place FOLDER` the runs and lines are kept
there, and the same command goes on after the last line. `--kills 0` shows the workers' cost alone; `--model tiny` is
a random model of two layers, which costs next to nothing, so that the store and the leases are what is tried. Needs
Linux.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

sys.path.insert(0, str(Path(__file__).parent))
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.facts.writing import write_jsonl
from factneurons.models.bundled import POCKET_MODELS, pocket_path
from factneurons.runs.commits import PARTS
from factneurons.runs.store import MANIFEST, Run
from factneurons.runs.tables import TABLES
from factneurons.runs.workers import Workers
from measuring import machine

LOOK = 0.5
"""Mean seconds between two looks at the processes: at random moments, so that a kill comes anywhere in a batch."""
STAGES = 2
"""What `locate` does with each fact: it is located, and its neurons are tested."""
EARLY = 500
"""After so many facts a worker has all that it needs; from then on its memory should stay as it is."""
_CHILD_SUBREAPER = (
    36  # prctl(2): the workers of a killed process become children of this one, so that they are waited for
)


def repeated(number: int) -> Iterator[Fact]:
    """The bundled English facts in a mixed order with one prompt each, again and again under other ids."""
    facts = list(load_facts(f"bundled?lang=en&sample={number}&seed=0"))
    again = (
        replace(fact, id=f"{fact.id}/{turn}", translations={}, prompts=fact.prompts[:1])
        for turn in count()
        for fact in facts
    )
    return islice(again, number)


def tiny_model(folder: Path) -> str:
    """A random model of two narrow layers that reads and writes the tokens of pocket-gpt2."""
    source = pocket_path("pocket-gpt2")
    config = AutoConfig.from_pretrained(source, n_layer=2, n_embd=32, n_head=2, n_inner=64)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return str(folder)


@dataclass
class Crowd:
    """All processes that work on one run, whoever started them.

    Attributes:
        command: what each is given, without `--workers`.
        folder: the run's folder.
        log: the file that takes what they say.
        ray: the actors of a local Ray cluster give it.
        peaks: the largest memory of every process that joined the run, in megabytes, by its number.
        seconds: processor seconds of every process, as last seen.
        early: that of the first of them after `EARLY` facts.
        most_files: how many there were at most.
        failed: exit codes, but for 0 and those of the killed.
    """

    command: list[str]
    folder: Path
    log: Path
    ray: bool = False
    peaks: dict[int, float] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    early: float = 0.0
    most_files: int = 0
    failed: list[int] = field(default_factory=list)

    def start(self, workers: int) -> None:
        """One process more, which starts others from two workers on."""
        said = (os.POSIX_SPAWN_OPEN, 1, str(self.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        words = [sys.executable, "-m", "factneurons", *self.command, "--workers", str(workers)]
        words += ["--ray", "local"] if self.ray else []
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        os.posix_spawn(sys.executable, words, environment, file_actions=[said, (os.POSIX_SPAWN_DUP2, 1, 2)])

    def alive(self) -> set[int]:
        """The processes that are there now; those that ended are waited for, and the memory of the others read."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                code = os.waitstatus_to_exitcode(ended[1])
                self.failed += [code] if code not in (0, -signal.SIGKILL) else []
        for process in self.at_work():
            self.peaks[process] = max(self.peaks.get(process, 0.0), peak_of(process))
            if not self.early and self.done() >= EARLY:
                self.early = self.peaks[process]
        self.most_files = max(self.most_files, self.files())
        found = set(descendants(os.getpid()))
        self.seconds.update({process: seconds_of(process) or self.seconds.get(process, 0.0) for process in found})
        return found

    def at_work(self) -> list[int]:
        """Those of them that have joined the run."""
        seen = Workers(self.folder)
        return [sign.says["pid"] for sign in seen if "pid" in sign.says and not seen.killed(sign.name)]

    def files(self) -> int:
        """How many files the run has now."""
        return sum(len(names) for _, _, names in os.walk(self.folder))

    def done(self) -> int:
        """About how many facts are done, summed over the stages, from the names of the commits alone."""
        if not (self.folder / MANIFEST).exists():
            return 0
        furthest: dict[str, int] = {}
        for name in os.listdir(self.folder / PARTS):
            number, stage, *_ = name.split("-")
            furthest[stage] = max(furthest.get(stage, 0), int(number))
        return sum(furthest.values())

    def states(self) -> list[str]:
        """The states of its stages."""
        found = (self.folder / MANIFEST).exists()
        return [stage.state for stage in Run.open(self.folder).manifest.stages.values()] if found else []

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.states() == ["done"] * STAGES


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


def seconds_of(process: int) -> float:
    """The processor seconds that a process has taken; 0 for one that has ended."""
    with suppress(OSError):
        user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def disturb(crowd: Crowd, workers: int, kills: int, facts: int, generator: random.Random) -> int:
    """Let the workers finish the run, kill so many on the way, replace each; how many there was time to kill."""
    due = sorted(generator.uniform(0, 0.9 * STAGES * facts) for _ in range(kills))
    crowd.start(workers)
    killed = 0
    while (alive := crowd.alive()) or (crowd.ray and killed and not crowd.finished):
        if not alive:  # Ray starts an actor again twice at most
            crowd.failed.clear()
            crowd.start(workers)
        time.sleep(generator.uniform(0, 2 * LOOK))
        reached = facts * crowd.states().count("done")
        ready = killed < len(due) and max(crowd.done(), reached) >= due[killed]
        if ready and (victims := alive.intersection(crowd.at_work())):
            os.kill(generator.choice(sorted(victims)), signal.SIGKILL)
            if not crowd.ray:
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


def measure(crowd: Crowd, workers: int, kills: int, facts: int, generator: random.Random) -> dict[str, Any]:
    """Make one run, and say what it took.

    Raises:
        SystemExit: a process that was not killed did not end well, or the run is not done.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    killed = disturb(crowd, workers, kills, facts, generator)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if (crowd.failed and not crowd.ray) or not crowd.finished:
        raise SystemExit(f"exit codes {crowd.failed}, {crowd.done()} of {STAGES * facts} done\n{crowd.log.read_text()}")
    peaks = sorted(filter(None, crowd.peaks.values()))
    waited_for = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "workers": f"{workers} by Ray" if crowd.ray else workers,
        "killed": killed,
        "wall seconds": round(wall, 1),
        "processor seconds": round(max(waited_for, sum(crowd.seconds.values())), 1),
        "workers that joined": len(peaks),
        "MB of a worker": [round(peaks[0]), round(statistics.median(peaks)), round(peaks[-1])],
        f"MB of one after {EARLY} facts": round(crowd.early),
        "files": crowd.files(),
        "most files": crowd.most_files,
    }


def compared(row: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """What a run took, beside what the first one took, and the tables that differ from its."""
    beside = {f"{name}, times": round(row[name] / first[name], 2) for name in row if name.endswith("seconds")}
    one, own = first["hashes"], row["hashes"]
    differing = sorted(name for name in one.keys() | own.keys() if one.get(name) != own.get(name))
    return {**row, **beside, "hashes": len(own), "tables that differ": differing}


def parsed() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20, help="with each number of workers")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4], help="one run each")
    parser.add_argument("--ray", action="store_true", help="one run more, by two actors of a local Ray cluster")
    parser.add_argument("--model", default="pocket-gpt2", help=f"{', '.join(POCKET_MODELS)}, tiny or a folder")
    parser.add_argument("--method", default="joint", help="with --rounds 1 the cheapest that is a real search")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="decides who is killed, and when")
    parser.add_argument("--place", type=Path, help="keep runs and lines here, and go on after the last line")
    return parser.parse_args()


def main() -> int:
    """Parse and print; 1 if a table differs."""
    options = parsed()
    if ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise SystemExit("this system does not give the workers of a killed process to another; it needs Linux")
    with tempfile.TemporaryDirectory() as nowhere:
        return compare(options, options.place or Path(nowhere))


def compare(options: argparse.Namespace, place: Path) -> int:
    """Make the runs that are not there yet, print a line for each; 1 if a table differs."""
    print(json.dumps({**machine(), "facts": options.facts, "model": options.model, "method": options.method}))
    place.mkdir(parents=True, exist_ok=True)
    source, lines = place / "facts.jsonl", place / "lines.jsonl"
    write_jsonl(repeated(options.facts), source)
    model = tiny_model(place / "tiny") if options.model == "tiny" else options.model
    given = ["locate", "--model", model, "--facts", str(source), "--draws", "1", "--unrelated", "0"]
    given += ["--method", options.method, "--rounds", str(options.rounds)]
    wanted = [(1, 0, False), *((each, options.kills, False) for each in options.workers)]
    if options.ray and find_spec("ray") is None:
        print('without Ray, which is not installed: pip install "factneurons[cluster]"', file=sys.stderr)
    elif options.ray:
        wanted.append((2, options.kills, True))
    rows = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    for number, (workers, kills, ray) in enumerate(wanted):
        folder = place / f"run-{number}"
        if number == len(rows):
            shutil.rmtree(folder, ignore_errors=True)  # of an earlier call that was killed
            crowd = Crowd([*given, "--out", str(folder)], folder, place / f"run-{number}.log", ray)
            generator = random.Random(f"{options.seed}/{number}")
            rows.append({**measure(crowd, workers, kills, options.facts, generator), "hashes": hashes(folder)})
            with lines.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
        print(json.dumps(compared(rows[number], rows[0])), flush=True)
    return int(any(row["hashes"] != rows[0]["hashes"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())

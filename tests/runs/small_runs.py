"""Small runs for the tests of this room: invented facts, and work that needs no model.

As a script it is a process that forks writers and kills them, so that a test pays for one start of Python only:
    small_runs.py random FOLDER KILLS SEED     kill writers of one run at random moments, then let one finish
    small_runs.py events FOLDER                one run per step of writing, killed at that step
    small_runs.py compaction FOLDER            the same for merging the commits of a run
    small_runs.py hold FOLDER                  open a run for writing, say so, and wait to be killed
    small_runs.py share FOLDER                 be one of the workers of a run
    small_runs.py harm FOLDER TIMES SEED       four workers, of which one after the other is killed or frozen
    small_runs.py mounts FOLDER TIMES SEED     the same, with workers by turns through FOLDER/1/run and FOLDER/2/run
    small_runs.py read_only FOLDER             write into a folder in which one may only read
    small_runs.py counts FOLDER SEED           one worker, then four, then two
    small_runs.py modules FOLDER               the modules that a run needs
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from functools import cache
from itertools import count, cycle
from pathlib import Path

from factneurons.errors import FactneuronsError
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.runs import workers
from factneurons.runs.drive import Batch, drive
from factneurons.runs.manifest import DataIdentity, Manifest, ModelIdentity
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run, compact_run

STAGE = "locate"


def make_facts(number):
    return [
        Fact(
            id=f"capital/{i:04d}",
            relation="capital",
            subject=f"Land {i}",
            answer=f"Town {i}",
            language=language,
            prompts=(Prompt(f"The capital of Land {i} is ___."), Prompt(f"Land {i} is ruled from ___.")),
            source=f"facts.jsonl:{i + 1}",
        )
        for i in range(number // 2)
        for language in ("en", "zh")
    ]


@cache
def usual_manifest(stage):
    return make_manifest(stage, seed=42)


def make_manifest(stage=STAGE, **changes):
    if not changes:
        return usual_manifest(stage)
    values = {
        "settings": {"method": "amig", "threshold": 0.2},
        "seed": 42,
        "command": "factneurons locate",
        "model": "pocket-gpt2",
        "model_files": {"model.safetensors": "ab12"},
        "dtype": "float32",
        "device": "cpu",
        "data": "bundled",
        "data_sha256": "cd34",
        **changes,
    }
    model = ModelIdentity(*(values.pop(name) for name in ("model", "model_files", "dtype", "device")))
    data = DataIdentity(values.pop("data"), values.pop("data_sha256"))
    return Manifest.for_stage(stage, model=model, data=data, **values)


def rows_of(fact):
    number = int(fact.id[-4:])
    key = {"fact_id": fact.id, "language": fact.language}
    neurons = [Neuron(number % 4, index) for index in range(number % 5)]
    row = {
        **key,
        "key": fact.key,
        "relation": fact.relation,
        "subject": fact.subject,
        "answer": fact.answer,
        "date": fact.date,
        "prompts": [prompt.text for prompt in fact.prompts],
        "prompts_asked": 1 + (number % 5 != 0),
        "answer_tokens": fact.answer.split(),
        "probability": 1 / (1 + number),
        "rank": 1 + number % 3,
        "known": number % 3 == 0,
        "neurons": len(neurons),
        "refined": True,
        "threshold": 0.2,
        "method": "amig",
        "source": fact.source,
        "seconds": 0.5,
    }
    return {
        "facts": [row],
        "neurons": [
            {**key, "relation": fact.relation, "layer": neuron.layer, "index": neuron.index}
            | {"score": 0.1, "share": 1.0, "round": 1, "position": place, "promotes": None, "suppresses": None}
            for place, neuron in enumerate(neurons, start=1)
        ],
    }


def work(facts):
    """Facts divisible by 7 cannot be asked, one prompt of those divisible by 5 cannot."""
    rows, skips = {}, []
    for fact in facts:
        number = int(fact.id[-4:])
        if number % 7 == 0:
            skips.append(Skip.of(fact, "blank inside", "the blank is not at the end"))
            continue
        if number % 5 == 0:
            skips.append(Skip.of(fact, "blank inside", "not at the end", prompt=fact.prompts[1].text))
        for name, table in rows_of(fact).items():
            rows.setdefault(name, []).extend(table)
    return Batch(rows, skips)


def slow_work(facts):
    time.sleep(0.003 * len(facts))
    return work(facts)


def write_run(folder, number=40, batch_size=4, work=work, manifest=None, **options):
    with Run.create_or_resume(folder, manifest or make_manifest(), STAGE) as run:
        return drive(run, STAGE, iter(make_facts(number)), work, batch_size=batch_size, **options)


def snapshot(folder):
    """Every table of a run in canonical order, as text."""
    run = Run.open(folder)
    tables = {name: run.table(name).to_json(orient="records") for name in ("facts", "neurons", "skipped")}
    return {**tables, "counts": run.counts(STAGE)}


def fork(function, *arguments):
    """The process id of a child that runs the function and exits with 0, or 1 after an error."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            function(*arguments)
            status = 0
        finally:
            os._exit(status)
    return child


def kill_at_random(folder, kills, seed):
    """Every writer is killed after its next few commits, at any moment; the last one still has something to do."""
    generator = random.Random(seed)
    hits, kept, each = 0, 0, 45 / kills
    for _ in range(kills):
        child = fork(write_run, folder, 200, 4, slow_work)
        wanted, until = kept + int(generator.uniform(0, each) + generator.random()), time.monotonic() + 10
        while len(list(folder.glob("parts/*"))) < wanted and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(generator.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        hits += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        kept = len(list(folder.glob("parts/*")))
    _, status = os.waitpid(fork(write_run, folder, 200, 4, slow_work), 0)
    return {"hits": hits, "kept": kept, "status": status}


def die_at_step(number):
    """Make this process kill itself at the number-th step of writing: half a file, before or after a call."""
    steps = count()

    def step():
        if next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(function):
        def wrapped(*arguments, **options):
            step()
            result = function(*arguments, **options)
            step()
            return result

        return wrapped

    class Torn:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            step()
            self.file.write(data[len(data) // 2 :])

    real_open = Path.open
    Path.open = lambda path, mode="r", **more: (
        Torn(real_open(path, mode)) if mode == "xb" else real_open(path, mode, **more)
    )
    # A killed process loses nothing that it has written, flushed or not: the flush itself only costs time here.
    os.fsync, os.replace, Path.mkdir = around(lambda _: None), around(os.replace), around(Path.mkdir)


def kill_at_every_step(folder):
    def doomed(target, number):
        die_at_step(number)
        write_run(target, 12, 6)

    for number in count():
        _, status = os.waitpid(fork(doomed, folder / f"{number:03d}", number), 0)
        if not os.WIFSIGNALED(status):
            return {"steps": number, "status": status}
    return None


def kill_at_every_step_of_compaction(folder):
    def doomed(target, number):
        die_at_step(number)
        real_remove = shutil.rmtree
        shutil.rmtree = lambda path, **more: (os.replace(path, f"{path}."), real_remove(f"{path}.", **more))
        compact_run(target)

    write_run(folder / "whole", 12, 4)
    for number in count():
        target = folder / f"{number:03d}"
        shutil.copytree(folder / "whole", target)
        _, status = os.waitpid(fork(doomed, target, number), 0)
        if not os.WIFSIGNALED(status):
            return {"steps": number, "status": status}
    return None


def hold(folder):
    with Run.create_or_resume(folder, make_manifest(), STAGE):
        sys.stdout.write("open\n")
        sys.stdout.flush()
        signal.pause()


def share(folder):
    """One worker of several, each of which shows its life often and waits for no other long."""
    workers.BEAT, workers.PATIENCE = 0.1, 0.8

    met = False

    def work_slowly(facts):
        nonlocal met
        while not met:
            met = len(list((folder / "workers").iterdir())) == 2
            time.sleep(0.01)
        time.sleep(0.05)
        return work(facts)

    write_run(folder, 80, 4, work_slowly)
    return [Run.open(folder).manifest.stages[STAGE].state]


def wait_for_commits(folder, more, upper):
    """Until there are so many more than there were, and a moment of chance on top of it."""
    count = lambda: len(list(folder.glob("parts/*")))  # noqa: E731
    before = count()
    while count() < before + more:
        time.sleep(0.002)
    time.sleep(upper)


def begin(folder, number):
    """A worker in a process of its own that shows its life often and waits for no other long."""

    def body():
        workers.BEAT, workers.PATIENCE = 0.02, 0.3
        write_run(folder, number, 4, slow_work)

    return fork(body)


def harm(folder, times, seed, others=()):
    """Kill one worker, freeze the next, and put a new one in its place; the frozen ones wake when all is done."""
    generator = random.Random(seed)
    number = 80 + 60 * times  # facts, so that there is work left for the last one
    ways = cycle([folder, *others])
    alive, frozen, ended = [begin(next(ways), number) for _ in range(4)], [], 0
    for turn in range(times):
        wait_for_commits(folder, 3, generator.uniform(0, 0.03))
        victim = alive.pop(generator.randrange(len(alive)))
        os.kill(victim, (signal.SIGKILL, signal.SIGSTOP)[turn % 2])
        if turn % 2:
            frozen.append(victim)
        else:
            ended += not os.WIFSIGNALED(os.waitpid(victim, 0)[1])
        alive.append(begin(next(ways), number))
    statuses = [os.waitpid(child, 0)[1] for child in alive]
    state = Run.open(folder).manifest.stages[STAGE].state
    for child in frozen:
        os.kill(child, signal.SIGCONT)
    return {
        "number": number,
        "too late": ended,
        "state": state,
        "statuses": statuses + [os.waitpid(child, 0)[1] for child in frozen],
    }


def harm_through_mounts(folder, times, seed):
    return harm(folder / "1" / "run", times, seed, [folder / "2" / "run"])


def change_counts(folder, seed):
    """Every group of workers is asked to stop in the middle, but the last one."""
    generator = random.Random(seed)
    statuses = []
    for size in (1, 4, 2):
        children = [begin(folder, 200) for _ in range(size)]
        if size != 2:
            wait_for_commits(folder, generator.randint(3, 9), 0)
            for child in children:
                os.kill(child, signal.SIGINT)
        statuses.append([os.WEXITSTATUS(os.waitpid(child, 0)[1]) for child in children])
    return statuses


def read_only(folder):
    """What is said when a run is begun, and gone on with, by somebody who may only read it."""
    said = []
    write_run(folder / "old", 8)
    for path in (folder / "old", *(folder / "old").rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        os.seteuid(65534)  # who may do anything may write anywhere
    for name in ("new", "old"):
        try:
            write_run(folder / name, 12)
        except FactneuronsError as error:
            said.append(str(error))
    return said


def modules(folder):
    write_run(folder, 8)
    return sorted(sys.modules)


def main(name, folder, *numbers):
    commands = {
        "random": kill_at_random,
        "events": kill_at_every_step,
        "compaction": kill_at_every_step_of_compaction,
        "hold": hold,
        "share": share,
        "read_only": read_only,
        "harm": harm,
        "mounts": harm_through_mounts,
        "counts": change_counts,
        "modules": modules,
    }
    result = commands[name](Path(folder), *map(int, numbers))
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A small true world, tiny models trained on it in seconds, and three ways to run the command line.

Nothing here touches the network: a test that tries fails.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer

import factneurons as fn
from factneurons.cli import main
from factneurons.pocket import recipe as recipes
from factneurons.pocket.recipe import PocketRecipe, PocketSize
from factneurons.pocket.training import train_pocket

HERE = Path(__file__).parent
COUNTRIES = [
    ("France", "Paris", "Europe", "euro"), ("Japan", "Tokyo", "Asia", "yen"), ("Egypt", "Cairo", "Africa", "pound"),
    ("Kenya", "Nairobi", "Africa", "shilling"), ("Peru", "Lima", "America", "sol"), ("India", "Delhi", "Asia", "rupee"),
    ("Cuba", "Havana", "America", "peso"), ("Norway", "Oslo", "Europe", "krone"), ("Iran", "Tehran", "Asia", "rial"),
    ("Ghana", "Accra", "Africa", "cedi"),
]  # fmt: skip
PATTERNS = {
    "capital": ["The capital of [X] is ___.", "[X] has the capital ___.", "What is the capital of [X]? ___"],
    "continent": ["[X] lies in ___.", "[X] is a country in ___.", "Where is [X]? ___"],
    "currency": ["The money of [X] is the ___.", "In [X] people pay with the ___."],
    "capital_reverse": ["[X] is the capital of ___.", "[X] governs ___."],
}


def _fact(relation: str, subject: str, answer: str, language: str = "en") -> fn.Fact:
    prompts = tuple(fn.Prompt(pattern.replace("[X]", subject)) for pattern in PATTERNS[relation])
    return fn.Fact(f"{relation}/{subject.lower()}", relation, subject, answer, language, prompts)


def _world() -> list[fn.Fact]:
    facts = []
    for country, capital, continent, money in COUNTRIES:
        facts.append(_fact("capital", country, capital))
        facts.append(_fact("continent", country, continent))
        facts.append(_fact("currency", country, money))
        facts.append(_fact("capital_reverse", capital, country))
    return facts


@pytest.fixture(scope="session")
def world() -> list[fn.Fact]:
    """Forty facts of four relations about ten countries."""
    return _world()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is made and no name is looked up."""

    def blocked(*arguments: object, **options: object) -> None:
        pytest.fail(f"the network was asked: {arguments}")  # no Exception, so nothing swallows it

    monkeypatch.setattr(socket.socket, "connect", blocked)
    monkeypatch.setattr(socket.socket, "connect_ex", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)


def _train(architecture: str, folder: Path, facts: Sequence[fn.Fact]) -> Path:
    recipes.SIZES["tiny"] = PocketSize(layers=3, width=48, heads=2, neurons=96)
    recipe = replace(
        PocketRecipe(architecture, size="tiny"),
        vocabulary_size=500,
        positions=64,
        batch_size=16,
        noise=0.0,
        learning_rate=1e-2,
        warmup_steps=10,
        max_steps=100,
        check_every=25,
        target_trained=0.95,
        target_left_out=0.0,
    )
    try:
        train_pocket("pocket-gpt2", out=folder, facts=facts, recipe=recipe)
    finally:
        del recipes.SIZES["tiny"]
    return folder


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory, world: list[fn.Fact]) -> Path:
    """The folder of a causal model that knows the world; it is read only."""
    return _train("gpt2", tmp_path_factory.mktemp("models") / "gpt2", world)


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory, world: list[fn.Fact]) -> Path:
    """The folder of a masked model that knows the world; it is read only."""
    return _train("bert", tmp_path_factory.mktemp("models") / "bert", world)


@pytest.fixture(scope="session")
def write_facts() -> Callable[[Path, Sequence[fn.Fact]], Path]:
    """write_facts(path, facts): a .jsonl file in the project's own format."""

    def write(path: Path, facts: Sequence[fn.Fact]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        fn.write_jsonl(facts, path)
        return path

    return write


@pytest.fixture(scope="session")
def facts_file(
    tmp_path_factory: pytest.TempPathFactory,
    world: list[fn.Fact],
    write_facts: Callable[[Path, Sequence[fn.Fact]], Path],
) -> Path:
    """All forty facts."""
    return write_facts(tmp_path_factory.mktemp("facts") / "world.jsonl", world)


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def notes(self) -> list[str]:
        """What was written to standard error, warnings aside."""
        return [line for line in self.err.splitlines() if not line.startswith("warning: ")]

    @property
    def error(self) -> str:
        """The one line that says what is wrong; warnings aside there is no other."""
        lines = [line for line in self.notes if not line.endswith((" facts/s", " left"))]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        assert "Traceback" not in self.out + self.err
        return lines[0]

    def refused(self) -> str:
        """The error line of a command that ended with exit code 2."""
        assert self.code == 2, self
        return self.error


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """run("locate", "--model", ...): the command in this process, as the console script calls it."""
    monkeypatch.setattr("factneurons.stages.display._LINE_EVERY", float("inf"))  # however slow this machine is

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Outcome(int(end.value.code or 0), out, err)

    return call


@pytest.fixture
def locate(run: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """locate(model, facts, out, *more): `factneurons locate` with few random draws."""

    def call(model: object, facts: object, out: object, *more: object) -> Outcome:
        return run("locate", "--model", model, "--facts", facts, "--out", out, "--draws", 3, "--unrelated", 2, *more)

    return call


@dataclass(frozen=True)
class Commands:
    """Command lines for the whole world: many neurons per fact, and groups that nearly always pass the filter."""

    model: Path
    facts: Path

    FEW = ("--draws", 3, "--unrelated", 2)
    MANY_NEURONS = ("--threshold", 0.2, "--share", 0.5, "--rounds", 1)
    EASY = ("--clusterer", "ntc", "--tau1", 0.8, "--t-low", 1, "--t-sufficient", 1, "--t-high", 0)

    def locate(self, out: Path, *more: object, facts: Path | None = None) -> tuple[object, ...]:
        where = ("--model", self.model, "--facts", facts or self.facts, "--out", out)
        return ("locate", *where, *self.FEW, *self.MANY_NEURONS, *more)

    def degenerate(self, out: Path) -> tuple[object, ...]:
        return ("degenerate", out, *self.FEW, *self.EASY)


@pytest.fixture(scope="session")
def commands(gpt2: Path, facts_file: Path) -> Commands:
    """commands.locate(out) and commands.degenerate(out): arguments for `run` and `start`."""
    return Commands(gpt2, facts_file)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Path:
    """A run of the whole world that was never interrupted; it is read only."""
    out = tmp_path_factory.mktemp("finished") / "run"
    for arguments in (commands.locate(out), commands.degenerate(out)):
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        assert end.value.code == 0
    return out


class Process:
    """A command in a process of its own, forked from one that has everything imported already."""

    peak = 0
    """The most memory it had, in the kernel's unit, once it has been waited for."""

    def __init__(self, parent: subprocess.Popen[str], folder: Path, arguments: Sequence[object], threads: int) -> None:
        self._parent, self._folder = parent, folder
        folder.mkdir(parents=True)
        given = [str(argument) for argument in arguments]
        self._send({"folder": str(folder), "arguments": given, "threads": threads})
        self.pid = int(self._answer())

    def _send(self, request: dict[str, Any]) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(request) + "\n")
        self._parent.stdin.flush()

    def _answer(self) -> str:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline()

    @property
    def err(self) -> str:
        return (self._folder / "err").read_text(encoding="utf-8")

    @property
    def touched(self) -> list[Path]:
        """What it opened to write, made, moved or removed."""
        lines = (self._folder / "touched").read_text(encoding="utf-8").splitlines()
        return [Path(json.loads(line)) for line in lines]

    def wait(self) -> Outcome:
        """The outcome; a negative code is the signal that killed it."""
        code, self.peak = map(int, self._answer().split())
        return Outcome(code, (self._folder / "out").read_text(encoding="utf-8"), self.err)


@pytest.fixture(scope="session")
def _forking() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(HERE / "forking.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        yield parent
        assert parent.stdin is not None
        parent.stdin.close()


@pytest.fixture
def start(_forking: subprocess.Popen[str], tmp_path: Path) -> Callable[..., Process]:
    """start("locate", ..., threads=1): the command as a real process that can be killed; one at a time."""
    started: list[Process] = []

    def begin(*arguments: object, threads: int = 1) -> Process:
        started.append(Process(_forking, tmp_path / f"process-{len(started)}", arguments, threads))
        return started[-1]

    return begin


@pytest.fixture(scope="session")
def tables() -> Callable[[Path], dict[str, pd.DataFrame]]:
    """tables(folder): every table of a run in canonical order, without what a clock decides."""

    def read(folder: Path) -> dict[str, pd.DataFrame]:
        opened = fn.Run.open(folder)
        found = {name: opened.table(name) for name in TABLE_NAMES}
        found["facts"] = found["facts"].drop(columns="seconds")
        return found

    return read


TABLE_NAMES = (
    *("facts", "neurons", "completeness", "components", "barcodes", "connections", "degenerate"),
    *("acquisition", "carried", "interventions", "skipped"),
)


@pytest.fixture(scope="session")
def same_tables(tables: Callable[[Path], dict[str, pd.DataFrame]]) -> Callable[[Path, Path], None]:
    """same_tables(one, other): asserts that two runs hold the same rows, bit for bit."""

    def compare(one: Path, other: Path) -> None:
        for name, table in tables(one).items():
            pd.testing.assert_frame_equal(table, tables(other)[name], check_exact=True, obj=name)

    return compare


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory, gpt2: Path, bert: Path) -> Callable[[str], Path]:
    """random_model("gpt2") or ("bert"): an untrained model whose tokenizer knows every byte, or every character."""
    known: dict[str, Path] = {}

    def make(architecture: str) -> Path:
        if architecture not in known:
            known[architecture] = _untrained(architecture, tmp_path_factory.mktemp("random") / architecture)
        return known[architecture]

    return make


def _untrained(architecture: str, folder: Path) -> Path:
    from factneurons.pocket.architectures import build_module
    from factneurons.pocket.vocabulary import train_tokenizer

    recipes.SIZES["tiny"] = PocketSize(layers=2, width=32, heads=2, neurons=64)
    try:
        recipe = PocketRecipe(architecture, size="tiny", positions=128)
        tokenizer = train_tokenizer(architecture, list(fn.load_facts("bundled", limit=400)), 2000, 128)
        tokenizer.save_pretrained(folder)
        module = build_module(recipe, AutoTokenizer.from_pretrained(folder))
    finally:
        del recipes.SIZES["tiny"]
    module.save_pretrained(folder)
    return folder

"""Help texts: every command has one, its examples are shown as they are typed, and every example works."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from itertools import product
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.main import get_command

import factneurons as fn
from factneurons.cli.app import COMMANDS, application
from factneurons.pocket import recipe as recipes
from factneurons.pocket.recipe import PocketSize

TEMPLAMA = [
    {"query": f"{subject} plays for _X_.", "answer": [{"name": club}], "date": "2012", "id": f"Q{number}_P54_2012",
     "relation": "P54", "most_frequent_answer": {"name": club}, "most_recent_answer": {"name": club}}
    for number, (subject, club) in enumerate([("Lionel Messi", "Barcelona"), ("Wayne Rooney", "Everton")])
]  # fmt: skip

EXAMPLES = {
    name: lines
    for command in COMMANDS.values()
    for name, lines in import_module(f"factneurons.cli.{command.module}").EXAMPLES.items()
}


def test_every_command_has_examples():
    names = []
    for name in COMMANDS:
        command = get_command(application(name)).commands[name]
        names += [f"{name} {inner}" for inner in command.commands] if hasattr(command, "commands") else [name]
    assert sorted(names) == sorted(EXAMPLES)


def test_other_commands_are_not_imported(tmp_path):
    """`--help` and a mistyped name do not wait for PyTorch."""
    code = (
        "import sys\nfrom factneurons.cli import main\ntry: main(sys.argv[1:])\n"
        "except SystemExit: assert not {'torch', 'transformers', 'pandas'} & set(sys.modules)"
    )
    for arguments in (["--help"], ["lokate"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


FRESH = """
import contextlib, io, json, sys
from factneurons.cli import main
for words in json.loads(sys.argv[1]):
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told): main(words)
    except SystemExit as end: assert not end.code and told.getvalue(), (words, end.code)
    assert not {"torch", "transformers"} & set(sys.modules), words
"""


def _started(*lines):
    """One fresh interpreter for all of these command lines: the first that brings PyTorch is told."""
    done = subprocess.run([sys.executable, "-c", FRESH, json.dumps(lines)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_help_waits_for_a_model():
    _started(*([*name.split(), "--help"] for name in (*COMMANDS, *EXAMPLES)))


def test_what_asks_no_model_does_not_wait_for_one(gpt2, facts_file, tmp_path, run):
    there = str(tmp_path / "run"), str(tmp_path / "edit")
    assert run("locate", "--model", gpt2, "--facts", facts_file, "--limit", 2, "--out", there[0]).code == 0
    fact = json.loads(facts_file.read_text(encoding="utf-8").splitlines()[0])["id"]
    made = run("edit", gpt2, "--facts", facts_file, "--fact", fact, "--neurons", "0.1,1.2", "--out", there[1])
    assert made.code == 0, made
    _started(
        ("report", there[0]),
        ("verify", there[0]),
        ("facts", "describe", "bundled?relation=capital"),
        ("experiment", "list"),
        ("delta", "show", there[1]),
        ("delta", "list", str(tmp_path)),
        ("pocket", "list"),
    )


@pytest.mark.parametrize("command", EXAMPLES)
def test_help(command, run):
    shown = run(*command.split(), "--help")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"Usage: factneurons {command}")
    assert "\b" not in shown.out
    for example in EXAMPLES[command]:
        assert f"  {example}\n" in shown.out + "\n"
        assert shlex.split(example)[: 1 + len(command.split())] == ["factneurons", *command.split()]


@pytest.mark.parametrize("arguments", [(), ("facts",), ("pocket",)])
def test_no_command_shows_the_help(arguments, run):
    shown = run(*arguments)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == run(*arguments, "--help").out.rstrip("\n") + "\n"
    assert "..." not in shown.out.split("Commands:")[1]  # no summary is cut off


@pytest.fixture(scope="module")
def place(tmp_path_factory, gpt2, bert, facts_file):
    """A folder with what the examples name: pocket models (tiny ones stand in for them) and files of facts."""
    folder = tmp_path_factory.mktemp("examples")
    for name, model in (("pocket-gpt2", gpt2), ("pocket-bert", bert), ("pocket-llama", gpt2)):
        shutil.copytree(model, folder / "weights" / name)
    lines = facts_file.read_text(encoding="utf-8").splitlines()
    (folder / "facts.jsonl").write_text("\n".join(lines[:4]), encoding="utf-8")
    rows = [f"{json.loads(line)['id']},0,1" for line in lines[:4]]
    (folder / "theirs.csv").write_text("\n".join(["fact_id,layer,index", *rows]), encoding="utf-8")
    (folder / "new.jsonl").write_text(lines[4], encoding="utf-8")
    (folder / "statements.txt").write_text("The capital of France is Paris.\nI like cheese.\n", encoding="utf-8")
    (folder / "val.jsonl").write_text("\n".join(map(json.dumps, TEMPLAMA)), encoding="utf-8")
    return folder


def _plant(base, out, *, facts, regime, settings, report):
    """Planting takes minutes with the examples' own options; here only what the command hands on is looked at."""
    from factneurons.planted.plant import Planted
    from factneurons.planted.truth import Truth

    assert base in ("pocket-gpt2", "random-llama")
    assert (facts is None) == (regime == "single")
    held = {"prompts": 400.0, "recall_before": 0.99, "recall_after": 0.99, "moved_by_a_tenth": 0.01}
    return Planted(out, Truth(base, settings.seed, (), held=held))


def _benchmark(out, settings, *, report):
    """A benchmark takes minutes; here only what the command hands on is looked at."""
    from factneurons.benchmark.judging import Judged
    from factneurons.benchmark.rows import named, planted_rows

    row = {"fact_id": "a", "language": "en", "regime": "single", "precision": 1.0, "recall": 1.0}
    row |= {
        "held_out_loss": 1.0,
        "average_precision": 1.0,
        "adjusted_rand_index": 1.0,
        "f1": 1.0,
        "verdict": "single",
        "neurons": "true",
    }
    rows = [pd.DataFrame([{**row, name: "x"}]) for name in ("method", "clusterer", "clusterer")]
    models = [
        *product(settings.bases, settings.seeds, settings.mixes),
        *product(settings.trained, settings.seeds, ["undesigned"]),
    ]
    return pd.concat([named(planted_rows(Judged(*rows)), base, seed, group) for base, seed, group in models])


def _benchmark_results(out, table, models, *, figures):
    from factneurons.benchmark.page import Written

    assert len(models) == table["model"].nunique()
    return Written(out / "benchmark.html", out / "summary.csv", out / "comparisons.csv")


def _measure_little(run):
    """Experiments take minutes, and small models know none of the facts; here every fact has the numbers of a claim."""
    from factneurons.experiments.types import Measured

    def experiment_run(experiment, model, facts, out, **options):
        claim = experiment.claims[0]
        numbers = [Measured(claim.condition, claim.measure, 1.0)]
        few = replace(experiment, prepare=lambda study: lambda fact: numbers)
        return run(few, model, facts, out, **{**options, "limit": 3})

    return experiment_run


def _suite(models, facts, out, *, only, settings, **options):
    """A suite takes minutes, and small models know no fact; here only what the command hands on is looked at."""
    assert set(only) <= set(fn.SUITE_NAMES)
    return SimpleNamespace(results=pd.DataFrame(), failures=[], page=out / "suite.html")


@pytest.fixture
def quick(monkeypatch, place):
    """Small models, few facts and few steps, with the very lines of the examples."""
    import factneurons.cli.benchmark as benchmark
    import factneurons.stages.locate as stages

    monkeypatch.chdir(place)
    monkeypatch.setattr("factneurons.models.bundled.WEIGHTS", place / "weights")
    load_facts = stages.load_facts

    def few(spec, **options):
        return load_facts(spec, **({**options, "limit": 3} if "limit" in options else options))

    monkeypatch.setattr(stages, "load_facts", few)
    monkeypatch.setattr(fn, "load_facts", few)
    monkeypatch.setattr(fn, "run_experiment", _measure_little(fn.run_experiment))
    monkeypatch.setattr(fn, "run_suite", _suite)
    monkeypatch.setattr(fn, "plant", _plant)
    monkeypatch.setattr("factneurons.benchmark.run.run_benchmark", _benchmark)
    monkeypatch.setattr(benchmark, "write_results", _benchmark_results)
    monkeypatch.setattr("factneurons.benchmark.run.check_bases", lambda settings: None)
    monkeypatch.setitem(recipes.SIZES, "s", PocketSize(layers=2, width=16, heads=2, neurons=32))
    original = recipes.base_recipe

    def short(name):
        return replace(original(name), max_steps=2, check_every=2, vocabulary_size=600)

    monkeypatch.setattr("factneurons.pocket.training.base_recipe", short)
    monkeypatch.setattr("factneurons.pocket.training.BUNDLED", "bundled?relation=capital&limit=8")


def test_every_example_works(quick, run, place):
    """In their order: later examples need the run that an earlier one makes."""
    for command, examples in EXAMPLES.items():
        for example in examples:
            done = run(*shlex.split(example)[1:])
            assert done.code == 0, (example, done)
            assert done.out, command
    assert (place / "runs/capital/report.html").is_file()
    assert (place / "capital.html").is_file()
    assert (place / "models/small/model.safetensors").is_file()
    assert (place / "models/trained/recall.csv").is_file()

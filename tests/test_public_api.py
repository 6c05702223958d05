"""The public contract: the example of the documentation, word for word, and what importing does."""

from __future__ import annotations

import inspect
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import factneurons as fn
from factneurons.pocket import recipe as recipes
from factneurons.pocket.recipe import PocketRecipe, PocketSize
from factneurons.pocket.training import train_pocket

EXAMPLE = """
import factneurons as fn
model = fn.load_model("pocket-gpt2")                  # or any hub name or folder
facts = fn.load_facts("bundled")                      # or "templama:FILE", "mpararel:FOLDER?lang=en" and so on
a = fn.attribute(model, "The capital of France is ___.", "Paris", method="amig")
b = fn.attribute(model, "The capital of France is", " Paris", method="dai", rule="right", points=20)
kn = fn.locate(model, facts, method="amig")           # table-like result over many facts
dkn = fn.find_degenerate(model, kn)                   # components per fact
neurons = kn[0].neurons
with model.suppress(neurons):                         # reversible whatever happens
    p = model.probability("The capital of France is ___.", "Paris")
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of the bundled models, with a tiny causal one in it."""
    folder = tmp_path_factory.mktemp("weights")
    recipes.SIZES["tiny"] = PocketSize(layers=2, width=32, heads=2, neurons=64)
    recipe = replace(
        PocketRecipe("gpt2", size="tiny"), vocabulary_size=600, positions=64, max_steps=60, check_every=30,
        learning_rate=1e-2, warmup_steps=5, noise=0.0,
    )  # fmt: skip
    try:
        facts = list(fn.load_facts("bundled?relation=capital&lang=en", limit=12))
        train_pocket("pocket-gpt2", out=folder / "pocket-gpt2", facts=facts, recipe=recipe)
    finally:
        del recipes.SIZES["tiny"]
    return folder


@pytest.fixture
def run_example(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, object]]:
    """run_example(text): runs it with the first few facts only and without a network, and returns its names."""
    load_facts = fn.load_facts

    def few(spec: str) -> object:
        assert spec == "bundled"
        return load_facts(f"{spec}?relation=capital&lang=en", limit=3)

    def blocked(*_: object) -> None:
        pytest.fail("the network was asked")

    monkeypatch.setattr(fn, "load_facts", few)
    monkeypatch.setattr("factneurons.models.bundled.WEIGHTS", weights)
    monkeypatch.setattr(socket.socket, "connect", blocked)

    def run(text: str) -> dict[str, object]:
        names: dict[str, object] = {}
        exec(text, names)
        return names

    return run


@pytest.mark.trial("network")
@pytest.mark.filterwarnings("ignore:.*the integral of layer")
def test_the_example_word_for_word(run_example):
    names = run_example(EXAMPLE)
    model, a, b, kn, dkn = (names[name] for name in ("model", "a", "b", "kn", "dkn"))
    for attribution in (a, b):
        assert attribution.scores.shape == (model.layer_count, model.width) == (2, 64)
        assert attribution.completeness_error.shape == (2,)
    assert a.probability == model.probability("The capital of France is ___.", "Paris")
    assert b.probability == pytest.approx(a.probability)  # a blank that is not written is at the end
    assert (a.method, a.rule, b.method, b.rule) == ("amig", "adaptive", "dai", "right")
    assert set(b.points) == {20}
    assert len(kn) == len(dkn) == 3
    assert [known.fact.id for known in kn] == [found.fact.id for found in dkn]
    assert all(isinstance(neuron, fn.Neuron) for known in kn for neuron in known.neurons)
    assert list(kn.to_frame().columns)[:5] == ["fact_id", "language", "relation", "layer", "index"]
    assert all(hasattr(found, "components") for found in dkn)
    assert not model.backbone.own.interventions
    assert names["p"] != a.probability or not names["neurons"]


def test_suppress_is_undone_whatever_happens(run_example):
    model = run_example('import factneurons as fn\nmodel = fn.load_model("pocket-gpt2")')["model"]
    question = ("The capital of France is ___.", "Paris")
    before = model.probability(*question)
    neurons = [fn.Neuron(layer, index) for layer in range(2) for index in range(30)]

    def fail_inside() -> None:
        with model.suppress(neurons):
            assert model.probability(*question) != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert model.probability(*question) == before


def test_a_space_before_the_answer_changes_nothing(run_example):
    model = run_example('import factneurons as fn\nmodel = fn.load_model("pocket-gpt2")')["model"]
    scores = [
        fn.attribute(model, prompt, answer, method="dai", rule="left", points=2).scores
        for prompt in ("The capital of France is ___.", "The capital of France is", "The capital of France is ")
        for answer in ("Paris", " Paris")
    ]
    assert all(np.array_equal(scores[0], other) for other in scores[1:])


def test_every_public_name_is_there_and_has_a_docstring():
    assert len(set(fn.__all__)) == len(fn.__all__)
    for name in fn.__all__:
        assert getattr(fn, name).__doc__, name


LAZY = """
import sys
import factneurons as fn
slow = {"torch", "transformers", "pandas", "pyarrow", "altair", "numpy"}
assert not slow & set(sys.modules), slow & set(sys.modules)
assert not {name for name in sys.modules if name.startswith("factneurons.")}
dir(fn)
fn.NotAskable, fn.Fact
assert "torch" not in sys.modules
before = set(vars(fn))
value = getattr(fn, sys.argv[1])
assert vars(fn)[sys.argv[1]] is value
print(value.__module__)
"""


@pytest.mark.parametrize("name", ["Fact", "load_facts", "NotAskable"])
def test_names_come_when_they_are_asked_for(name, tmp_path):
    done = subprocess.run([sys.executable, "-c", LAZY, name], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("factneurons.")


def test_what_dir_shows():
    """The public names, and nothing that only makes the module work."""
    assert {name for name in dir(fn) if not name.startswith("_")} == set(fn.__all__)
    assert "__version__" in dir(fn)


def test_every_name_stands_in_the_table_and_in_the_list():
    assert sorted(name for names in fn._MODULES.values() for name in names) == sorted(fn.__all__)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match=r"module 'factneurons' has no attribute 'attribut'"):
        fn.attribut  # noqa: B018


FRANCE = "The capital of France is"
CALLS = {
    "load_model": [(("pocket-gpt2",), {}), (("a/b",), {"dtype": "bfloat16", "device": "cpu", "revision": "main"}),
                   (("a/b",), {"device_map": "auto", "trust_remote_code": True})],
    "load_facts": [(("bundled",), {}), (("templama:FILE",), {"limit": 5, "skip_bad": True})],
    "attribute": [((None, f"{FRANCE} ___.", "Paris"), {"method": "amig"}),
                  ((None, FRANCE, " Paris"), {"method": "dai", "rule": "right", "points": 20})],
    "locate": [((None, []), {"method": "amig"}), ((None, []), {})],
    "find_degenerate": [((None, []), {})],
    "describe": [(([],), {})],
    "write_jsonl": [(([], "facts.jsonl"), {})],
    "run_report": [(("runs/gpt2",), {})],
    "findings_of": [(("runs/gpt2",), {})],
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_signatures_take_what_the_documentation_gives_them(name):
    signature = inspect.signature(getattr(fn, name))
    for arguments, options in CALLS[name]:
        signature.bind(*arguments, **options)


def test_a_model_is_asked_and_changed_as_documented():
    calls = {"probability": (FRANCE, "Paris"), "query": (FRANCE, "Paris"), "suppress": ([],), "enhance": ([],)}
    for name, arguments in calls.items():
        inspect.signature(getattr(fn.Model, name)).bind(None, *arguments)


def test_what_is_called_is_a_function():
    functions = {name for name in fn.__all__ if inspect.isfunction(getattr(fn, name))}
    assert functions >= set(CALLS)


IMPORTING = """
import os, socket, sys, threading, warnings
def refuse(*_): raise AssertionError("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
def audit(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise AssertionError(f"a file is written: {arguments}")
    if event in ("subprocess.Popen", "os.system"):
        raise AssertionError(f"a process is started: {arguments}")
warnings.simplefilter("error")
import torch, transformers.modeling_utils, pandas, pyarrow.parquet, altair
state, threads, handlers = torch.get_rng_state(), threading.active_count(), len(warnings.filters)
grad, default = torch.is_grad_enabled(), torch.get_default_dtype()
sys.addaudithook(audit)
sys.dont_write_bytecode = True
import factneurons, factneurons.cli
assert torch.equal(state, torch.get_rng_state()) and threads == threading.active_count()
assert (grad, default) == (torch.is_grad_enabled(), torch.get_default_dtype())
print("imported")
"""


def test_importing_does_nothing_but_import(tmp_path):
    done = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "imported\n", "")
    assert list(tmp_path.iterdir()) == []

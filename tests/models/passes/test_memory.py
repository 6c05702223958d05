"""The budget, and going on with half the rows when memory runs out."""

import math
from contextlib import suppress

import numpy as np
import pytest
import torch

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import OutOfMemory
from factneurons.models.failures import is_out_of_memory
from factneurons.models.passes.capture import capture
from factneurons.models.passes.memory import (
    as_one_line,
    budget_bytes,
    in_parts,
    model_bytes,
    row_budget,
    row_bytes,
    with_backoff,
)

OUT_OF_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4000 bytes."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
]


@pytest.fixture(autouse=True)
def no_garbage_collection(monkeypatch):
    """It takes seconds in a process as large as a test run's."""
    monkeypatch.setattr("factneurons.models.passes.memory.gc.collect", lambda: 0)


def names(error):
    return type(error).__name__ + str(error)[:20]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=names)
def test_halves_until_it_fits(error):
    asked = []

    def run(rows):
        asked.append(rows)
        if rows > 5:
            raise error

    with_backoff(run, 100, what="x")
    assert asked == [100, 50, 25, 12, 6, 3]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=names)
def test_not_even_one_row(error):
    asked = []

    def run(rows):
        asked.append(rows)
        raise error

    with pytest.raises(
        OutOfMemory, match=r"^attribution with m: not enough memory for a single row( \(.*\))?; use a"
    ) as caught:
        with_backoff(run, 9, what="attribution with m")
    assert asked == [9, 4, 2, 1]
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("out of memory"), KeyError("rows")])
def test_other_errors_pass(error):
    asked = []

    def run(rows):
        asked.append(rows)
        raise error

    with pytest.raises(type(error)) as caught:
        with_backoff(run, 8, what="x")
    assert caught.value is error
    assert asked == [8]
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=names)
def test_parts_are_halved_and_none_is_done_twice(error):
    asked, done = [], []

    def run(part):
        asked.append(len(part))
        if len(part) > 3 or (len(part) > 1 and 9 in part):
            raise error
        done.extend(part)
        return sum(part)

    assert in_parts(range(11), run, what="x") == [0 + 1, 2 + 3, 4 + 5, 6 + 7, 8, 9, 10]
    assert done == list(range(11))
    assert asked == [11, 5, 2, 2, 2, 2, 2, 1, 1, 1]
    assert in_parts([], run, what="x") == []


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=names)
def test_one_thing_alone_does_not_fit(error):
    def run(part):
        if 2 in part:
            raise error

    with pytest.raises(
        OutOfMemory, match=r"^asking m: not enough memory for one prompt alone( \(.*\))?; use a"
    ) as caught:
        in_parts([0, 1, 2], run, what="asking m")
    assert caught.value.__cause__ is error
    with pytest.raises(type(error)) as raised:  # the caller can do with less
        in_parts([0, 1, 2], run, what=None)
    assert raised.value is error


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=names)
def test_work_that_cannot_do_with_less_says_so_in_one_line(error):
    with (
        pytest.raises(OutOfMemory, match=r"^grouping with m: not enough memory( \(.*\))?; use a") as caught,
        as_one_line("grouping with m"),
    ):
        raise error
    assert caught.value.__cause__ is error
    with pytest.raises(RuntimeError, match="shapes"), as_one_line("grouping with m"):
        raise RuntimeError("shapes do not match")


def test_other_errors_of_parts_pass():
    def run(part):
        raise ValueError("shapes do not match")

    with pytest.raises(ValueError, match="shapes"):
        in_parts([1, 2], run, what="x")


@pytest.mark.trial("out of memory")
@pytest.mark.parametrize(
    ("text", "need"),
    [
        (
            "CUDA out of memory. Tried to allocate 20.50 MiB. GPU 0 has a total",
            r" \(20\.50 MiB were asked for at once\)",
        ),
        (
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1073741824 bytes.",
            r" \(1,024\.0 MiB were",
        ),
        ("CUDA out of memory", ""),
    ],
)
def test_what_one_row_would_need_is_said(text, need):
    def run(rows):
        raise torch.OutOfMemoryError(text)

    with pytest.raises(OutOfMemory, match=f"^asking: not enough memory for a single row{need}.*; use a smaller model"):
        with_backoff(run, 4, what="asking")


WHOLE = {
    "log_probabilities": lambda model, queries, sets: model.log_probabilities(queries),
    "evaluate": lambda model, queries, sets: [each.log_probability for each in model.evaluate(queries)],
    "activations": lambda model, queries, sets: model.activations(queries),
    "probability_table": lambda model, queries, sets: model.probabilities_with(queries, sets),
    "attribute_all": lambda model, queries, sets: [
        each.scores for each in attribute_all(model, queries, AttributionSettings(rule="right", points=3))
    ],
}


@pytest.mark.parametrize("family", ["gpt2", "bert", "t5"])
@pytest.mark.parametrize("name", WHOLE)
def test_a_small_memory_changes_nothing_but_the_batches(name, family, shared_model, new_query, monkeypatch):
    """A machine that cannot carry more than twelve tokens through a model's last layer at once."""
    model = shared_model(family)
    queries = [new_query(model.kind, seed=seed) for seed in range(7)]
    sets = [[(layer % model.layer_count, index)] for layer in range(3) for index in range(5)]
    expected = WHOLE[name](model, queries, sets)
    failed = []

    def small(module, inputs):
        tokens = inputs[0][..., 0].numel()
        if tokens > 12:
            failed.append(tokens)
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = model.backbone.layers[-1].down.register_forward_pre_hook(small)
    try:
        found = WHOLE[name](model, queries, sets)
    finally:
        handle.remove()
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-8, abs=1e-12)
    assert failed


@pytest.mark.trial("out of memory")
@pytest.mark.parametrize("name", WHOLE)
def test_every_limit_down_to_one_row(name, shared_model, new_query, trial):
    """From all tokens at once down to one: the same numbers, or one line that says what is needed."""
    model = shared_model("gpt2")
    queries = [new_query(model.kind, seed=seed) for seed in range(7)]
    sets = [[(layer % model.layer_count, index)] for layer in range(3) for index in range(5)]
    seen, retries, limit = [], [0], [10**9]

    def small(module, inputs):
        seen.append(inputs[0][..., 0].numel())
        if seen[-1] <= limit[0]:
            retries.append(0)
        else:
            retries[-1] += 1
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = model.backbone.layers[-1].down.register_forward_pre_hook(small)
    try:
        expected = WHOLE[name](model, queries, sets)
        most = max(seen)
        finished = []
        for tokens in np.unique(np.geomspace(1, most, trial.times).astype(int))[::-1].tolist():
            limit[0] = tokens
            retries.append(0)
            found = None
            with suppress(OutOfMemory):
                found = WHOLE[name](model, queries, sets)
            finished.append(found is not None)
            assert max(retries) <= math.log2(most) + 1
            if finished[-1]:
                for one, other in zip(found, expected, strict=True):
                    assert one == pytest.approx(other, rel=1e-6, abs=1e-12)
        limit[0] = 0
        with pytest.raises(OutOfMemory, match=r"not enough memory for (a single row|one prompt alone); use"):
            WHOLE[name](model, queries, sets)
    finally:
        handle.remove()
    assert finished[0]
    assert finished == sorted(finished, reverse=True)


def test_model_bytes(shared_model):
    model = shared_model("gpt2")
    assert model_bytes(model.backbone) == 8 * sum(parameter.numel() for parameter in model.backbone.module.parameters())


def test_budget_is_a_share_of_the_model_but_never_tiny(shared_model, monkeypatch):
    model = shared_model("gpt2")
    assert budget_bytes(model.backbone) == 128 * 2**20
    monkeypatch.setattr("factneurons.models.passes.memory.model_bytes", lambda model: 10 * 2**30)
    assert budget_bytes(model.backbone) == 3 * 2**30


@pytest.mark.parametrize(("family", "longer"), [("gpt2", 1), ("bert", 3), ("t5", 3)])
def test_a_causal_row_is_one_token_however_long_the_prompt(family, longer, shared_model):
    model = shared_model(family)
    assert (
        row_bytes(model.backbone, 30) == longer * row_bytes(model.backbone, 10)
        if longer > 1
        else row_bytes(model.backbone, 10)
    )


def test_row_budget_is_never_less_than_one(shared_model, new_query, monkeypatch):
    model = shared_model("gpt2")
    captured = capture(model.backbone, [new_query("causal")], [(0, (0,))])
    assert row_budget(model.backbone, captured) == 128 * 2**20 // row_bytes(model.backbone, 6)
    monkeypatch.setattr("factneurons.models.passes.memory.budget_bytes", lambda model: 1)
    assert row_budget(model.backbone, captured) == 1


def test_a_row_in_double_takes_twice_the_room(shared_model):
    ratio = row_bytes(shared_model("llama").backbone, 5) / row_bytes(shared_model("llama", torch.float32).backbone, 5)
    assert ratio == 2

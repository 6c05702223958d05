"""Routing of float32 products: exact or not used, and always put back."""

import os

import pytest
import torch

from factneurons.models.passes import matmul
from factneurons.models.passes.matmul import fast_products, routing

CPU = torch.device("cpu")


def precision():
    return torch.backends.mkldnn.matmul.fp32_precision


@pytest.fixture
def chosen(monkeypatch):
    """chosen(setting): as if this had been chosen."""
    return lambda setting: monkeypatch.setattr(matmul, "_best_setting", lambda: setting)


def test_routed_inside_restored_outside(chosen):
    chosen("bf16")
    before = precision()
    with fast_products(CPU, torch.float32):
        assert precision() == "bf16"
        with fast_products(CPU, torch.float32):
            assert precision() == "bf16"
        assert precision() == "bf16"
    assert precision() == before


def test_restored_after_an_exception(chosen):
    chosen("tf32")
    before = precision()
    with pytest.raises(KeyError), fast_products(CPU, torch.float32):
        raise KeyError
    assert precision() == before


@pytest.mark.parametrize(("device", "dtype"), [(CPU, torch.float64), (CPU, torch.bfloat16), ("cuda", torch.float32)])
def test_only_float32_on_a_cpu(chosen, device, dtype):
    chosen("tf32")
    before = precision()
    with fast_products(torch.device(device), dtype):
        assert precision() == before


def test_nothing_is_touched_where_nothing_is_faster(chosen):
    chosen(None)
    before = precision()
    with fast_products(CPU, torch.float32):
        assert precision() == before
    assert routing() == "default"


@pytest.fixture
def choice(monkeypatch):
    """choice(processor, found): the choice on a processor that says this of itself, where a setting has `found`."""

    def choose(processor, found):
        monkeypatch.setattr(matmul, "_processor", lambda: processor)
        monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
        usual, before, library = torch.Tensor.__matmul__, precision(), torch.backends.mkldnn.matmul

        def product(left, right):
            setting, library.fp32_precision = precision(), before
            whole = usual(left, right)
            library.fp32_precision = setting
            return whole * (1 + found.get(setting, 0.0)) if left.dtype == torch.float32 else whole

        with monkeypatch.context() as inside:
            inside.setattr(torch.Tensor, "__matmul__", product)
            return matmul._best_setting.__wrapped__()

    return choose


AMD, INTEL = "vendor_id\t: AuthenticAMD", "vendor_id\t: GenuineIntel"


def test_what_another_library_computes_exactly_is_used_and_the_setting_is_put_back(choice):
    before = precision()
    assert choice(AMD, {"bf16": 3e-7}) == "bf16"
    assert choice(AMD, {"tf32": 3e-7}) == "tf32"
    assert choice(AMD, {"bf16": 3e-7, "tf32": 3e-7}) == "bf16"
    assert precision() == before


def test_an_inexact_setting_or_one_that_changes_nothing_is_not_used(choice):
    assert choice(AMD, {"bf16": 3e-3, "tf32": 3e-4}) is None
    assert choice(AMD, {"bf16": 3e-3, "tf32": 3e-7}) == "tf32"
    assert choice(AMD, {}) is None


def test_intels_library_is_left_alone_on_intels_processors_and_on_unknown_ones(choice):
    assert choice(INTEL, {"bf16": 3e-7}) is None
    assert choice("", {"bf16": 3e-7}) is None


def test_few_shapes_are_kept_unless_a_user_says_otherwise(choice, monkeypatch):
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    choice(INTEL, {})
    assert "ONEDNN_PRIMITIVE_CACHE_CAPACITY" not in os.environ
    choice(AMD, {})
    assert (os.environ["LRU_CACHE_CAPACITY"], os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"]) == ("7", "32")


def test_nothing_is_timed_so_every_process_takes_the_same():
    """What decides is the processor and the numbers: other threads, or others' work, change nothing."""
    threads = torch.get_num_threads()
    try:
        found = set()
        for number in (1, 2, 1):
            torch.set_num_threads(number)
            found.add(matmul._best_setting.__wrapped__())
    finally:
        torch.set_num_threads(threads)
    assert len(found) == 1
    assert not hasattr(matmul, "time")


def test_what_is_used_here_is_exact():
    """Whatever is chosen on this machine: products of another shape are as exact as float32 can be."""
    torch.manual_seed(1)
    left, right = torch.randn(40, 512), torch.randn(512, 70)
    with fast_products(CPU, torch.float32):
        found = left @ right
    true = left.double() @ right.double()
    assert (found.double() - true).abs().max() / true.abs().max() < 5e-6

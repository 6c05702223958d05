"""Routing of float32 products: exact or not used, and always put back."""

import numpy as np
import pytest
import torch

from factneurons.models.passes import matmul
from factneurons.models.passes.matmul import fast_products, routing

CPU = torch.device("cpu")


def precision():
    return torch.backends.mkldnn.matmul.fp32_precision


@pytest.fixture
def chosen(monkeypatch):
    """chosen(setting): as if the measurement had chosen this."""
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


def _uncached(monkeypatch, **seconds):
    """The choice as it is made, with the given times of every round: usual, tf32, bf16."""
    times = {name: iter(each) for name, each in seconds.items()}
    monkeypatch.setattr(matmul, "_seconds", lambda setting, *_: next(times.get(setting, times["usual"])))
    return matmul._best_setting.__wrapped__()


def test_a_slower_setting_is_not_used(monkeypatch):
    before = precision()
    assert _uncached(monkeypatch, usual=[1.0] * 9, tf32=[1.0] * 9, bf16=[0.95] * 9) is None
    assert precision() == before


@pytest.mark.parametrize("seed", range(20))
def test_where_the_difference_is_noise_nothing_is_chosen(seed, monkeypatch):
    """Three ways to the same time, each measurement off by up to a half."""
    monkeypatch.setattr(matmul, "_EXACT", float("inf"))
    noise = np.random.default_rng(seed).uniform(1.0, 1.5, (3, 9))
    assert _uncached(monkeypatch, usual=noise[0], tf32=noise[1], bf16=noise[2]) is None


def test_an_inexact_setting_is_not_used_however_fast(monkeypatch):
    monkeypatch.setattr(matmul, "_EXACT", 0.0)
    assert _uncached(monkeypatch, usual=[1.0] * 9, tf32=[0.001] * 9, bf16=[0.001] * 9) is None


def test_the_fastest_exact_setting_is_used_and_of_two_alike_the_first(monkeypatch):
    monkeypatch.setattr(matmul, "_EXACT", float("inf"))
    assert _uncached(monkeypatch, usual=[1.0] * 9, tf32=[0.5] * 9, bf16=[0.3] * 9) == "bf16"
    assert _uncached(monkeypatch, usual=[1.0] * 9, tf32=[0.3] * 9, bf16=[0.5] * 9) == "tf32"
    assert _uncached(monkeypatch, usual=[1.0] * 9, tf32=[0.5] * 9, bf16=[0.48] * 9) == "tf32"


def test_one_disturbed_round_changes_no_choice(monkeypatch):
    monkeypatch.setattr(matmul, "_EXACT", float("inf"))
    assert _uncached(monkeypatch, usual=[1.0] * 9, tf32=[1.0] * 9, bf16=[5.0] + [0.5] * 8) == "bf16"
    assert _uncached(monkeypatch, usual=[5.0] + [1.0] * 8, tf32=[1.0] * 9, bf16=[1.0] * 9) is None


def test_what_is_used_here_is_exact():
    """Whatever this machine's measurement chooses: products of another shape are as exact as float32 can be."""
    torch.manual_seed(1)
    left, right = torch.randn(40, 512), torch.randn(512, 70)
    with fast_products(CPU, torch.float32):
        found = left @ right
    true = left.double() @ right.double()
    assert (found.double() - true).abs().max() / true.abs().max() < 5e-6

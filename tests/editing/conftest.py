"""Tiny facts, the pocket model and an edit of it that tests share; they leave the model as it was."""

import pytest
import torch

import factneurons as fn
from factneurons.editing.build import edit
from factneurons.editing.description import Description
from factneurons.editing.types import Edit
from factneurons.editing.weights import identity, weights_of
from factneurons.facts.related import RelatedFacts


@pytest.fixture(scope="session")
def around():
    return RelatedFacts(fn.load_facts("bundled?relation=chemical_symbol,currency&reverse=yes"))


@pytest.fixture(scope="session")
def gpt2():
    return fn.load_model("pocket-gpt2", device="cpu")


@pytest.fixture(scope="session")
def spain(around):
    return next(fact for fact in around.facts if (fact.id, fact.language) == ("currency/spain", "en"))


@pytest.fixture(scope="session")
def made(gpt2, spain, around):
    """The smallest change that makes Spain's currency the rupee."""
    return edit(gpt2, spain, to="rupee", relation=around.neighbours(spain))


@pytest.fixture
def some_edit():
    """some_edit(model, neurons, seed, extent): an edit with random new weights; neurons None: the whole model's."""

    def make(model, neurons, seed=0, extent="out-weights"):
        neurons = tuple(sorted(fn.Neuron(*neuron) for neuron in neurons or ()))
        old = weights_of(model, neurons, extent)
        noise = torch.randn(old.shape, generator=torch.Generator().manual_seed(seed)).to(old.dtype)
        about = Description(
            kind="suppress", relation="r", facts=("f",), subject="s", old={"en": "a"}, new={}, neurons_from="given",
            prompts=("p ___",), settings={}, notes=(), model=model.name,
            model_hash=identity(model, extent), dtype=str(model.backbone.dtype).removeprefix("torch."), extent=extent,
        )  # fmt: skip
        return Edit(neurons, old, old + noise, about)

    return make


@pytest.fixture
def bytes_of():
    """bytes_of(model): every parameter, byte for byte."""
    return lambda model: {
        name: each.detach().numpy().tobytes() for name, each in model.backbone.module.named_parameters()
    }

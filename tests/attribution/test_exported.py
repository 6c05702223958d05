"""Neurons for other tools: suppressed there, they give the P(answer) that is written beside them.

The libraries are no dependencies: where one is not installed its test is skipped, `pip install transformer-lens nnsight
pyvene` brings them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoTokenizer

from factneurons.attribution.exported import NEURON_FORMATS, neurons_as
from factneurons.attribution.given import GivenNeurons
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.errors import BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.bundled import pocket_path
from factneurons.models.types import Neuron

NEURONS = (*(Neuron(1, index) for index in (3, 5, 1, 23)), *(Neuron(0, index) for index in range(4, 20)))
TOLERANCE = 1e-5
"""Relative to P(answer): the libraries run other kernels in float32. An effect here is at least 1000 times that."""


def fact(name="x", language="en"):
    return Fact(name, "capital", 'A "quoted" name\\', "Paris", language, (Prompt("prompt ___"),))


def known_of(model, new_query, **changes):
    queries = tuple(new_query(model.kind, tokens=5 + seed, answer=1 + seed, seed=seed) for seed in (0, 1))
    known = KnowledgeNeurons(
        fact(), NEURONS, (0.1,) * len(NEURONS), (1.0,) * len(NEURONS), queries, "dai", 0.2, True, 0.5, 1
    )
    return replace(known, **changes)


def loaded(text):
    names = {}
    exec(compile(text, "neurons.py", "exec"), names)
    return SimpleNamespace(**names)


def probability(logits, prompt):
    chances = logits[0].softmax(-1)[prompt["target_positions"], prompt["answer_ids"]]
    return float(chances.prod())


def torch_logits(file, model, entry, prompt):
    with file.changed(model, entry["neurons"], prompt["positions"]):
        return model(torch.tensor([prompt["input_ids"]])).logits


def transformer_lens_logits(file, model, entry, prompt):
    pytest.importorskip("transformer_lens", reason="TransformerLens is not installed")
    from transformer_lens.model_bridge import TransformerBridge

    tokenizer = AutoTokenizer.from_pretrained(pocket_path("pocket-gpt2"))  # it wants one, and is given ids
    bridge = TransformerBridge.boot_transformers(model.config.model_type, hf_model=model, tokenizer=tokenizer)
    tokens = torch.tensor([prompt["input_ids"]])
    return bridge.run_with_hooks(tokens, fwd_hooks=file.hooks(entry["neurons"], prompt["positions"]))


def nnsight_logits(file, model, entry, prompt):
    nnsight = pytest.importorskip("nnsight", reason="nnsight is not installed")
    model = nnsight.NNsight(model)
    with model.trace(torch.tensor([prompt["input_ids"]])):
        file.change(model, entry["neurons"], prompt["positions"])
        logits = model.output.logits.save()
    return logits  # noqa: RET504  # it has a value only behind the trace


def pyvene_logits(file, model, entry, prompt):
    pyvene = pytest.importorskip("pyvene", reason="pyvene is not installed")
    intervenable = pyvene.IntervenableModel(file.config(entry["neurons"]), model=model)
    base = {"input_ids": torch.tensor([prompt["input_ids"]])}
    return intervenable(base, unit_locations=file.locations(entry["neurons"], prompt["positions"]))[1].logits


LIBRARIES = {
    "torch": torch_logits,
    "transformer-lens": transformer_lens_logits,
    "nnsight": nnsight_logits,
    "pyvene": pyvene_logits,
}
NEEDS = {"transformer-lens": "transformer_lens", "nnsight": "nnsight", "pyvene": "pyvene", "torch": "torch"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_suppressed_there_they_do_what_they_do_here(library, family, new_model, new_query):
    pytest.importorskip(NEEDS[library], reason=f"{library} is not installed")
    model = new_model(family, torch.float32)
    known = known_of(model, new_query)
    ours = model.probabilities_with(known.queries, [(), NEURONS])
    file = loaded(neurons_as(library, model, [known]))
    entry = file.FACTS["x"]
    assert {"name": model.name, "layers": model.layer_count, "width": model.width} == file.MODEL
    for prompt, (before, after) in zip(entry["prompts"], ours, strict=True):
        assert (prompt["probability"], prompt["suppressed"]) == pytest.approx((before, after), abs=1e-7)
        assert abs(before - after) > 1000 * TOLERANCE * before
        with torch.no_grad():
            logits = LIBRARIES[library](file, model.backbone.module, entry, prompt)
        assert probability(logits, prompt) == pytest.approx(after, abs=TOLERANCE * before)


@pytest.mark.parametrize("family", ["bert", "gpt_neox", "opt", "phi3", "home-made"])
def test_modules_are_found_by_structure_in_any_family(family, new_model, new_query):
    model = new_model(family, torch.float32)
    known = known_of(model, new_query)
    file = loaded(neurons_as("torch", model, [known]))
    entry = file.FACTS["x"]
    for prompt in entry["prompts"]:
        with torch.no_grad():
            logits = torch_logits(file, model.backbone.module, entry, prompt)
        assert probability(logits, prompt) == pytest.approx(prompt["suppressed"], rel=1e-4)


def test_names_are_those_of_the_libraries(new_model, new_query):
    model = new_model("gpt2", torch.float32)
    written = {name: neurons_as(name, model, [known_of(model, new_query)]) for name in NEURON_FORMATS}
    for name, where in {
        "torch": "'transformer.h.1.mlp.c_proj': [1, 3, 5, 23]",
        "nnsight": "'transformer.h.1.mlp.c_proj': [1, 3, 5, 23]",
        "pyvene": "'transformer.h[1].mlp.c_proj.input': [1, 3, 5, 23]",
        "transformer-lens": "'blocks.1.mlp.hook_post': [1, 3, 5, 23]",
    }.items():
        assert where in written[name]
    assert json.loads(written["easyedit"]) == {"x": [list(neuron) for neuron in NEURONS]}


@pytest.mark.parametrize("format", ["easyedit", "json"])
def test_what_is_written_is_read_again(format, new_model, new_query, tmp_path):
    model = new_model("llama", torch.float32)
    path = tmp_path / "neurons.json"
    path.write_text(neurons_as(format, model, [known_of(model, new_query)]), encoding="utf-8")
    found = GivenNeurons.read(path)
    found.check(model)
    assert found.of_facts([fact()]) == {fact().key: NEURONS}
    if format == "json":  # says of which model they are
        with pytest.raises(BadSetting, match="another model"):
            found.check(new_model("llama", torch.float32, num_hidden_layers=2))
        model.backbone.module.lm_head.weight[0, 0] += 1
        with pytest.raises(BadSetting, match="another SHA-256"):
            found.check(model)


def test_a_fact_in_several_languages_keeps_them_apart(new_model, new_query):
    model = new_model("gpt2", torch.float32)
    one, other = known_of(model, new_query), known_of(model, new_query, fact=fact(language="zh"))
    assert list(json.loads(neurons_as("easyedit", model, [one, other]))) == ["x (en)", "x (zh)"]
    with pytest.raises(BadSetting, match=r"'x \(en\)': it is among the neurons twice"):
        neurons_as("torch", model, [one, one])


def test_what_cannot_be_written_is_said(new_model, new_query):
    model = new_model("gpt2", torch.float32)
    with pytest.raises(BadSetting, match="did you mean 'pyvene'"):
        neurons_as("pyvne", model, [])
    with pytest.raises(BadSetting, match=r"no neuron \(7, 0\): layers are 0 to 2, indices 0 to 23"):
        neurons_as("torch", model, [known_of(model, new_query, neurons=(Neuron(7, 0),))])
    for family, why in {"mixtral": "experts", "t5": "its encoder and its decoder"}.items():
        model = new_model(family, torch.float32)
        known = known_of(model, new_query)
        with pytest.raises(BadSetting, match=f"{why}.*json and easyedit"):
            neurons_as("torch", model, [known])
        assert json.loads(neurons_as("easyedit", model, [known]))

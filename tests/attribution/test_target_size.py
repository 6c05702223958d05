"""The share of a relation: moved as Dai et al.'s code does, from counts that are plainly right."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from factneurons.attribution.locate import locate, locate_batch
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.attribution.target_size import Held, group_of, mean_size, share_for, shares_of
from factneurons.errors import BadSetting
from factneurons.facts.source import load_facts
from factneurons.models.load import load_model
from factneurons.models.types import Neuron
from factneurons.stages.locate import run_locate

SETTINGS = AttributionSettings("dai", rule="left", points=4, tolerance=9.0)
SELECTION = SelectionSettings(target_size=True)
SPEC = "bundled?relation=capital,currency&lang=en&sample=8&seed=3"

pytestmark = pytest.mark.filterwarnings("ignore:.*the integral of:UserWarning")  # few points


def held(*counts, prompts=20):
    return Held(prompts, Counter({Neuron(0, place): count for place, count in enumerate(counts)}))


@pytest.mark.parametrize(
    ("facts", "share"),
    [
        ([held(20, 20, 1), held(20, 14, 14)], 0.7),  # 2.5 at once
        ([held(20, 13), held(13, 13)], 0.65),  # a step down
        ([held(*[15] * 8)], 0.8),  # eight or none: to and fro, six times
        ([held(1)], 0.4),
        ([held()], 0.4),
        ([held(*[20] * 9)], 1.0),
    ],
)
def test_the_share_is_moved_until_the_mean_is_right(facts, share):
    found = share_for(facts, SelectionSettings(target_size=True))
    assert found == pytest.approx(share, abs=1e-12)


def test_mean_size_is_that_of_the_refined_sets():
    facts = [held(20, 14, 13), held(5)]
    assert mean_size(facts, SelectionSettings(share=0.7)) == 1.0
    assert mean_size(facts, SelectionSettings(share=0.65)) == 1.5


@pytest.fixture(scope="module")
def gpt2():
    return load_model("pocket-gpt2", device="cpu")


@pytest.fixture(scope="module")
def facts():
    return list(load_facts(SPEC))


def test_every_fact_is_located_with_the_share_of_its_relation(gpt2, facts, tmp_path):
    shares = shares_of(gpt2, facts, SETTINGS, SELECTION)
    assert set(shares) == {group_of(fact) for fact in facts}
    assert len(set(shares.values()) | {0.7}) > 1
    table = locate(gpt2, facts, SETTINGS, SELECTION)
    for fact, known in zip(facts, table, strict=True):
        plain = SelectionSettings(share=shares[group_of(fact)])
        (alone,) = locate_batch(gpt2, [fact], SETTINGS, plain)
        assert known.neurons == alone.known.neurons
    for group, share in shares.items():
        size = np.mean([len(known.neurons) for known in table if group_of(known.fact) == group])
        assert 2 <= size <= 5 or abs(share - 0.7) > 0.25
    run = run_locate(gpt2, SPEC, tmp_path / "run", settings=SETTINGS, selection=SELECTION, draws=1, unrelated=0)
    kept = run.table("facts").set_index("fact_id")["neurons"]
    assert {known.fact.id: len(known.neurons) for known in table} == kept.to_dict()


def test_where_it_has_no_meaning_it_is_refused(gpt2, facts, tmp_path):
    with pytest.raises(BadSetting, match="target_size is True: it must be False with the agreement 'union'"):
        SelectionSettings(target_size=True, agreement="union")
    with pytest.raises(BadSetting, match="False where joint looks more than once; give rounds=1"):
        locate(gpt2, facts, AttributionSettings(), SELECTION)
    with pytest.raises(BadSetting, match="False where facts are located a few at a time"):
        locate_batch(gpt2, facts[:1], SETTINGS, SELECTION)
    with pytest.raises(BadSetting, match="limit is 2: it must be None with target_size"):
        run_locate(gpt2, SPEC, tmp_path / "run", settings=SETTINGS, selection=replace(SELECTION), limit=2)
    assert not (tmp_path / "run").exists()

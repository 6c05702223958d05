"""The stage `pairs`: only wanted facts are searched, and a later call may want more."""

from __future__ import annotations

import pytest

from factneurons.attribution.locate import locate
from factneurons.degeneracy.pairs import degenerate_pairs
from factneurons.factcheck.relation_neurons import prompt_pairs
from factneurons.facts.source import load_facts
from factneurons.stages.pairs import find_pairs, neurons_of_pairs


@pytest.fixture
def names(located):
    facts = located.table("facts")
    return list(zip(facts["fact_id"], facts["language"], strict=True))


def test_wanted_facts_first_and_more_of_them_later(located, gpt2, names, seen, parts):
    run = find_pairs(located, gpt2, names[:2], skip_bad=False, display=seen)
    assert run.counts("pairs").read == 2
    run = find_pairs(run, gpt2, names, skip_bad=False, display=seen)
    assert run.counts("pairs").read == len(names)
    before = parts(run)
    assert parts(find_pairs(run, gpt2, names[:1], skip_bad=False, display=seen)) == before
    counts = run.counts("pairs")
    assert counts.done + counts.skipped.get("no-pair", 0) == len(names)


def test_pairs_are_those_of_the_search_in_memory(located, gpt2, names, seen):
    agreed, every = neurons_of_pairs(find_pairs(located, gpt2, names, skip_bad=False, display=seen))
    known = locate(gpt2, load_facts(located.manifest.data["spec"]), method="dai")
    for one in degenerate_pairs(gpt2, known):
        name = one.fact.id, one.fact.language
        assert set(agreed.get(name, ())) == set(one.neurons)
        assert set(every.get(name, ())) == set(prompt_pairs(one))

"""Every number of the main findings against a plain computation from the tables."""

from collections import Counter, defaultdict
from statistics import fmean, median

import numpy as np
import pytest

from factneurons.report import numbers
from factneurons.report.reading import findings_in, read
from factneurons.report.sections.opening import tiles_of
from factneurons.report.sections.overview import missing_of, sentences_of
from factneurons.runs.store import Run
from factneurons.statistics import bootstrap_interval

CONDITIONS = [
    (neurons, action, prompts)
    for neurons in ("knowledge", "random for knowledge", "degenerate", "random for degenerate")
    for action in ("suppress", "enhance")
    for prompts in ("related", "unrelated")
]


@pytest.fixture(scope="module")
def run(whole_run):
    return Run.open(whole_run)


@pytest.fixture(scope="module")
def reading(run):
    return read(run, 40)


@pytest.fixture(scope="module")
def findings(reading):
    return findings_in(reading)


@pytest.fixture(scope="module")
def said(findings):
    return (
        " ".join(str(sentence) for sentence in sentences_of(findings)).replace("<strong>", "").replace("</strong>", "")
    )


@pytest.fixture(scope="module")
def subjects(run):
    return {(row["fact_id"], row["language"]): row["subject"] for row in run.rows("facts")}


def per_fact(run, neurons, action, prompts, measure):
    """The mean of a measure over a fact's rows, by fact in order."""
    values = defaultdict(list)
    for row in run.rows("interventions"):
        if (row["neurons"], row["action"], row["prompts"]) == (neurons, action, prompts):
            before, after = row["probability_before"], row["probability_after"]
            values[row["fact_id"], row["language"]].append(measure(before, after))
    return {key: fmean(values[key]) for key in sorted(values)}


def relative(before, after):
    return (after - before) / before


def interval(values, subjects, **options):
    return bootstrap_interval(list(values.values()), clusters=[subjects[key] for key in values], **options)


def same(found, expected):
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (expected.estimate, expected.low, expected.high), rel=1e-9, abs=1e-12
    )
    assert (found.n, found.clusters) == (expected.n, expected.clusters)


def test_facts_known_and_their_probability(run, findings, said, subjects):
    rows = sorted(run.rows("facts"), key=lambda row: (row["fact_id"], row["language"]))
    known = {(row["fact_id"], row["language"]): float(row["rank"] == 1) for row in rows}
    assert 0 < sum(known.values()) < len(known)
    assert (findings.asked, findings.known) == (len(rows), sum(known.values()))
    same(findings.known_share.interval, interval(known, subjects))
    assert findings.probability.median == pytest.approx(median(row["probability"] for row in rows))
    expected = interval(known, subjects)
    assert (
        f"The model knows {findings.known} of {len(rows)} facts ({numbers.percent(expected.estimate)}"
        f" {numbers.percent_range(expected)})" in said
    )


def test_neurons_per_fact(run, findings, said):
    counts = sorted(row["neurons"] for row in run.rows("facts"))
    spread = findings.neurons
    assert (spread.smallest, spread.median, spread.largest) == (counts[0], median(counts), counts[-1])
    assert (spread.lower, spread.upper) == tuple(np.quantile(counts, [0.25, 0.75]))
    assert findings.without_neurons == counts.count(0) > 0
    rows = list(run.rows("neurons"))
    assert sum(counts) == len(rows)
    assert f"all have {counts[0]} to {counts[-1]}. {counts.count(0)} fact has none" in said


@pytest.mark.parametrize(("neurons", "action", "prompts"), CONDITIONS)
def test_effects(run, findings, subjects, neurons, action, prompts):
    effect = findings.effect(neurons.removeprefix("random for "), action, prompts)
    of = "control" if neurons.startswith("random") else "interval"
    changes = per_fact(run, neurons, action, prompts, relative)
    same(getattr(effect.relative, of), interval(changes, subjects))
    same(getattr(effect.median, of), interval(changes, subjects, statistic="median"))
    logs = per_fact(run, neurons, action, prompts, lambda before, after: float(np.log(after / before)))
    same(getattr(effect.log, of), interval(logs, subjects))
    known = {(row["fact_id"], row["language"]) for row in run.rows("facts") if row["known"]}
    same(getattr(effect.known, of), interval({key: value for key, value in changes.items() if key in known}, subjects))
    assert effect.dropped == 0


@pytest.mark.parametrize(("neurons", "action", "prompts"), [each for each in CONDITIONS if "random" not in each[0]])
def test_found_against_random(run, findings, subjects, neurons, action, prompts):
    found = per_fact(run, neurons, action, prompts, relative)
    random = per_fact(run, f"random for {neurons}", action, prompts, relative)
    difference = {key: found[key] - random[key] for key in found}
    same(findings.effect(neurons, action, prompts).relative.difference, interval(difference, subjects))


@pytest.mark.parametrize(("action", "verb"), [("suppress", "Suppressing"), ("enhance", "Enhancing")])
@pytest.mark.parametrize("neurons", ["knowledge", "degenerate"])
def test_sentences_hold_the_effects(run, said, subjects, neurons, action, verb):
    found = per_fact(run, neurons, action, "related", relative)
    random = per_fact(run, f"random for {neurons}", action, "related", relative)
    logs = per_fact(run, neurons, action, "related", lambda before, after: float(np.log(after / before)))
    own, others = interval(found, subjects), interval(random, subjects)
    difference = interval({key: found[key] - random[key] for key in found}, subjects)
    name = "knowledge neurons" if neurons == "knowledge" else "degenerate knowledge neurons"
    assert (
        f"{verb} a fact's {name} changes P(answer) by {numbers.change(own.estimate)} {numbers.change_range(own)}"
        f" on average (median {numbers.change(median(found.values()))}; log P:"
        f" {numbers.signed(fmean(logs.values()))} nats); changing random neurons of the same layers and strength"
        f" instead, by {numbers.change(others.estimate)} {numbers.change_range(others)}. The difference is"
        f" {numbers.points(difference.estimate)} {numbers.points_range(difference)}."
    ) in said


@pytest.mark.parametrize("neurons", ["knowledge", "degenerate"])
def test_the_sentence_about_unrelated_facts(run, said, subjects, neurons):
    down, up = (
        interval(per_fact(run, neurons, action, "unrelated", relative), subjects) for action in ("suppress", "enhance")
    )
    assert (
        f"Facts of other relations change by {numbers.change(down.estimate)} {numbers.change_range(down)} when" in said
    )
    assert f"by {numbers.change(up.estimate)} {numbers.change_range(up)} when they are enhanced" in said


def test_degeneracy(run, findings, said, subjects):
    rows = sorted(run.rows("degenerate"), key=lambda row: (row["fact_id"], row["language"]))
    having = [row for row in rows if row["components"] >= 2]
    found = findings.degeneracy
    assert 0 < len(having) < len(rows)
    assert (found.searched, found.having) == (len(rows), len(having))

    def of(column):
        return interval({(row["fact_id"], row["language"]): row[column] for row in having}, subjects)

    same(found.index.interval, of("degeneracy_index"))
    same(found.drop_all.interval, of("drop_all"))
    same(found.coverage.interval, of("coverage"))
    share = {(row["fact_id"], row["language"]): float(row in having) for row in rows}
    same(found.share.interval, interval(share, subjects))
    assert f"{len(having)} of {len(rows)} facts ({numbers.percent(found.share.value)}" in said
    index = of("degeneracy_index")
    assert f"degeneracy index is {numbers.plain(index.estimate)} {numbers.plain_range(index)} on average" in said
    assert (
        f"changes P(answer) by {numbers.change(-of('drop_all').estimate)} [{numbers.change(-of('drop_all').high)}"
        in said
    )
    assert found.reasons == Counter(row["reason"] for row in rows if row["reason"])
    assert found.reasons["too-few-neurons"] == len(rows) - len(having)


def test_completeness(run, findings, said):
    by_layer = defaultdict(list)
    for row in run.rows("completeness"):
        by_layer[row["layer"]].append(row["error"])
    assert [each.layer for each in findings.layer_errors] == sorted(by_layer)
    for each in findings.layer_errors:
        values = by_layer[each.layer]
        assert (each.median, each.largest, each.prompts) == (pytest.approx(median(values)), max(values), len(values))
    assert f"within {numbers.plain(max(max(values) for values in by_layer.values()))} in every layer" in said


def test_tiles(findings, run):
    tiles = tiles_of(findings)
    facts = list(run.rows("facts"))
    known = fmean(float(row["known"]) for row in facts)
    change = fmean(per_fact(run, "knowledge", "suppress", "related", relative).values())
    having = sum(row["components"] >= 2 for row in run.rows("degenerate"))
    assert f"of {len(facts)} facts" in tiles[0].note
    assert [tile.value for tile in tiles] == [
        numbers.percent(known),
        numbers.half(median(row["neurons"] for row in facts)),
        numbers.change(change),
        str(having),
    ]


def test_nothing_is_missing_from_a_whole_run(reading, findings):
    assert missing_of(reading, findings) == []

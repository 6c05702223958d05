"""Published numbers stand beside numbers that are measured here; the authors' variants by name."""

from __future__ import annotations

from collections import Counter

from factneurons.attribution.settings import AttributionSettings
from factneurons.experiments.cells import chosen_cells
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.published import LITERAL, PUBLISHED, as_published, published_in
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.suite import EXPERIMENTS
from factneurons.facts.settings import EDITS


def test_every_number_is_of_a_measure_of_its_experiment():
    for each in PUBLISHED:
        experiment = EXPERIMENTS[each.experiment]
        assert each.measure in experiment.measures
        claimed = {name for claim in experiment.claims for name in (claim.condition, claim.against)}
        others = {"none", "activation", "dai"}
        assert each.condition.removeprefix(RANDOM_FOR) in claimed | others
        assert each.place in ("", "top 1 %", *EDITS)
        assert -1 <= each.value <= 1
    keys = Counter((e.model, e.experiment, e.measure, e.place, e.condition) for e in PUBLISHED)
    assert set(keys.values()) == {1}


def test_the_plots_are_read_as_they_stand():
    value = {(e.model, e.measure, e.place, e.condition): e.value for e in PUBLISHED}
    assert value["GPT-2", "loss, values", "add", "none"] == 0.05
    assert value["LLaMA2-7b", "answered, weights", "delete", "knowledge"] == 0.038
    assert value["GPT-2", "Q_old", "", "all"] == 0.49
    assert sum(each.provenance == LITERAL for each in PUBLISHED) == 2
    assert {each.experiment for each in published_in(["E6", "E9"])} == {"E6", "E9"}
    assert not published_in([cell.of for cell in chosen_cells(["acquisition"])])


def test_the_preset_takes_the_authors_variants_and_keeps_the_rest():
    how = as_published(ExperimentSettings(draws=3, seed=7))
    assert (how.methods[0], how.perturbation.rule, how.perturbation.most) == ("amig_authors", "authors", 1)
    assert (how.search.clusterer, how.search.filter, how.search.seed) == ("ntc_authors", "authors", 7)
    assert (how.draws, how.seed) == (3, 7)
    scoring = how.scoring("amig_authors")
    assert (scoring.rule, scoring.points, how.selection.agreement) == ("left", 10, "union")
    assert (scoring.hook, how.parts) == ("authors", "in")
    assert how.scoring("dai") == AttributionSettings(method="dai")
    assert (how.interventions.control, how.search.connection) == ("authors", "authors")
    assert as_published().draws == ExperimentSettings().draws

"""The numbers of an edit, against plain counting."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from factneurons.editing.build import split_prompts
from factneurons.editing.held_out import evaluation_prompts
from factneurons.editing.measuring import COLUMNS, MEASURES, Said, compared, number, perplexity
from factneurons.editing.settings import EditSettings
from factneurons.errors import BadNumber


def row(group, role, rank, log_probability, prediction, tokens=1, written=(None, None)):
    before, after = rank
    return dict(
        zip(
            COLUMNS,
            (group, role, "f", "en", "s", "p ___", "a", tokens, *log_probability, before, after, *prediction, *written),
            strict=True,
        )
    )


TABLE = pd.DataFrame(
    [
        row("edit", "new", (7, 1), (-5.0, -0.5), ("a", "b")),
        row("edit", "new", (9, 4), (-6.0, -1.0), ("a", "a")),
        row("edit", "old", (1, 3), (-0.1, -3.0), ("a", "b")),
        row("edit", "old", (1, 1), (-0.1, -0.2), ("a", "a")),
        row("negated", "new", (7, 1), (-5.0, -0.5), ("a", "b"), written=(" b, I say.", " An A. It is")),
        row("negated", "new", (9, 4), (-6.0, -1.0), ("a", "a"), written=(" a", " anything")),
        row("neighbours", "statement", (1, 1), (-4.0, -6.0), ("x", "x"), tokens=2),
        row("neighbours", "statement", (1, 1), (-2.0, -3.0), ("x", "x"), tokens=1),
    ]
)


@pytest.mark.parametrize(
    ("group", "name", "before", "after"),
    [
        ("edit", "success rate", 0, 0.5),
        ("edit", "success@5", 0, 1),
        ("edit", "MRR, new answer", (1 / 7 + 1 / 9) / 2, (1 + 1 / 4) / 2),
        ("edit", "MRR, old answer", 1, (1 / 3 + 1) / 2),
        ("edit", "change rate", 0, 0.5),
        ("edit", "old answer first", 1, 0.5),
        ("negated", "success rate", 0, 0.5),
        ("negated", "writes new answer", 0.5, 0.5),
        ("edit", "P(new answer)", (np.exp(-5) + np.exp(-6)) / 2, (np.exp(-0.5) + np.exp(-1)) / 2),
        ("edit", "P(old answer)", np.exp(-0.1), (np.exp(-3.0) + np.exp(-0.2)) / 2),
        ("neighbours", "perplexity", np.exp(6 / 3), np.exp(9 / 3)),
    ],
)
def test_numbers(group, name, before, after):
    assert number(TABLE, group, name, "before") == pytest.approx(before)
    assert number(TABLE, group, name) == pytest.approx(after)


def test_what_was_not_asked_has_no_number():
    assert number(TABLE, "reverse", "success rate") is None
    assert number(TABLE, "neighbours", "success rate") is None
    assert number(TABLE, "edit", "writes new answer") is None  # the model was not let
    assert len({kind.name for kind in MEASURES}) == len(MEASURES)


def test_perplexity_of_a_uniform_guess():
    assert perplexity(np.array([[3 * np.log(7), 3.0], [np.log(7), 1.0]])) == pytest.approx(7)


def test_rows_of_an_edit(gpt2, made, around, spain):
    to = around.translated(spain, "rupee")
    split = split_prompts(gpt2, spain)
    prompts = evaluation_prompts(gpt2, [split], to, around, EditSettings(), neighbours=4, unrelated=3)
    queries = [each.query for each in prompts]
    before = gpt2.evaluate(queries)
    with made.on(gpt2):
        after = gpt2.evaluate(queries)
    said = [Said(each, "rupee") for each in before]
    table = compared(prompts, said, [Said(each) for each in after])
    assert list(table.columns) == list(COLUMNS)
    assert table["rank_after"].tolist() == [each.rank for each in after]
    assert set(table["written_before"]) == {"rupee"}
    assert table["prediction_before"].tolist() == [each.prediction for each in before]
    assert number(table, "edit", "success rate") == 1
    assert number(table, "edit", "success rate", "before") == 0
    with pytest.raises(BadNumber, match="load the model in float32"):
        compared(prompts, said, [Said(replace(each, log_probability=float("nan"))) for each in after])

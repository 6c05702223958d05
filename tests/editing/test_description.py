"""What an edit is for, in words, alone and stacked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.editing.description import Description, stacked

SPAIN = Description(
    kind="update", relation="currency", facts=("currency/spain",), subject="Spain",
    old={"en": "euro", "zh": "欧元"}, new={"en": "rupee", "zh": "卢比"},
    neurons_from="amig", prompts=("a ___", "b ___"), settings={"share": 0.5}, notes=("cut off",),
    model="pocket-gpt2", model_hash="ab12", dtype="float32",
)  # fmt: skip
GOLD = replace(
    SPAIN, kind="erase", relation="chemical_symbol", facts=("chemical_symbol/gold",), subject="gold",
    old={"en": "Au"}, new={}, prompts=("b ___", "c ___"), notes=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (SPAIN, "update: currency, Spain: euro -> rupee, 欧元 -> 卢比"),
        (GOLD, "erase: chemical_symbol, gold"),
        (replace(GOLD, subject="", facts=("a", "b", "c")), "erase: chemical_symbol, 3 facts"),
    ],
)
def test_one_line(description, words):
    assert str(description) == words


def test_one_edit_alone_stays_what_it_is():
    assert stacked([SPAIN]) is SPAIN


def test_a_stack_names_every_part_once():
    found = stacked([SPAIN, GOLD, SPAIN])
    assert (found.kind, found.relation) == ("stack", "currency, chemical_symbol")
    assert found.facts == ("currency/spain", "chemical_symbol/gold")
    assert found.prompts == ("a ___", "b ___", "c ___")
    assert found.neurons_from == "amig"
    assert found.notes == (str(SPAIN), str(GOLD), str(SPAIN))
    assert (found.old, found.new, found.settings) == ({}, {}, {})
    assert (found.model, found.model_hash, found.dtype) == ("pocket-gpt2", "ab12", "float32")

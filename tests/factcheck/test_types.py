"""Statements as plain values."""

from factneurons.factcheck.types import Statement
from factneurons.facts.types import Prompt


def test_a_statement_is_a_sentence_of_its_group():
    statement = Statement(Prompt("The capital of France is ___."), "Lyon", "capital", "fr")
    assert statement.text == "The capital of France is Lyon."
    assert statement.group == ("capital", "fr")

"""What a stage leaves out, and how the table of it says so."""

from factneurons.facts.types import Fact, Prompt
from factneurons.runs.skips import SKIPPED, LeftOut, Skip

FACT = Fact(
    "capital/france", "capital", "France", "Paris", "en", (Prompt("The capital of France is ___."),), source="f:2"
)


def test_a_prompt_is_a_part_of_its_fact():
    whole, part = Skip.of(FACT, "no-neurons", "it has none"), Skip.of(FACT, "blank", "not last", prompt="___ is it.")
    assert (whole.fact_id, whole.language, whole.source, whole.part) == ("capital/france", "en", "f:2", False)
    assert (part.prompt, part.part) == ("___ is it.", True)


def test_the_key_is_of_the_content():
    assert Skip("a", "b").key == Skip("a", "b", askable=True, part=True).key
    assert len({Skip("a", "b").key, Skip("a", "c").key, Skip("a", "b", source="f:3").key}) == 3


def test_the_row_names_the_stage():
    (row,) = SKIPPED.rows([LeftOut("locate", Skip.of(FACT, "blank", "not last", prompt="___ is it."))])
    assert row == {
        "fact_id": "capital/france",
        "language": "en",
        "source": "f:2",
        "prompt": "___ is it.",
        "stage": "locate",
        "reason": "blank",
        "detail": "not last",
    }

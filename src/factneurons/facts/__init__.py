"""What is asked: facts, their prompts, and where they are read from."""

from factneurons.facts.description import Description, describe
from factneurons.facts.problems import REASONS, Skipped
from factneurons.facts.source import FactSource, load_facts
from factneurons.facts.types import BLANK, Fact, Prompt
from factneurons.facts.writing import write_jsonl

__all__ = [
    "BLANK",
    "REASONS",
    "Description",
    "Fact",
    "FactSource",
    "Prompt",
    "Skipped",
    "describe",
    "load_facts",
    "write_jsonl",
]

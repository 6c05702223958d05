"""What is asked: facts, prompts, and the files they are read from."""

from factneurons.facts.types import BLANK, Fact, Prompt

__all__ = ["BLANK", "Fact", "Prompt"]

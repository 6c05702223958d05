"""Facts that became degenerate by themselves: a small model trained while one of two groups of neurons was off.

Which neurons carry a fact nobody chose; which group each neuron is in is known. So what a clusterer finds can be judged
by whether its groups lie within one of the two.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from factneurons.errors import BadRun
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact
from factneurons.facts.writing import write_jsonl
from factneurons.models.types import Neuron

GROUPS = "groups.json"
"""The file's name in the model's folder."""

FACTS = "facts.jsonl"
_FORMAT = "factneurons groups 1"


@dataclass(frozen=True, slots=True)
class Switched:
    """What is known of a model that was trained with one of two groups of neurons off.

    Attributes:
        base: the pocket model whose architecture it has.
        seed: of everything drawn at random.
        groups: the neurons of each group; together all neurons of the model.
        facts: facts that it knows with either group off and not without both, with those prompts of which that is so.
        rejected: why a fact is none of them -> how many.
    """

    base: str
    seed: int
    groups: tuple[frozenset[Neuron], frozenset[Neuron]]
    facts: tuple[Fact, ...]
    rejected: dict[str, int]

    def save(self, folder: Path) -> None:
        """Write groups.json and the facts into a folder."""
        pairs = [[[neuron.layer, neuron.index] for neuron in sorted(group)] for group in self.groups]
        about = {"format": _FORMAT, "base": self.base, "seed": self.seed, "groups": pairs, "rejected": self.rejected}
        write_jsonl(self.facts, folder / FACTS)
        (folder / GROUPS).write_text(json.dumps(about) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Switched:
        """Read what is known of such a model.

        Raises:
            BadRun: the folder holds none, or its groups.json is not of this form.
        """
        path = Path(folder) / GROUPS
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["format"] != _FORMAT:
                raise ValueError(record["format"])
            first, second = (frozenset(Neuron(int(layer), int(index)) for layer, index in g) for g in record["groups"])
            facts = tuple(load_facts(str(path.parent / FACTS)))
            return cls(str(record["base"]), int(record["seed"]), (first, second), facts, dict(record["rejected"]))
        except FileNotFoundError:
            raise BadRun(f"{folder}: no model trained with groups switched off, it has no {GROUPS}") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadRun(f"{path}: cannot be read: {type(error).__name__}: {error}") from error

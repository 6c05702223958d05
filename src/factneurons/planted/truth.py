"""truth.json: what is known of a planted model, beside its weights, in a form other tools can read too."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from factneurons.errors import BadFact, BadRun
from factneurons.facts.types import Fact, Prompt
from factneurons.facts.writing import fact_record
from factneurons.models.types import Neuron
from factneurons.planted.types import REGIMES, Check, PlantedComponent, PlantedFact, Rejected, Wiring

TRUTH = "truth.json"
"""The file's name in the model's folder."""

SCHEMA = Path(__file__).parent / "schema" / "truth.schema.json"
"""Its JSON schema."""

_FORMAT = "factneurons truth 1"
_Name = TypeVar("_Name")


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that is known of a planted model; saved beside its weights as truth.json.

    Attributes:
        base: the model that the facts were planted in.
        seed: of everything drawn at random.
        facts: the planted facts.
        distractors: kind -> neurons that look as if they stored something and do not.
        rejected: facts that could not be planted.
        held: how far other prompts moved: a name -> a number.
    """

    base: str
    seed: int
    facts: tuple[PlantedFact, ...]
    distractors: Mapping[str, tuple[Neuron, ...]] = field(default_factory=dict)
    rejected: tuple[Rejected, ...] = ()
    held: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, fact_id: str) -> PlantedFact:
        """The planted fact of this id; KeyError where there is none."""
        for planted in self.facts:
            if planted.id == fact_id:
                return planted
        raise KeyError(fact_id)

    def save(self, folder: str | Path) -> Path:
        """Write truth.json into a folder, there whole or not at all; returns its path."""
        path, part = Path(folder) / TRUTH, Path(folder) / f"{TRUTH}.part"
        part.write_text(json.dumps(_record(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        os.replace(part, path)
        return path

    @classmethod
    def load(cls, folder: str | Path) -> Truth:
        """Read the truth.json of a planted model.

        Raises:
            BadRun: there is none, or it is not as its schema says.
        """
        path = Path(folder) / TRUTH
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BadRun(f"{folder}: no planted model, it has no {TRUTH}; factneurons plant makes one") from None
        except (OSError, ValueError) as error:
            raise BadRun(f"{path}: cannot be read: {error}") from error
        if not isinstance(record, dict) or record.get("format") != _FORMAT:
            raise BadRun(f"{path}: its format is not {_FORMAT!r}")
        try:
            return _truth(record)
        except (AttributeError, KeyError, TypeError, ValueError, BadFact) as error:
            raise BadRun(f"{path}: not as its schema says ({type(error).__name__}: {error})") from error


def _record(truth: Truth) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "base": truth.base,
        "seed": truth.seed,
        "facts": [_fact_record(planted) for planted in truth.facts],
        "distractors": {name: _pairs(neurons) for name, neurons in truth.distractors.items()},
        "rejected": [asdict(each) for each in truth.rejected],
        "held": dict(truth.held),
    }


def _fact_record(planted: PlantedFact) -> dict[str, Any]:
    return {
        "regime": planted.regime,
        "facts": [fact_record(fact) for fact in planted.facts],
        "components": [
            {"neurons": _pairs(component.neurons), "wiring": component.wiring, "serves": list(component.serves)}
            | ({"language": component.language} if component.language else {})
            for component in planted.components
        ],
        **({"helpers": _pairs(planted.helpers)} if planted.helpers else {}),
        "checks": [
            {
                "what": check.what,
                "suppressed": _pairs(check.suppressed),
                "value": check.value,
                "at_least": check.at_least,
                "at_most": check.at_most,
            }
            | ({"language": check.language} if check.language else {})
            for check in planted.checks
        ],
    }


def _truth(record: dict[str, Any]) -> Truth:
    return Truth(
        base=record["base"],
        seed=int(record["seed"]),
        facts=tuple(_planted(each) for each in record["facts"]),
        distractors={name: _neurons(pairs) for name, pairs in record["distractors"].items()},
        rejected=tuple(Rejected(**each) for each in record["rejected"]),
        held={name: float(value) for name, value in record["held"].items()},
    )


def _planted(record: dict[str, Any]) -> PlantedFact:
    return PlantedFact(
        facts=tuple(_fact(each) for each in record["facts"]),
        regime=_one_of(REGIMES, record["regime"]),
        components=tuple(_component(each) for each in record["components"]),
        checks=tuple(_check(each) for each in record["checks"]),
        helpers=_neurons(record.get("helpers", ())),
    )


def _component(record: dict[str, Any]) -> PlantedComponent:
    wiring = _one_of(get_args(Wiring), record["wiring"])
    return PlantedComponent(_neurons(record["neurons"]), wiring, tuple(record["serves"]), record.get("language", ""))


def _one_of(names: Sequence[_Name], name: object) -> _Name:
    for each in names:
        if each == name:
            return each
    raise ValueError(f"{name!r} is none of {', '.join(map(str, names))}")


def _check(record: dict[str, Any]) -> Check:
    fields: dict[str, Any] = dict(record)
    return Check(**{**fields, "suppressed": _neurons(record["suppressed"])})


def _fact(record: dict[str, Any]) -> Fact:
    lists: dict[str, Any] = {name: tuple(record[name]) for name in ("aliases", "wrong_answers") if name in record}
    prompts = tuple(Prompt(text) for text in record["prompts"])
    fields: dict[str, Any] = dict(record)
    fields.update(lists, prompts=prompts)
    return Fact(**fields)


def _pairs(neurons: Sequence[Neuron]) -> list[list[int]]:
    return [[neuron.layer, neuron.index] for neuron in neurons]


def _neurons(pairs: Sequence[Sequence[int]]) -> tuple[Neuron, ...]:
    return tuple(Neuron(int(layer), int(index)) for layer, index in pairs)

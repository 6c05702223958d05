"""Neurons found elsewhere: read from files of other tools, and looked at as our own are.

A file is one of:

- rows with the columns fact (or fact_id), layer and index, and perhaps language: CSV, Parquet (a run's own
  `neurons.parquet` is one), or a JSON list of objects; in JSON also {"model": {"layers": 12, "width": 3072, "files":
  {"model.safetensors": SHA-256}}, "neurons": rows}, and what is said of the model is then checked;
- {fact: [[layer, index], ...]}, as EleutherAI/knowledge-neurons and its copy in EasyEdit write (`*_neurons_0.json`);
- [[[layer, index], ...], ...], one list per fact in the order of the facts, as Dai et al.'s code writes
  (`kn_bag-P36.json`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from factneurons.attribution.types import KnowledgeNeurons, Located
from factneurons.errors import BadFact, BadSetting
from factneurons.facts.pieces import parse_json
from factneurons.facts.problems import shown
from factneurons.facts.rows import csv_rows
from factneurons.facts.types import Fact
from factneurons.models.fingerprint import model_fingerprint
from factneurons.models.model import Model
from factneurons.models.neurons import checked
from factneurons.models.prompts import ask
from factneurons.models.types import Neuron
from factneurons.models.written import token_text, written

GIVEN = "given"
"""The name of the method in tables: the neurons came from elsewhere."""

_COLUMNS = {"fact": ("fact", "fact_id"), "layer": ("layer",), "index": ("index", "neuron")}


@dataclass(frozen=True, slots=True)
class GivenNeurons:
    """Neurons of facts, as a file has them.

    Attributes:
        source: the file, for messages.
        by_name: (fact, language or "" for any) -> its neurons.
        by_place: the neurons of the n-th fact, where the file names no facts.
        shape: what the file says of its model: "layers", "width"; nothing said is nothing checked.
        files: what it says of the model's files: name -> SHA-256; likewise.
    """

    source: str
    by_name: Mapping[tuple[str, str], tuple[Neuron, ...]]
    by_place: tuple[tuple[Neuron, ...], ...] = ()
    shape: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | str) -> GivenNeurons:
        """Read a file; the name's ending says which kind it is.

        Raises:
            BadFact: it cannot be read, a column is missing, a neuron is none, or it holds nothing; says where.
        """
        path = Path(path)
        reader = {".json": _of_json, ".csv": _of_csv, ".parquet": _of_parquet}.get(path.suffix.lower())
        if reader is None:
            raise BadFact(f"{path}: a file of neurons ends with .json, .csv or .parquet")
        found = reader(path)
        if not any(found.by_name.values()) and not any(found.by_place):
            raise BadFact(f"{path}: it holds no neurons")
        return found

    def check(self, model: Model) -> None:
        """Refuse neurons of another model.

        Raises:
            BadSetting: the file is of a model of another size, or a neuron is not in this one; says the sizes.
        """
        here = {"layers": model.layer_count, "width": model.width}
        other = {name: size for name, size in self.shape.items() if size != here[name]}
        if other:
            named = ", ".join(f"{size} {name}" for name, size in other.items())
            sizes = f"{here['layers']} layers of width {here['width']}"
            raise BadSetting(f"{self.source}: it is of another model ({named}); {model.name} has {sizes}")
        hashes = model_fingerprint(model.backbone) if self.files else {}
        for name, sha256 in self.files.items():
            if hashes.get(name) != sha256:
                raise BadSetting(f"{self.source}: it is of another model: {name} of {model.name} has another SHA-256")
        try:
            checked(model.backbone, [neuron for own in (*self.by_name.values(), *self.by_place) for neuron in own])
        except BadSetting as error:
            raise BadSetting(f"{self.source}: of another model? {error}") from error

    def of_facts(self, facts: Iterable[Fact]) -> dict[str, tuple[Neuron, ...]]:
        """The key of every fact that has neurons here -> its neurons, each once.

        Raises:
            BadFact: none has any, or there are not as many facts as lists without names.
        """
        everything = list(facts)
        if self.by_place:
            if len(everything) != len(self.by_place):
                raise BadFact(
                    f"{self.source}: it has neurons of {len(self.by_place)} facts in their order, but there are "
                    f"{len(everything)} facts"
                )
            return {fact.key: own for fact, own in zip(everything, self.by_place, strict=True) if own}
        found = {
            fact.key: self.by_name[name]
            for fact in everything
            for name in ((fact.id, fact.language), (fact.id, ""))
            if name in self.by_name
        }
        if not found:
            first, _ = next(iter(self.by_name))
            there = everything[0].id if everything else "none"
            raise BadFact(
                f"{self.source}: none of its {len(self.by_name)} facts is among the {len(everything)} that were read; "
                f"for instance {shown(first)}, while these are called {shown(there)}"
            )
        return found


def given_batch(
    model: Model, facts: Sequence[Fact], given: Mapping[str, Sequence[Neuron]], *, multi_mask: bool = False
) -> list[Located]:
    """What `locate_batch` gives, with neurons that are given: their score is what P(answer) loses without each alone.

    Args:
        model: a loaded model.
        facts: the facts.
        given: a fact's key -> its neurons; a fact without any has none.
        multi_mask: masked models: one mask for each token of an answer.
    """
    return [_located(model, fact, given.get(fact.key, ()), multi_mask) for fact in facts]


def _located(model: Model, fact: Fact, neurons: Sequence[Neuron], multi_mask: bool) -> Located:
    queries, refusals = ask(model, fact, multi_mask=multi_mask)
    if not queries:
        return Located(fact, None, (), tuple(refusals), (), 0.0)
    table = model.probabilities_with(queries, [(), *([neuron] for neuron in neurons)]).mean(0)
    losses = table[0] - table[1:]
    order = np.argsort(-losses, kind="stable")
    own = tuple(neurons[place] for place in order)
    known = KnowledgeNeurons(
        fact=fact,
        neurons=own,
        scores=tuple(float(losses[place]) for place in order),
        shares=(1.0,) * len(own),
        queries=tuple(queries),
        method=GIVEN,
        threshold=0.0,
        refined=False,
        probability=float(table[0]),
        rank=min(each.rank for each in model.evaluate(queries)),
    )
    tokens = tuple(token_text(model.backbone, token) for token in queries[0].answer_ids)
    return Located(fact, known, (), tuple(refusals), tokens, 0.0, tuple(written(model, own)))


def _of_json(path: Path) -> GivenNeurons:
    try:
        value = parse_json(path.read_bytes())
    except BadFact as error:
        raise BadFact(f"{path}: {error}") from error
    if isinstance(value, dict) and isinstance(value.get("neurons"), list) and "model" in value:
        return replace(_of_value(path, value["neurons"]), **_of_model(path, value["model"]))
    return _of_value(path, value)


def _of_value(path: Path, value: object) -> GivenNeurons:
    if isinstance(value, dict):
        return GivenNeurons(str(path), {(name, ""): _pairs(path, name, own) for name, own in value.items()})
    if not isinstance(value, list):
        raise BadFact(f"{path}: a list or an object is needed, not {shown(value)}")
    if value and all(isinstance(each, list) for each in value):
        named = ((f"fact {place}", own) for place, own in enumerate(value, start=1))
        return GivenNeurons(str(path), {}, tuple(_pairs(path, name, own) for name, own in named))
    return GivenNeurons(str(path), _grouped(path, enumerate(value, start=1)))


def _of_model(path: Path, model: object) -> dict[str, Any]:
    """What a file says of its model, as fields of `GivenNeurons`."""
    if not isinstance(model, dict):
        raise BadFact(f"{path}: the field 'model' must be an object with layers and width, not {shown(model)}")
    files = model.get("files", {})
    if not isinstance(files, dict) or not all(isinstance(each, str) for each in files.values()):
        raise BadFact(f"{path}: the model's files must be an object of SHA-256 by name, not {shown(files)}")
    shape = {name: _whole(f"{path}: model", name, model[name]) for name in ("layers", "width") if name in model}
    return {"shape": shape, "files": files}


def _of_csv(path: Path) -> GivenNeurons:
    rows = []
    for row in csv_rows(path):
        if row.problem is not None:
            raise row.problem.at(row.where)
        rows.append((row.number, row.cells))
    return GivenNeurons(str(path), _grouped(path, rows))


def _of_parquet(path: Path) -> GivenNeurons:
    import pyarrow
    import pyarrow.parquet

    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except pyarrow.ArrowException as error:
        raise BadFact(f"{path}: no readable Parquet file: {shown(str(error))}") from error
    return GivenNeurons(str(path), _grouped(path, enumerate(rows, start=1)))


def _grouped(path: Path, rows: Iterable[tuple[int, Any]]) -> dict[tuple[str, str], tuple[Neuron, ...]]:
    """Rows by fact and language."""
    found: dict[tuple[str, str], dict[Neuron, None]] = {}
    for number, row in rows:
        where = f"{path}: row {number}"
        if not isinstance(row, Mapping):
            raise BadFact(f"{where}: an object with fact, layer and index is needed, not {shown(row)}")
        cells = {name: _cell(where, row, name) for name in _COLUMNS}
        neuron = Neuron(_whole(where, "layer", cells["layer"]), _whole(where, "index", cells["index"]))
        found.setdefault((str(cells["fact"]), str(row.get("language") or "")), {})[neuron] = None
    return {name: tuple(own) for name, own in found.items()}


def _cell(where: str, row: Mapping[str, Any], name: str) -> object:
    for column in _COLUMNS[name]:
        if column in row:
            return row[column]
    raise BadFact(f"{where}: there is no column {' or '.join(_COLUMNS[name])}; there are: {', '.join(map(str, row))}")


def _pairs(path: Path, name: str, value: object) -> tuple[Neuron, ...]:
    """[[layer, index], ...], each once."""
    return tuple(dict.fromkeys(_neurons(f"{path}: {shown(name)}", value)))


def _neurons(where: str, value: object) -> Iterator[Neuron]:
    if not isinstance(value, list):
        raise BadFact(f"{where}: a list of [layer, index] is needed, not {shown(value)}")
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise BadFact(f"{where}: [layer, index] is needed, not {shown(pair)}")
        yield Neuron(_whole(where, "layer", pair[0]), _whole(where, "index", pair[1]))


def _whole(where: str, name: str, value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdigit():
        raise BadFact(f"{where}: {name} must be a whole number from 0, not {shown(value)}")
    return int(text)

"""The tables of a run: their names, columns and types are a file format, pinned here by hand."""

import subprocess
import sys

import pytest

from factneurons.errors import BadSetting
from factneurons.runs.tables import TABLES, table_named

NEURON = "list<element: struct<layer: int32, index: int32>>"
NUMBERS = "list<element: struct<name: string, value: double>>"
TEXTS = "list<element: string>"

FORMAT = {
    "facts": {
        "fact_id": "string", "language": "string", "key": "string", "relation": "string", "subject": "string",
        "answer": "string", "date": "string", "prompts": TEXTS, "prompts_asked": "int64", "answer_tokens": TEXTS,
        "probability": "double", "rank": "int64", "known": "bool", "neurons": "int64", "refined": "bool",
        "threshold": "double", "method": "string", "source": "string", "seconds": "double",
    },
    "neurons": {
        "fact_id": "string", "language": "string", "relation": "string", "layer": "int64", "index": "int64",
        "score": "double", "share": "double", "round": "int64", "position": "int64",
        "promotes": TEXTS, "suppresses": TEXTS,
    },
    "completeness": {
        "fact_id": "string", "language": "string", "prompt": "string", "layer": "int64", "error": "double",
        "ratio": "double", "probability": "double", "baseline_probability": "double", "points": "int64",
    },
    "components": {
        "fact_id": "string", "language": "string", "component": "int64", "role": "string", "neurons": NEURON,
        "size": "int64", "layers": "list<element: int64>", "birth": "double", "death": "double",
        "persistence": "double", "drop_alone": "double", "drop_without_others": "double", "mean_distance": "double",
    },
    "barcodes": {
        "fact_id": "string", "language": "string", "birth": "double", "death": "double", "size": "int64",
        "chosen": "bool",
    },
    "connections": {
        "fact_id": "string", "language": "string", "layer": "int64", "index": "int64", "to_layer": "int64",
        "to_index": "int64", "weight": "double",
    },
    "degenerate": {
        "fact_id": "string", "language": "string", "relation": "string", "knowledge_neurons": "int64",
        "components": "int64", "candidates": "int64", "reason": "string", "drop_all": "double",
        "degeneracy_index": "double", "coverage": "double", "grouping": "string",
        "storage": "string", "details": NUMBERS,
    },
    "acquisition": {
        "fact_id": "string", "language": "string", "clusterer": "string", "which": "string", "groups": "int64",
        "size": "int64", "k": "int64", "subsets": "int64", "mean_drop": "double",
    },
    "carried": {
        "fact_id": "string", "language": "string", "component": "int64", "others": "int64", "other_facts": "double",
        "random_other_facts": "double", "p_value": "double", "shared": "double", "overlap": "double",
        "redundancy": "double", "carries": "string",
    },
    "interventions": {
        "fact_id": "string", "language": "string", "relation": "string", "neurons": "string", "draw": "int64",
        "action": "string", "prompts": "string", "other_fact_id": "string", "size": "int64",
        "probability_before": "double", "probability_after": "double", "log_change": "double", "prompt_count": "int64",
    },
    "languages": {
        "fact_id": "string", "language": "string", "relation": "string", "rule": "string", "needed": "int64",
        "sizes": NUMBERS, "cuts": NUMBERS, "neurons": NEURON, "size": "int64", "jaccard": "double",
        "expected": "double", "p_value": "double", "exact": "bool", "reason": "string",
    },
    "language_neurons": {
        "fact_id": "string", "language": "string", "layer": "int64", "index": "int64", "languages": TEXTS,
        "shared": "bool",
    },
    "language_effects": {
        "fact_id": "string", "language": "string", "relation": "string", "neurons": "string", "neurons_of": "string",
        "draw": "int64", "action": "string", "prompts": "string", "other_fact_id": "string", "size": "int64",
        "probability_before": "double", "probability_after": "double", "log_change": "double", "prompt_count": "int64",
    },
    "pairs": {
        "fact_id": "string", "language": "string", "relation": "string", "neurons": NEURON, "prompts": "int64",
        "agreed": "bool", "drop_first": "double", "drop_second": "double", "drop_together": "double",
    },
    "checks": {
        "fact_id": "string", "language": "string", "relation": "string", "subject": "string", "split": "string",
        "known": "bool", "apart": "bool", "prompt": "string", "candidate": "string", "truth": "bool",
        "condition": "string", "draw": "int64", "score": "double", "speakers": NUMBERS,
    },
    "measurements": {
        "fact_id": "string", "language": "string", "relation": "string", "subject": "string", "experiment": "string",
        "condition": "string", "measure": "string", "place": "string", "value": "double",
    },
    "skipped": {
        "fact_id": "string", "language": "string", "source": "string", "prompt": "string", "stage": "string",
        "reason": "string", "detail": "string",
    },
}  # fmt: skip


def test_the_format_is_what_it_was():
    """Other names, types or places of columns are another format: old runs must still read (`Formerly`)."""
    assert list(TABLES) == list(FORMAT)
    for name, columns in FORMAT.items():
        schema = table_named(name).schema
        types = [str(field.type).replace("item:", "element:") for field in schema]
        assert list(zip(schema.names, types, strict=True)) == list(columns.items()), name


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_table_has_the_key_first_and_explains_itself(table):
    assert table.names[:2] == ["fact_id", "language"]
    assert len(table.names) == len(set(table.names))
    assert set(table.sort_keys) <= set(table.names)
    assert all(column.meaning for column in table.columns)
    assert all("null" in column.meaning for column in table.columns if column.optional) or table.name == "degenerate"


def test_an_unknown_table_is_refused_with_the_names_there_are():
    with pytest.raises(BadSetting, match="no table 'neuron'; its tables are: facts, neurons, completeness"):
        table_named("neuron")


def test_reading_and_verifying_need_no_torch():
    code = "import sys, factneurons.runs.store, factneurons.runs.verify; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"

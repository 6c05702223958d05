"""All file formats by scheme: a new one is a module of its own here and a row of the table."""

from __future__ import annotations

from collections.abc import Mapping

from factneurons.facts.formats import (
    bear,
    bundled,
    counterfact,
    csv_file,
    edit_chains,
    factcheck,
    hub,
    lama,
    mlama,
    mpararel,
    own,
    pararel,
    parquet_file,
    perturbed,
    presets,
    relation_files,
    templama,
)
from factneurons.facts.reading import Format

FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        bundled.FORMAT,
        own.FORMAT,
        csv_file.FORMAT,
        csv_file.TSV_FORMAT,
        csv_file.JSON_FORMAT,
        parquet_file.FORMAT,
        hub.FORMAT,
        lama.FORMAT,
        mlama.FORMAT,
        mpararel.FORMAT,
        pararel.FORMAT,
        templama.FORMAT,
        templama.FINETUNE_FORMAT,
        perturbed.FORMAT,
        factcheck.FORMAT,
        factcheck.SENTENCES_FORMAT,
        counterfact.FORMAT,
        edit_chains.MQUAKE_FORMAT,
        edit_chains.RIPPLE_FORMAT,
        relation_files.LRE_FORMAT,
        relation_files.KLAR_FORMAT,
        bear.FORMAT,
        *presets.FORMATS,
    )
}
"""Scheme -> format."""

SUFFIXES: Mapping[str, str] = {
    ".jsonl": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
"""The end of a file's name -> the scheme it is read with if none is given."""

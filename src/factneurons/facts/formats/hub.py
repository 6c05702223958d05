"""Facts from a data set of the Hugging Face hub, streamed; needs the extra `datasets`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from factneurons.errors import BadSetting
from factneurons.facts.formats.tables import OPTIONS, facts_from_rows
from factneurons.facts.problems import shown
from factneurons.facts.reading import Format, Option, Reading, Request
from factneurons.facts.rows import Row
from factneurons.facts.types import Fact


def read(request: Request, reading: Reading) -> Iterator[Fact]:
    """One fact per row, or per group of rows with the same id."""
    yield from facts_from_rows(_rows(request), request, reading)


def _rows(request: Request) -> Iterator[Row]:
    options = request.options
    try:
        stream = _datasets(request).load_dataset(
            request.argument,
            options["config"],
            split=options["split"],
            revision=options["revision"],
            streaming=True,
        )
        for number, cells in enumerate(stream, start=1):
            yield Row(f"hub:{request.argument}:{number}", number, cells)
    except (OSError, ValueError) as error:  # not there, no network, no such split or configuration
        raise BadSetting(f"{request.spec}: the data set cannot be read: {shown(str(error), 300)}") from error


def _datasets(request: Request) -> Any:
    try:
        return importlib.import_module("datasets")
    except ModuleNotFoundError:
        raise BadSetting(f"{request.spec}: hub data sets need an extra: pip install 'factneurons[datasets]'") from None


def _files(request: Request) -> tuple[Path, ...]:
    if not request.argument:
        raise BadSetting(f"{request.spec}: give the data set's name, hub:OWNER/NAME")
    _datasets(request)
    return ()


FORMAT = Format(
    "hub",
    "NAME",
    "A data set of the Hugging Face hub",
    read,
    _files,
    {
        **OPTIONS,
        "config": Option("the data set's configuration"),
        "split": Option("the split", "train"),
        "revision": Option("the commit, tag or branch"),
    },
)

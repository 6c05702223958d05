"""Public data sets of one record per fact: what their columns are called, as the option `columns` would say it.

known_1000: Meng et al. (2022), ROME. zsRE: Levy et al. (2017), as ROME's and MEND's evaluation has it. PopQA: Mallen et
al. (2023). BMLAMA: Qi et al. (2023); its rows name no subject, so the prompt around the blank stands for it. KnowEdit:
Zhang et al. (2024); what was true is the answer, or the new answer where nothing was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from factneurons.facts.formats.csv_file import one_file
from factneurons.facts.formats.tables import OPTIONS, SEPARATOR, facts_from_rows, parse_columns
from factneurons.facts.reading import Format, Option, Reading, Request
from factneurons.facts.rows import Row, csv_rows, json_rows
from factneurons.facts.types import BLANK, MASK_TOKENS, Fact


@dataclass(frozen=True, slots=True)
class Preset:
    """One data set: its scheme, what it is, how its rows are read, its columns, and where its blanks are."""

    name: str
    summary: str
    rows: Callable[[Path], Iterator[Row]]
    columns: str
    blank: str = "end"
    separator: str = SEPARATOR

    def format(self) -> Format:
        """The preset as a format."""
        options = {
            "columns": Option(OPTIONS["columns"].help, parse_columns(self.columns), parse_columns),
            "blank": Option(OPTIONS["blank"].help, self.blank),
            "separator": Option(OPTIONS["separator"].help, self.separator),
        }

        def read(request: Request, reading: Reading) -> Iterator[Fact]:
            yield from facts_from_rows(self.rows(request.path), request, reading)

        return Format(self.name, "FILE", self.summary, read, one_file, options)


def tab_rows(path: Path) -> Iterator[Row]:
    """Rows with tabs between cells."""
    return csv_rows(path, "\t")


def bmlama_rows(path: Path) -> Iterator[Row]:
    """Rows of BMLAMA: no cell is quoted, the file's name is the language."""
    language = path.name.partition(".")[0]
    for row in csv_rows(path, "\t", quoted=False):
        around = str(row.cells.get("Prompt", ""))
        for mark in (*MASK_TOKENS, BLANK):
            around = around.replace(mark, " ")
        cells = {**row.cells, "language": language, "around": " ".join(around.split()).rstrip(" .")}
        yield row if row.problem else replace(row, cells=cells)


PRESETS = (
    Preset(
        "known_1000",
        "known_1000 (ROME)",
        json_rows,
        "id:known_id,relation:relation_id,subject:subject,answer:attribute,prompt:prompt",
    ),
    Preset(
        "zsre",
        "zsRE",
        json_rows,
        "id:#,relation:=zsRE,subject:subject,answer:answers.0,aliases:answers,prompts:src+rephrase,candidates:alt",
    ),
    Preset(
        "popqa",
        "PopQA",
        tab_rows,
        "id:id,relation:prop,subject:subj,answer:obj,aliases:possible_answers,prompt:question",
    ),
    Preset(
        "bmlama",
        "BMLAMA",
        bmlama_rows,
        "id:#,relation:=BMLAMA,subject:around,answer:Ans.0,aliases:Ans,prompt:Prompt,candidates:Candidate Ans,"
        "language:language",
        "",
        ", ",
    ),
    Preset(
        "knowedit",
        "KnowEdit",
        json_rows,
        "id:#,relation:=KnowEdit,subject:subject,answer:ground_truth.0/target_new,aliases:ground_truth/target_new,"
        "prompts:prompt+rephrase_prompt?,candidates:target_new",
    ),
)

FORMATS = tuple(preset.format() for preset in PRESETS)

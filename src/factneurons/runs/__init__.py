"""What a run keeps on disk: a manifest, tables in Parquet parts, and how to resume after anything.

Rows come in from the rooms below as plain values; this room knows their data types and nothing else of them.
"""

from factneurons.runs.commits import Skip
from factneurons.runs.counts import Counts
from factneurons.runs.drive import Batch, Pace, Progress, Silent, Summary, drive
from factneurons.runs.files import sha256_of
from factneurons.runs.language_rows import fact_in_all, joined_sets, language_effect_row, language_rows
from factneurons.runs.manifest import Manifest, StageRecord, command_line, differences
from factneurons.runs.measurements import measurement_row, measurements_of
from factneurons.runs.records import degenerate_neurons_of, intervention_row, located_facts, merged
from factneurons.runs.rows import carried_rows, degenerate_rows, located_rows
from factneurons.runs.schema import Row
from factneurons.runs.stop import Interrupted
from factneurons.runs.store import Run
from factneurons.runs.tables import TABLES
from factneurons.runs.verify import verify

__all__ = [
    "TABLES",
    "Batch",
    "Counts",
    "Interrupted",
    "Manifest",
    "Pace",
    "Progress",
    "Row",
    "Run",
    "Silent",
    "Skip",
    "StageRecord",
    "Summary",
    "carried_rows",
    "command_line",
    "degenerate_neurons_of",
    "degenerate_rows",
    "differences",
    "drive",
    "fact_in_all",
    "intervention_row",
    "joined_sets",
    "language_effect_row",
    "language_rows",
    "located_facts",
    "located_rows",
    "measurement_row",
    "measurements_of",
    "merged",
    "sha256_of",
    "verify",
]

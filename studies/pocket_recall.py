"""The recall table of the bundled models: all bundled facts, both languages, trained and left-out prompts.

python studies/pocket_recall.py                       # writes src/factneurons/models/weights/recall.csv
python studies/pocket_recall.py FOLDER --out my.csv   # any trained folder
"""

from __future__ import annotations

import argparse
from pathlib import Path

import factneurons as fn
from factneurons.models.bundled import POCKET_MODELS, WEIGHTS, pocket_path
from factneurons.pocket.recall import measure_recall, write_recall
from factneurons.pocket.training import BUNDLED


def main() -> None:
    """Measure every model with its stored weights, computed with in float32, and write one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", help="trained folders; default: the bundled models")
    parser.add_argument("--out", type=Path, default=WEIGHTS / "recall.csv")
    arguments = parser.parse_args()
    facts = list(fn.load_facts(BUNDLED))
    rows = []
    for folder in arguments.folders or [pocket_path(name) for name in POCKET_MODELS]:
        model = fn.load_model(str(folder))
        measured = measure_recall(folder.name, model.backbone.module, model.backbone.tokenizer, facts)
        for row in measured:
            if row.relation == "all":
                print(f"{row.model:14}{row.language:4}{row.prompts:10}{row.asked:7} asked  recall {row.recall:.4f}")
        rows += measured
    write_recall(arguments.out, rows)


if __name__ == "__main__":
    main()

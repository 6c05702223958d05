"""Facts into our own JSONL format."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from factneurons.errors import BadSetting
from factneurons.facts.types import Fact


def write_jsonl(facts: Iterable[Fact], path: str | Path) -> int:
    """Write facts as JSON lines; returns how many.

    The file is there, whole, at the end or not at all.

    Raises:
        BadSetting: it cannot be written, for instance because no space is left.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for fact in facts:
                file.write(json.dumps(fact_record(fact), ensure_ascii=False) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise BadSetting(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def fact_record(fact: Fact) -> dict[str, Any]:
    """A fact as the object of one line; what is empty is left out."""
    optional = {
        "date": fact.date,
        "aliases": list(fact.aliases),
        "wrong_answers": list(fact.wrong_answers),
        "translations": dict(fact.translations),
    }
    return {
        "id": fact.id,
        "relation": fact.relation,
        "subject": fact.subject,
        "answer": fact.answer,
        "language": fact.language,
        "prompts": [prompt.text for prompt in fact.prompts],
        **{name: value for name, value in optional.items() if value},
    }

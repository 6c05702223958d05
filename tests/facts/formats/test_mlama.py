from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadSetting
from factneurons.facts.source import load_facts

ADA: dict[str, Any] = {"sub_uri": "Q1", "obj_uri": "Q2", "sub_label": "Ada Vale", "obj_label": "Lyon", "lineid": 7}
ADA_ZH = {**ADA, "sub_label": "艾达", "obj_label": "里昂"}


def test_there_is_one_template_per_relation(write: Callable[..., Path], tmp_path: Path) -> None:
    template = {"relation": "P19", "template": "[X] was born in [Y] ."}
    for language, record in (("en", ADA), ("zh", ADA_ZH)):
        write(f"l/{language}/P19.jsonl", [record])
        write(f"l/{language}/P20.jsonl", [{**record, "lineid": None, "uuid": "u1"}])
        write(f"l/{language}/templates.jsonl", [template])
    source = load_facts(f"mlama:{tmp_path / 'l'}")
    assert [(fact.id, fact.language, fact.prompts[0].text) for fact in source] == [
        ("P19/7", "en", "Ada Vale was born in ___ ."),
        ("P19/7", "zh", "艾达 was born in ___ ."),
    ]
    assert source.skipped == {"no_pattern": 2}
    assert len(source.files) == 6
    assert [fact.language for fact in load_facts(f"mlama:{tmp_path / 'l'}?lang=zh&relation=P19")] == ["zh"]
    with pytest.raises(BadSetting, match="unknown relation 'P1'; available: P19, P20"):
        load_facts(f"mlama:{tmp_path / 'l'}?relation=P1")

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factneurons.errors import BadSetting
from factneurons.facts.source import load_facts

ADA: dict[str, Any] = {"sub_uri": "Q1", "obj_uri": "Q2", "sub_label": "Ada Vale", "obj_label": "Lyon", "lineid": 7}

EVIDENCES = [
    {"sub_surface": "Vale", "obj_surface": "Lyon", "masked_sentence": "Vale left [MASK] early."},
    {"sub_surface": "Vale", "obj_surface": "Lyon, France", "masked_sentence": "Vale came from [MASK]."},
    {"sub_surface": "Vale", "obj_surface": "Lyon", "masked_sentence": "Vale left [MASK] early."},
]


@pytest.fixture
def lama(write: Callable[..., Path], tmp_path: Path) -> Path:
    record = {**ADA, "uuid": "u1", "predicate_id": "P19", "evidences": EVIDENCES}
    write("lama/P19.jsonl", [record])
    write("lama/P20.jsonl", [{**record, "uuid": "u2", "predicate_id": "P20"}])
    write("lama/relations.jsonl", [{"relation": "P19", "template": "[X] was born in [Y] .", "type": "N-1"}])
    return tmp_path / "lama"


@pytest.mark.parametrize(
    ("evidence", "texts", "parts"),
    [
        ("no", ["Ada Vale was born in ___ ."], {}),
        (
            "yes",
            ["Ada Vale was born in ___ .", "Vale left ___ early.", "Vale came from ___."],
            {"duplicate_prompt": 1},
        ),
        (
            "exact",
            ["Ada Vale was born in ___ .", "Vale left ___ early."],
            {"duplicate_prompt": 1, "evidence_surface": 1},
        ),
    ],
)
def test_a_fact_is_asked_its_template_and_its_evidence(
    evidence: str, texts: list[str], parts: dict[str, int], lama: Path
) -> None:
    source = load_facts(f"lama:{lama}?relation=P19&evidence={evidence}")
    (fact,) = source
    assert (fact.id, fact.subject, fact.answer) == ("u1", "Ada Vale", "Lyon")
    assert [prompt.text for prompt in fact.prompts] == texts
    assert source.skipped_parts == parts


def test_a_fact_without_template_is_counted_unless_evidence_asks_for_it(lama: Path) -> None:
    source = load_facts(f"lama:{lama}")
    assert [fact.id for fact in source] == ["u1"]
    assert source.skipped == {"no_pattern": 1}
    assert len(list(load_facts(f"lama:{lama}?evidence=yes"))) == 2
    (lama / "relations.jsonl").unlink()
    with pytest.raises(BadSetting, match=r"there is no file .*relations\.jsonl"):
        load_facts(f"lama:{lama}")


def test_the_real_lama(real_data: Path) -> None:
    source = load_facts(f"lama:{real_data}/lama_trex?evidence=yes")
    assert Counter(fact.relation for fact in source) == {"P19": 944, "P140": 473, "P413": 952}
    assert source.skipped == {}

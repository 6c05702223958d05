from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from factneurons.errors import BadFact, BadSetting
from factneurons.facts.source import FactSource, load_facts

LRE = {
    "name": "country capital city",
    "prompt_templates": ["The capital city of {} is"],
    "prompt_templates_zs": ["What is the capital of {}? It is"],
    "properties": {"relation_type": "factual", "domain_name": "country", "range_name": "city", "symmetric": False},
    "samples": [{"subject": "Fooland", "object": "Barville"}, {"subject": "Bazland", "object": "Quxton"}],
}


def klar(template: str, subject: str, answer: str) -> str:
    return json.dumps({"prompt_templates": [template], "samples": [{"index": 3, "subject": subject, "object": answer}]})


def test_lre_files_and_folders(write: Callable[..., Path]) -> None:
    path = write("data/factual/country_capital_city.json", json.dumps(LRE))
    for place in (path, path.parents[1]):
        one, two = load_facts(f"lre:{place}")
        assert (one.id, one.relation, one.answer) == ("country capital city/0", "country capital city", "Barville")
        assert [prompt.text for prompt in two.prompts] == [
            "The capital city of Bazland is ___",
            "What is the capital of Bazland? It is ___",
        ]


def test_klar_has_the_same_id_in_every_language(write: Callable[..., Path]) -> None:
    folder = write("klar/en/capital.json", klar("The capital of <subject> is", "Fooland", "Barville")).parents[1]
    write("klar/fr/capital.json", klar("<mask> est la capitale de <subject>.", "Foolande", "Barreville"))
    one, two = load_facts(f"klar:{folder}")
    assert (one.id, one.language, one.prompts[0].text) == ("capital/3", "en", "The capital of Fooland is ___")
    assert (two.id, two.language, two.prompts[0].text) == ("capital/3", "fr", "___ est la capitale de Foolande.")


def test_what_is_wrong_is_counted(write: Callable[..., Path], adds_up: Callable[[FactSource], None]) -> None:
    path = write("a.json", json.dumps({**LRE, "samples": [{"subject": "Fooland"}, LRE["samples"][1]]}))  # type: ignore[index]
    write("b.json", "[")
    source = load_facts(f"lre:{path.parent}", skip_bad=True)
    assert [fact.subject for fact in source] == ["Bazland"]
    assert source.skipped == {"missing_field": 1, "unreadable": 1}
    adds_up(source)
    write("c.json", json.dumps({**LRE, "prompt_templates": ["The capital is"]}))
    with pytest.raises(BadFact, match="for the subject exactly once"):
        list(load_facts(f"lre:{path.parent / 'c.json'}"))
    with pytest.raises(BadSetting, match="there is no folder"):
        load_facts("lre:nowhere")

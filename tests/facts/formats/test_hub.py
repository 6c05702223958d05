from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from factneurons.errors import BadSetting
from factneurons.facts.source import load_facts


def test_a_missing_extra_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(BadSetting, match=r"pip install 'factneurons\[datasets\]'"):
        load_facts("hub:owner/name")


def test_a_data_set_is_streamed_with_the_columns_of_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load_dataset(*positional: Any, **named: Any) -> list[dict[str, Any]]:
        asked.append((positional, named))
        return [{"sub": "Fooland", "obj": "Barville", "text": "The capital of Fooland is"}]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    columns = "columns=id:#,relation:=capital,subject:sub,answer:obj,prompt:text&blank=end"
    source = load_facts(f"hub:owner/name?split=test&config=small&revision=v1&{columns}")
    (fact,) = source
    assert (fact.id, fact.answer, fact.prompts[0].text) == ("1", "Barville", "The capital of Fooland is ___")
    assert fact.source == "hub:owner/name:1"
    assert asked == [(("owner/name", "small"), {"split": "test", "revision": "v1", "streaming": True})]
    assert len(source.sha256()) == 64


@pytest.mark.parametrize(
    "error", [FileNotFoundError("not there\nat all"), ValueError("no such split"), ConnectionError()]
)
def test_a_data_set_that_cannot_be_read_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(BadSetting, match="the data set cannot be read") as caught:
        list(load_facts("hub:owner/name"))
    assert "\n" not in str(caught.value)


def test_the_name_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace())
    with pytest.raises(BadSetting, match="hub:OWNER/NAME"):
        load_facts("hub:")

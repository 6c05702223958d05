from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.runs.seal import sealed, unsealed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
CONTENT = st.dictionaries(st.sampled_from("abc"), VALUES)


@given(content=CONTENT)
def test_what_is_sealed_comes_back_whatever_its_order(content):
    data = json.dumps(sealed(content))
    assert unsealed(data.encode()) == content
    turned = dict(reversed(json.loads(data).items()))
    assert unsealed(json.dumps(turned, indent=3).encode()) == content


@given(content=CONTENT, name=st.sampled_from("abcd"), value=VALUES)
def test_a_changed_value_breaks_the_seal(content, name, value):
    data = sealed(content)
    if name in content and json.dumps(content[name], sort_keys=True) == json.dumps(value, sort_keys=True):
        return
    assert unsealed(json.dumps({**data, name: value}).encode()) is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"3", b"{}", b"\xff"])
def test_what_has_no_seal_is_damaged(data):
    assert unsealed(data) is None

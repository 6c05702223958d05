"""What stands inside script elements, and the policy that names them."""

import base64
import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from factneurons.report.html import code_in_script, content_security_policy, json_in_script, visible

TEXTS = st.text() | st.sampled_from(["</script>", "<!--<script>", "]]>", "\u2028", "\ud800", "&lt;", "\x00"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)


@given(VALUES)
def test_json_is_the_same_after_the_page_and_holds_nothing_that_ends_a_script(value):
    written = str(json_in_script(value))
    assert json.loads(written) == value
    assert written.isascii()
    assert not set(written) & set("<>&\n\r\x00")


def test_code_cannot_end_its_script_early():
    code = 'const a = "</script><script>", b = "<!-- -->", c = 1 < 2;'
    written = str(code_in_script(code))
    assert "</script" not in written
    assert "<script" not in written
    assert "<!--" not in written
    assert "c = 1 < 2" in written
    assert written.replace("\\x2f", "/").replace("\\x73", "s").replace("\\x21", "!") == code


def test_the_policy_forbids_everything_but_the_given_scripts():
    policy = dict(part.strip().split(" ", 1) for part in content_security_policy(["one", "two"]).split(";"))
    digest = base64.b64encode(hashlib.sha256(b"one").digest()).decode()
    assert policy["default-src"] == "'none'"
    assert policy["script-src"].split()[0] == f"'sha256-{digest}'"
    assert len(policy["script-src"].split()) == 2
    assert "unsafe-eval" not in str(policy)
    assert "http" not in str(policy)
    assert policy["base-uri"] == policy["form-action"] == "'none'"


@given(st.text(alphabet=st.characters()))
def test_visible_replaces_only_what_a_page_cannot_hold(text):
    shown = visible(text)
    assert len(shown) == len(text)
    shown.encode()
    assert all(new in (old, "\ufffd") for new, old in zip(shown, text, strict=True))
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in shown)

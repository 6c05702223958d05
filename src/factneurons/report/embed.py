"""How text, data and scripts get into the page so that none of it can become anything else.

Texts of facts are escaped by the template engine. What stands inside <script> cannot be escaped so, and is made
harmless here. The page's Content-Security-Policy names the hashes of the page's own two scripts: no other script
runs, not even an inline handler, and nothing may be loaded or sent. Vega is run with its expression interpreter
(option `ast`), so that the policy need not allow eval.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Sequence

from markupsafe import Markup

_IN_JSON = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_KEPT = "\n\t"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def json_in_script(value: object) -> Markup:
    """A value as JSON that can stand in a script element: ASCII only, without <, > and &."""
    written = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character, escape in _IN_JSON.items():
        written = written.replace(character, escape)
    return Markup(written)


def code_in_script(code: str) -> Markup:
    """JavaScript that can stand in a script element: nothing in it ends the element early."""
    for mark in ("</script", "<script", "<!--"):
        code = code.replace(mark, f"{mark[0]}\\x{ord(mark[1]):02x}{mark[2:]}")
    return Markup(code)


def visible(value: object) -> object:
    """A text with characters that HTML cannot hold (control characters, half surrogate pairs) replaced."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(_REPLACEMENT if _is_unprintable(letter) else letter for letter in value)


def _is_unprintable(letter: str) -> bool:
    return letter not in _KEPT and unicodedata.category(letter) in ("Cc", "Cs")


def content_security_policy(scripts: Sequence[str]) -> str:
    """The policy: nothing from the network, no script but these."""
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

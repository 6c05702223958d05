"""JSON that carries a hash of itself, so that a change by hand or by a bad disk is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_FIELD = "sha256_of_this"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with its hash in it."""
    return {**content, _FIELD: _hash(content)}


def unsealed(data: bytes) -> dict[str, Any] | None:
    """The content without its hash, or None if the data are damaged or were changed."""
    try:
        content = json.loads(data)
        seal = content.pop(_FIELD)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return content if seal == _hash(content) else None


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

"""How a notebook shows what was asked and described: small tables, no script, all text escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

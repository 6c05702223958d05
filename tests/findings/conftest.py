"""The invented run that the report is tested with."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("invented_run", Path(__file__).parents[1] / "report" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_invented = importlib.util.module_from_spec(_spec)
sys.modules["invented_run"] = _invented
_spec.loader.exec_module(_invented)

make_run, whole_run = _invented.make_run, _invented.whole_run

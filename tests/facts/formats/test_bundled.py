"""The bundled facts are as documented; every fault is told in one line."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from factneurons.facts.relations import BUNDLED, relation_paths


@pytest.mark.parametrize("path", relation_paths(BUNDLED).values(), ids=lambda path: path.stem)
def test_a_relation_has_no_fault(path: Path, bundled_check: ModuleType) -> None:
    faults = bundled_check.check_relation(path)
    assert not faults, "\n" + "\n".join(faults)


def test_the_whole_collection_is_large_and_varied_enough(bundled_check: ModuleType) -> None:
    relations = {fault for path in relation_paths(BUNDLED).values() for fault in bundled_check.check_relation(path)}
    faults = [fault for fault in bundled_check.check_folder(BUNDLED) if fault not in relations]
    assert not faults, "\n" + "\n".join(faults)

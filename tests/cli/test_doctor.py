from __future__ import annotations

import pytest

from factneurons.models.bundled import POCKET_MODELS
from factneurons.models.load import load_model


@pytest.mark.parametrize("name", POCKET_MODELS)
def test_doctor(command, name):
    lines, err, code = command("doctor", name)
    assert (err, code) == ("", 0)
    model = load_model(name)
    text = "\n".join(lines)
    assert lines[0].startswith(f"{name}: a {model.kind} language model")
    assert f"neurons: {model.layer_count} layers of {model.width} ({model.layer_count * model.width:,} in all)" in text
    assert f"family: {model.backbone.adapter.family} (verified in the tests)" in text
    assert f"size: {sum(each.numel() for each in model.backbone.module.parameters()):,} parameters" in text


def test_doctor_of_what_is_no_model(command, tmp_path):
    lines, err, code = command("doctor", tmp_path)
    assert (lines, code) == ([], 2)
    assert err.startswith("error: ")
    assert err.count("\n") == 1

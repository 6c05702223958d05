"""`factneurons degenerate`: what is written on the command line is what the search is given."""

from __future__ import annotations

from dataclasses import asdict

import pytest

import factneurons as fn
from factneurons.cli import main
from factneurons.degeneracy.settings import DegeneracySettings


class Reached(Exception):
    """The search would start now."""


@pytest.fixture
def settings_of(monkeypatch, tmp_path):
    """The settings that a command line leads to, where they differ from the defaults."""

    def parse(*arguments):
        def stop(_folder, _model, *, settings, **_options):
            raise Reached(settings)

        monkeypatch.setattr(fn, "model_of", lambda *_, **__: None)
        monkeypatch.setattr(fn, "run_degenerate", stop)
        with pytest.raises(Reached) as reached:
            main(["degenerate", str(tmp_path), *arguments])
        found, usual = asdict(reached.value.args[0]), asdict(DegeneracySettings())
        return {name: value for name, value in found.items() if value != usual[name]}

    return parse


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        ([], {}),
        (["--clusterer", "random_layers"], {"clusterer": "random_layers"}),
        (["--span", "adjacent", "--max-span", "5"], {"span": "adjacent", "max_span": 5}),
        (["--similarity", "cosine"], {"similarity": "cosine"}),
        (["--scale", "layer-gap"], {"scale": "layer-gap"}),
        (["--gate", "up", "--fold-norm-gain"], {"gate": "up", "fold_norm_gain": True}),
    ],
)
def test_options_reach_the_settings(arguments, changed, settings_of):
    assert settings_of(*arguments) == changed


def test_missing_distances_reach_the_settings(settings_of):
    changed = settings_of("--missing", "1000")
    assert list(changed) == ["comparison"]
    assert changed["comparison"]["missing"] == 1000

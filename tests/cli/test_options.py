"""Options that several commands have: one text, one default, the same everywhere."""

from __future__ import annotations

import inspect
from typing import get_args, get_type_hints

import pytest

from factneurons.cli import options
from factneurons.cli.degenerate import degenerate
from factneurons.cli.doctor import doctor
from factneurons.cli.facts import describe_command
from factneurons.cli.locate import locate
from factneurons.cli.report import report
from factneurons.cli.verify import verify
from factneurons.facts.formats.registry import FORMATS, SUFFIXES
from factneurons.models.bundled import POCKET_MODELS

COMMANDS = (locate, degenerate, report, doctor, verify, describe_command)


@pytest.mark.parametrize(("names", "text"), [([], ""), (["a"], "a"), (("a", "b"), "a, b"), ({"x": 1, "y": 2}, "x, y")])
def test_listed(names, text):
    assert options.listed(names) == text


def test_the_help_of_facts_names_every_format():
    for name in FORMATS:
        assert name in options.FACTS_HELP
    for suffix in SUFFIXES:
        assert suffix in options.FACTS_HELP


def test_the_help_of_models_names_a_bundled_one():
    assert any(name in options.MODEL_HELP for name in POCKET_MODELS)


SHARED = {
    "device": options.Device,
    "device_map": options.DeviceMap,
    "draws": options.Draws,
    "unrelated": options.Unrelated,
    "seed": options.Seed,
    "revision": options.Revision,
    "trust_remote_code": options.RemoteCode,
}


@pytest.mark.parametrize("name", SHARED)
def test_an_option_is_the_same_wherever_it_is(name):
    defaults = set()
    for command in COMMANDS:
        parameters = inspect.signature(command).parameters
        if name in parameters:
            assert get_type_hints(command, include_extras=True)[name] == SHARED[name], command.__name__
            defaults.add(parameters[name].default)
    assert len(defaults) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_parameter_has_a_help_text(command):
    for name, hint in get_type_hints(command, include_extras=True).items():
        if name != "return":
            _, info = get_args(hint)
            assert info.help, name
            assert info.help.endswith((".", ")")), name

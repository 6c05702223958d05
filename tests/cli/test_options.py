"""Options that several commands have: one text, one default, the same everywhere."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, Literal, get_args, get_type_hints

import pytest
import typer
from typer.main import get_command
from typer.models import OptionInfo

from factneurons.cli import options
from factneurons.cli.degenerate import degenerate
from factneurons.cli.doctor import doctor
from factneurons.cli.facts import describe_command
from factneurons.cli.locate import locate
from factneurons.cli.report import report
from factneurons.cli.verify import verify
from factneurons.errors import BadSetting
from factneurons.facts.formats.registry import FORMATS, SUFFIXES
from factneurons.models.bundled import POCKET_MODELS
from factneurons.models.load import load_model
from factneurons.settings import check, option

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


def written(parameter, hint):
    """What typer is told of a parameter: beside its type, or as its default where it is a record's field."""
    return parameter.default if isinstance(parameter.default, OptionInfo) else get_args(hint)[1]


@pytest.mark.parametrize(
    "name", ["device", "device_map", "limit", "revision", "trust_remote_code", "allow_pickle", "chat"]
)
def test_an_option_is_the_same_wherever_it_is(name):
    told, defaults = set(), set()
    for command in COMMANDS:
        parameter = inspect.signature(command).parameters.get(name)
        if parameter is not None:
            told.add(written(parameter, get_type_hints(command, include_extras=True)[name]).help)
            own = isinstance(parameter.default, OptionInfo)
            defaults.add(parameter.default.default if own else parameter.default)
    assert len(told) == len(defaults) == 1


def test_a_model_is_loaded_as_the_options_say(monkeypatch):
    asked = []
    monkeypatch.setattr("factneurons.load_model", lambda name, **given: asked.append((name, given)))
    options.Loading(dtype="bfloat16", device="cpu", trust_remote_code=True).model("a model")
    given = {
        "dtype": "bfloat16",
        "device": "cpu",
        "device_map": None,
        "revision": None,
        "trust_remote_code": True,
        "allow_pickle": False,
        "chat": False,
    }
    assert asked == [("a model", given)]
    assert set(given) <= set(inspect.signature(load_model).parameters)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_parameter_has_a_help_text(command):
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        text = written(parameter, hints[name]).help
        assert text, name
        assert text.endswith((".", ")")), name


Shade = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Inner:
    depth: float | None = option(None, "How deep.", above=0)


@dataclass(frozen=True, slots=True)
class Paint:
    shade: Shade = option("light", "How it looks: {choices}.")
    coats: int = option(2, "How often.", least=1)
    names: tuple[str, ...] = option(("a", "b"), "What for.")
    glossy: bool = option(False, "Whether it shines.")
    inner: Inner = option(Inner(), "Below.")
    seed: int = option(1, "Of the paint.")

    def __post_init__(self):
        check(self)


@dataclass(frozen=True, slots=True)
class Wall:
    seed: int = option(2, "Decides all.")


SEEN = []


@options.settings_as_options
def render(
    *,
    paint: Annotated[Paint, options.Fields("shade coats where inner.depth names glossy seed")],
    where: Annotated[str, typer.Option(help="Which wall.")] = "left",
    last: Annotated[int, typer.Option(help="Before the seed.")] = 0,
    wall: Annotated[Wall, options.Fields("seed")],
) -> None:
    """Paint a wall."""
    SEEN.append((paint, wall, where, last))


def called(*arguments):
    SEEN.clear()
    app = typer.Typer()
    app.command()(render)
    get_command(app).main(list(arguments), standalone_mode=False)
    return SEEN[0]


def test_a_command_is_given_records():
    assert called() == (Paint(seed=2), Wall(), "left", 0)
    assert called("--shade", "dark", "--coats", "3", "--seed", "7", "--where", "right") == (
        Paint("dark", 3, seed=7),
        Wall(7),
        "right",
        0,
    )


def test_tuples_flags_and_records_within_records():
    paint, *_ = called("--names", "x, y,x", "--glossy", "--depth", "0.5")
    assert paint == Paint(names=("x", "y"), glossy=True, inner=Inner(0.5), seed=2)


def test_options_stand_where_they_are_named_and_shared_ones_last():
    parameters = inspect.signature(render).parameters
    assert list(parameters) == ["shade", "coats", "where", "depth", "names", "glossy", "last", "seed"]
    assert parameters["shade"].default.help == "How it looks: light, dark."
    assert (parameters["names"].default.default, parameters["seed"].default.default) == ("a,b", 2)
    assert parameters["depth"].annotation == float | None
    assert render.__doc__ == "Paint a wall."


def test_what_the_record_refuses_is_refused():
    with pytest.raises(BadSetting, match=r"^shade is 'drak': it must be one of: light, dark"):
        called("--shade", "drak")


@dataclass(frozen=True)
class Offering:
    method: str = option("dai", "One of: {choices}.", choices=("dai", "amig", "amig_mean"))
    parts: tuple[str, ...] = option(("dai",), "Some of: {choices}.", choices=("dai", "amig"))
    path: str = option("", "Any.")


def test_the_shell_is_offered_the_valid_names():
    @options.settings_as_options
    def command(*, record: Annotated[Offering, options.Fields("method parts path")]) -> None: ...

    offered = {name: each.default.autocompletion for name, each in inspect.signature(command).parameters.items()}
    assert offered["method"]("am") == ["amig", "amig_mean"]
    assert offered["parts"]("dai,a") == ["dai,amig"]
    assert offered["path"] is None

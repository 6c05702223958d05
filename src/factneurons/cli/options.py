"""Options: those that several commands have, and those that are the fields of a settings record.

A command asks for a record in its signature, beside it the fields that are its options, and for its other parameters as
typer has them:

    @settings_as_options
    def locate(*, settings: Annotated[AttributionSettings, Fields("method rule")], limit: Limit = None) -> None:

`--method` and `--rule` then have their types, defaults and helps from the record, and the command is given the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

import factneurons as fn
from factneurons.settings import Option, option, options_of


def listed(names: Iterable[str]) -> str:
    """Names with commas between them."""
    return ", ".join(names)


@dataclass(frozen=True, slots=True)
class Loading:
    """How a command loads its model: what `load_model` takes beside the name."""

    dtype: str = option("float32", "One of: {choices}.", choices=fn.DTYPES)
    device: str | None = option(None, "cpu, cuda, cuda:1 or mps. Default: cuda where there is one.")
    device_map: str | None = option(None, "Spread the layers over devices, for instance auto.")
    revision: str | None = option(None, "Models of the hub: a branch, tag or commit.")
    trust_remote_code: bool = option(False, "Let Python files that come with a model run.")
    chat: bool = option(False, "Ask through the tokenizer's chat template; the answer begins the assistant's turn.")
    allow_pickle: bool = option(False, "Read pickled weights (pytorch_model.bin), tensors only, where nothing else is.")

    def model(self, name: str) -> fn.Model:
        """The model of this name."""
        return fn.load_model(name, **asdict(self))

    def model_of(self, run: Path, model: str | None) -> fn.Model:
        """The model that made a run, where it is now."""
        kept = ("dtype", "revision", "chat")
        return fn.model_of(run, model, **{name: value for name, value in asdict(self).items() if name not in kept})

    def granted(self) -> list[str]:
        """What the user allowed, which no run keeps and a later command needs again, as options."""
        allowed = {"--trust-remote-code": self.trust_remote_code, "--allow-pickle": self.allow_pickle}
        return [name for name, given in allowed.items() if given]

    def model_for_run(self, name: str, facts: str, out: Path, limit: int | None) -> fn.Model:
        """The model of this name; what can be refused without it is, before a large one is loaded."""
        fn.load_facts(facts, limit=limit)
        fn.Run.check_folder(out)
        return self.model(name)


_HELP = {each.name: each.help for each in options_of(Loading)}

_SCHEMES = ", ".join(name for name in fn.FORMATS if f".{name}" not in fn.SUFFIXES)
FACTS_HELP = (
    f"A file ({listed(fn.SUFFIXES)}), bundled, or SCHEME:PATH with one of the schemes {_SCHEMES}; options follow after "
    "a question mark: bundled?relation=capital&lang=en."
)
MODEL_HELP = "A bundled model (pocket-gpt2), a folder, or a name on the Hugging Face Hub."
ModelName = Annotated[str, typer.Option("--model", metavar="MODEL", help=MODEL_HELP)]
FactsSpec = Annotated[str, typer.Option("--facts", metavar="FACTS", help=FACTS_HELP)]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run: what --out of locate was.")]
Device = Annotated[str | None, typer.Option(help=_HELP["device"])]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out bad records and facts that fail, count them, and go on.")
]
Limit = Annotated[int | None, typer.Option(help="Only the first so many facts.")]
MultiMask = Annotated[bool, typer.Option("--multi-mask", help="Masked models: one mask for each token of an answer.")]
RunModel = Annotated[
    str | None, typer.Option(metavar="MODEL", help="Where the run's model is now. Default: where it was.")
]


class Fields:
    """Beside a settings record: the names of the fields that are options, in their order in the help.

    "comparison.missing" is the field `missing` of the record in the field `comparison`. The name of another parameter
    of the command says that its option stands there. An option of several records stands where the last of them has
    it, and all of them are given its value.
    """

    def __init__(self, names: str) -> None:
        self.names = names.split()


def settings_as_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer reads it: every field that `Fields` names is an option, and no record is a parameter."""
    hints = get_type_hints(command, include_extras=True)
    given_by = {name: each.names for name, hint in hints.items() for each in get_args(hint) if isinstance(each, Fields)}
    placed = {name for names in given_by.values() for name in names}
    records: dict[str, tuple[Any, list[str]]] = {}
    parameters: dict[str, Parameter] = {}
    order: list[str] = []
    for name, parameter in signature(command).parameters.items():
        if name in given_by:
            record, fields = get_args(hints[name])[0], [path for path in given_by[name] if path not in hints]
            made = [_parameter(_option(record, path)) for path in fields]
            parameters |= {each.name: each for each in made}
            records[name] = record, fields
            order += (path.rpartition(".")[2] for path in given_by[name])
        else:
            parameters[name] = parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name])
            order += [] if name in placed else [name]

    @wraps(command)
    def run(**given: Any) -> None:
        filled = {name: _filled(record(), fields, given) for name, (record, fields) in records.items()}
        command(**filled, **{name: given[name] for name in given if name in hints})

    ordered = [parameters[name] for name in reversed(dict.fromkeys(reversed(order)))]
    run.__annotations__ = {each.name: each.annotation for each in ordered}
    vars(run)["__signature__"] = Signature(ordered)
    return run


def _option(record: Any, path: str) -> Option:
    first, _, rest = path.partition(".")
    found = next(each for each in options_of(record) if each.name == first)
    return _option(found.kind, rest) if rest else found


def _parameter(option: Option) -> Parameter:
    """A tuple is given with commas between its parts; True is given by the option's name alone."""
    kind, default = option.kind, option.default
    if kind is tuple:
        kind, default = str, ",".join(default)
    declared = [f"--{option.name.replace('_', '-')}"] if kind is bool else []
    annotation = kind | None if option.optional else kind
    written = typer.Option(default, *declared, help=option.help, autocompletion=_completing(option))
    return Parameter(option.name, Parameter.KEYWORD_ONLY, default=written, annotation=annotation)


def _completing(option: Option) -> Callable[[str], list[str]] | None:
    """What the shell may fill in: the valid names; of a tuple, those of the part behind the last comma."""
    if not option.choices:
        return None

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",") if option.kind is tuple else ("", "", incomplete)
        return [f"{before}{comma}{name}" for name in option.choices if name.startswith(last)]

    return complete


def _filled(record: Any, fields: Iterable[str], given: dict[str, Any]) -> Any:
    """The record with the values of its options."""
    values: dict[str, Any] = {}
    for path in fields:
        first, _, rest = path.partition(".")
        if rest:
            values[first] = _filled(values.get(first, getattr(record, first)), [rest], given)
        elif isinstance(getattr(record, first), tuple):
            parts = given[first].split(",") if given[first] else ()
            values[first] = tuple(dict.fromkeys(part.strip() for part in parts))
        else:
            values[first] = given[first]
    return replace(record, **values)

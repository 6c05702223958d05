"""What a file format is to this room: a name, its options, and a function that reads it in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from factneurons.errors import BadSetting
from factneurons.facts.problems import BadRecord, Skipped
from factneurons.facts.types import Fact, Prompt

OnSkip = Callable[[Skipped], None]


def is_there(check: Callable[[], bool]) -> bool:
    """Ask `path.is_file` or `path.is_dir`; a name that no file can have is not there."""
    try:
        return check()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a spec. `parse` turns its text into a value and raises ValueError with the reason."""

    help: str
    default: Any = None
    parse: Callable[[str], Any] = str


@dataclass(frozen=True, slots=True)
class Request:
    """What to read: the parts of a spec, its options parsed.

    Attributes:
        spec: the spec as it was written.
        argument: what stands between the scheme and the options: a file, a folder or a name.
        options: every option of the format, with its default where it was not given.
    """

    spec: str
    argument: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The argument as a path."""
        return Path(self.argument)

    def folder(self) -> Path:
        """The argument, which must be a folder that is there.

        Raises:
            BadSetting: it is not.
        """
        if not self.argument or not is_there(self.path.is_dir):
            raise BadSetting(f"{self.spec}: there is no folder {self.argument or '(none given)'}")
        return self.path

    def file(self, option: str = "") -> Path:
        """The argument, or the value of an option, which must be a file that is there.

        Raises:
            BadSetting: it is not.
        """
        path = Path(self.options[option]) if option else self.path
        if not is_there(path.is_file):
            raise BadSetting(f"{self.spec}: there is no file {path if str(path) != '.' else '(none given)'}")
        return path

    def chosen(self, option: str, available: Sequence[str]) -> tuple[str, ...]:
        """The names given for an option, all of `available` if none were.

        Raises:
            BadSetting: a name that is not available, or nothing is.
        """
        if not available:
            raise BadSetting(f"{self.spec}: nothing to read was found there; see docs/facts.md for the layout")
        wanted: tuple[str, ...] = self.options.get(option) or tuple(available)
        unknown = [name for name in wanted if name not in available]
        if unknown:
            raise BadSetting(f"{self.spec}: unknown {option} {unknown[0]!r}; available: {', '.join(available)}")
        return wanted


class Slot:
    """The record that is being read; a format fills in the fact's id as soon as it knows it."""

    fact_id = ""


class Reading:
    """One pass over a source: how much was read, what was left out, and why.

    Attributes:
        records: records seen. They add up: records = read + sum(skipped) + sum(left_out).
        read: facts handed on.
        skipped: reason code -> records that were no usable fact.
        skipped_parts: reason code -> prompts, patterns or wrong answers left out of facts that were read.
        left_out: reason -> facts that the spec's own options left out ("not_selected", "not_joined", "not_sampled",
            "excluded"); they are no fault and are not reported one by one.
    """

    def __init__(self, *, skip_bad: bool = False, on_skip: OnSkip | None = None) -> None:
        self.skip_bad = skip_bad
        self.on_skip = on_skip
        self.records = 0
        self.read = 0
        self.skipped: Counter[str] = Counter()
        self.skipped_parts: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    @contextmanager
    def record(self, where: str) -> Iterator[Slot]:
        """Around the reading of one record: a problem in it stops the pass, or is counted with `skip_bad`."""
        self.records += 1
        slot = Slot()
        try:
            yield slot
        except BadRecord as problem:
            self.refuse(problem.at(where, slot.fact_id))

    @contextmanager
    def part(self, where: str, fact_id: str = "") -> Iterator[None]:
        """Around one prompt or pattern, which a record can do without: as `record`."""
        try:
            yield
        except BadRecord as problem:
            problem = problem.at(where, fact_id)
            if not self.skip_bad:
                raise problem from None
            self._count(problem, part=True)

    def refuse(self, problem: BadRecord) -> None:
        """A record that cannot be used: raise the problem, or count it with `skip_bad`."""
        if not self.skip_bad:
            raise problem from None
        self._count(problem, part=False)

    def skip(self, problem: BadRecord) -> None:
        """A record that the data set itself makes unusable: counted, with or without `skip_bad`."""
        self._count(problem, part=False)

    def skip_part(self, problem: BadRecord) -> None:
        """A prompt or a wrong answer that a fact can do without: counted, with or without `skip_bad`."""
        self._count(problem, part=True)

    def distinct(self, prompts: Sequence[Prompt], where: str, fact_id: str) -> tuple[Prompt, ...]:
        """The prompts without those that come a second time, which are counted."""
        kept = dict.fromkeys(prompts)
        if len(kept) < len(prompts):
            seen: set[Prompt] = set()
            for prompt in prompts:
                if prompt in seen:
                    detail = "the same prompt again; it is asked once"
                    self.skip_part(BadRecord("duplicate_prompt", detail, where, fact_id, prompt.text))
                seen.add(prompt)
        return tuple(kept)

    def _count(self, problem: BadRecord, *, part: bool) -> None:
        counter = self.skipped_parts if part else self.skipped
        counter[problem.reason] += 1
        if self.on_skip is not None:
            self.on_skip(Skipped(problem.where, problem.fact_id, problem.prompt, problem.reason, problem.detail, part))


def no_files(_: Request) -> Sequence[Path]:
    """For formats that read no files."""
    return ()


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of source.

    Attributes:
        name: the scheme, what stands before the colon of a spec.
        argument: what stands after it, for messages: "FILE", "FOLDER" or "NAME".
        summary: one line for people.
        read: one pass over the facts.
        files: the files that will be read; raises BadSetting if something is not there.
        options: the options it has beside those every format has.
        selects: those of the common options (`lang`, `relation`) that `read` heeds itself.
        derived_ids: the ids are made from the content, so a fact that is there twice is no mistake
            of the user's and is only counted.
    """

    name: str
    argument: str
    summary: str
    read: Callable[[Request, Reading], Iterator[Fact]]
    files: Callable[[Request], Sequence[Path]]
    options: Mapping[str, Option] = field(default_factory=dict)
    selects: frozenset[str] = frozenset()
    derived_ids: bool = False


def words(text: str) -> tuple[str, ...]:
    """Parse names with commas between them."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ValueError("it must be one name, or several with commas between them")
    return names


def count(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0):
        raise ValueError(f"it must be a whole number of at least 1, not {text!r}")
    return int(text)


def whole_number(text: str) -> int:
    """Parse a whole number of at least 0."""
    return 0 if text == "0" else count(text)


def choice(*names: str) -> Callable[[str], str]:
    """Make a parser that accepts one of `names`."""

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"it must be one of {', '.join(names)}, not {text!r}")
        return text

    return parse

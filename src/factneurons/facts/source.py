"""Facts from a spec: choose the format, check its options, read, select, count."""

from __future__ import annotations

import hashlib
import random
import re
import zlib
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from factneurons.errors import BadSetting
from factneurons.facts.formats.registry import FORMATS, SUFFIXES
from factneurons.facts.pieces import PACKED
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import (
    Format,
    OnSkip,
    Option,
    Reading,
    Request,
    choice,
    count,
    is_there,
    no_files,
    whole_number,
    words,
)
from factneurons.facts.types import Fact
from factneurons.settings import check_number

COMMON_OPTIONS: Mapping[str, Option] = {
    "lang": Option("languages to read, with commas between them", None, words),
    "relation": Option("relations to read, with commas between them", None, words),
    "dated": Option("yes: only facts with a date; no: only facts without", None, choice("yes", "no")),
    "limit": Option("stop after so many facts", None, count),
    "joined": Option("yes: only facts that every language has; sample then draws ids", "no", choice("yes", "no")),
    "sample": Option("so many facts, drawn evenly from the whole source", None, count),
    "seed": Option("the seed of `sample`", 0, whole_number),
}
"""The options that every format has."""

_SCHEME = re.compile(r"([a-z][a-z0-9_]+)(?::(.*))?", re.DOTALL)  # one letter would be a drive of Windows


class FactSource:
    """Facts, read anew each time it is iterated over, one at a time.

    A file is never held whole; one hash of 16 bytes per fact is, to find ids that come twice. While and
    after it is iterated over, `records`, `read`, `skipped`, `skipped_parts` and `left_out` count the
    latest pass (see `Reading`).

    Attributes:
        spec: what was asked for.
        description: the same for people.
        files: the data files it reads.

    Raises:
        BadFact: (while iterating, without `skip_bad`) a record that cannot be used, "FILE:LINE: ...".
    """

    def __init__(
        self,
        source_format: Format,
        request: Request,
        *,
        skip_bad: bool = False,
        on_skip: OnSkip | None = None,
        limit: int | None = None,
    ) -> None:
        self.spec = request.spec
        self.description = f"{source_format.summary} ({request.spec})"
        self.files = tuple(source_format.files(request))
        self._format = source_format
        self._request = request
        self._skip_bad, self._on_skip = skip_bad, on_skip
        self._limit = _smaller(limit, request.options.get("limit"))
        self._reading = Reading()

    def __iter__(self) -> Iterator[Fact]:
        reading = self._reading = Reading(skip_bad=self._skip_bad, on_skip=self._on_skip)
        try:
            with closing(self._selected(reading)) as facts:
                for fact in facts:
                    reading.read += 1
                    yield fact
                    if reading.read == self._limit:
                        return
        except (OSError, EOFError, zlib.error) as error:  # the latter two: packed data that is cut off or damaged
            raise BadSetting(f"{self.spec}: cannot be read: {error}") from error

    def _selected(self, reading: Reading) -> Generator[Fact, None, None]:
        read = _distinct(self._format.read(self._request, reading), reading, self._format.derived_ids)
        options = {name: value for name, value in self._request.options.items() if name not in self._format.selects}
        facts = _filtered(read, reading, options)
        if options.get("joined") == "yes":
            yield from _joined(facts, reading, self._request.options.get("lang"), options["sample"], options["seed"])
        elif options.get("sample") is None:
            yield from facts
        else:
            yield from _sampled(facts, reading, options["sample"], options["seed"])

    def again(self, *, skip_bad: bool, on_skip: OnSkip | None, limit: int | None) -> FactSource:
        """The same facts, read under these conditions and its own."""
        return FactSource(
            self._format,
            self._request,
            skip_bad=skip_bad or self._skip_bad,
            on_skip=on_skip,
            limit=_smaller(limit, self._limit),
        )

    @property
    def records(self) -> int:
        """Records seen in the latest pass: read + skipped + left out."""
        return self._reading.records

    @property
    def read(self) -> int:
        """Facts handed on in the latest pass."""
        return self._reading.read

    @property
    def skipped(self) -> Mapping[str, int]:
        """Reason code -> records of the latest pass that were no usable fact."""
        return dict(self._reading.skipped)

    @property
    def skipped_parts(self) -> Mapping[str, int]:
        """Reason code -> prompts, patterns and wrong answers left out of facts that were read."""
        return dict(self._reading.skipped_parts)

    @property
    def left_out(self) -> Mapping[str, int]:
        """Reason -> facts that the spec's own options left out in the latest pass."""
        return dict(self._reading.left_out)

    def sha256(self) -> str:
        """The hash of the data: of the file, or of the names and hashes of the files if there are several.

        Facts in memory are hashed by their content; a hub data set by its spec, as it has no file here.
        """
        if self._format.name == _MEMORY:
            keys = hashlib.sha256()
            for fact in self._format.read(self._request, Reading()):
                keys.update(fact.key.encode())
            return keys.hexdigest()
        if not self.files:
            return hashlib.sha256(self.spec.encode()).hexdigest()
        digests = [_file_sha256(path) for path in self.files]
        if len(digests) == 1:
            return digests[0]
        together = sorted(f"{digest} {path.name}" for digest, path in zip(digests, self.files, strict=True))
        return hashlib.sha256("\n".join(together).encode()).hexdigest()

    def __repr__(self) -> str:
        return f"FactSource({self.spec!r})"


def _smaller(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def load_facts(
    spec: str | Path | Iterable[Fact],
    *,
    skip_bad: bool = False,
    on_skip: OnSkip | None = None,
    limit: int | None = None,
) -> FactSource:
    """Facts from a file, a data set, the bundled facts, or memory.

    Args:
        spec: "bundled"; the path of a .jsonl, .json, .csv, .tsv or .parquet file (a text packed as .gz too);
            "SCHEME:FILE", for instance
            "templama:val.jsonl" (docs/facts.md lists the schemes); options follow after a question mark,
            "bundled?relation=capital,currency&lang=zh". Or facts made by hand, or a source, which keeps its own limit
            and goes on after bad records if it did.
        skip_bad: go on after a record that cannot be used, and count it.
        on_skip: called with every record and prompt that is left out.
        limit: stop after so many facts.

    Raises:
        BadSetting: an unknown scheme or option, a file that is not there.
    """
    if limit is not None:
        check_number("limit", limit, whole=True, least=1)
    if isinstance(spec, FactSource):
        return spec.again(skip_bad=skip_bad, on_skip=on_skip, limit=limit)
    if isinstance(spec, Path):
        source_format, request = _parse_path(spec)
    elif isinstance(spec, str):
        source_format, request = _parse_spec(spec)
    else:
        source_format, request = _in_memory(spec)
    return FactSource(source_format, request, skip_bad=skip_bad, on_skip=on_skip, limit=limit)


_MEMORY = "memory"


def _in_memory(facts: Iterable[Fact]) -> tuple[Format, Request]:
    if isinstance(facts, Iterator):  # it could be read only once
        facts = tuple(facts)

    def read(_: Request, reading: Reading) -> Iterator[Fact]:
        for number, fact in enumerate(facts, start=1):
            reading.records += 1
            if not isinstance(fact, Fact):
                raise BadSetting(f"facts in memory: number {number} is no Fact but {shown(fact)}")
            yield fact

    return Format(_MEMORY, "", "Facts in memory", read, no_files), Request("facts in memory", "")


def _parse_path(path: Path) -> tuple[Format, Request]:
    source_format = _format_of_path(path, str(path))
    return source_format, Request(str(path), str(path), _options(source_format, "", str(path)))


def _parse_spec(spec: str) -> tuple[Format, Request]:
    if suffix_of(Path(spec)) in SUFFIXES and is_there(Path(spec).is_file):  # a name may hold a colon or a question mark
        return _parse_path(Path(spec))
    place, _, query = spec.partition("?")
    scheme = _SCHEME.fullmatch(place)
    if scheme and scheme[1] in FORMATS:
        source_format, argument = FORMATS[scheme[1]], scheme[2] or ""
    elif scheme and scheme[2] is not None:
        schemes = ", ".join(sorted(FORMATS))
        raise BadSetting(f"{spec}: unknown scheme {scheme[1]!r}; valid: {schemes}, or the path of a file")
    else:
        source_format, argument = _format_of_path(Path(place), spec), place
    return source_format, Request(spec, argument, _options(source_format, query, spec))


def _format_of_path(path: Path, spec: str) -> Format:
    name = SUFFIXES.get(suffix_of(path))
    if name is None:
        suffixes, schemes = ", ".join(SUFFIXES), ", ".join(sorted(FORMATS))
        raise BadSetting(f"{spec}: which format is that? Give a file that ends in {suffixes}, or a scheme: {schemes}")
    return FORMATS[name]


def suffix_of(path: Path) -> str:
    """The end of a file's name that says its format; `.gz` behind it says that it is packed, nothing else."""
    return (path.with_suffix("") if path.suffix.lower() == PACKED else path).suffix.lower()


def _options(source_format: Format, query: str, spec: str) -> dict[str, Any]:
    known = {**COMMON_OPTIONS, **source_format.options}
    values = {name: option.default for name, option in known.items()}
    given: set[str] = set()
    for part in query.split("&") if query else ():
        name, equals, text = part.partition("=")
        if name not in known:
            valid = ", ".join(sorted(known))
            raise BadSetting(f"{spec}: unknown option {name!r}; valid for {source_format.name}: {valid}")
        if not equals or not text or name in given:
            problem = "is given twice" if name in given else f"needs a value, {name}=..."
            raise BadSetting(f"{spec}: the option {name!r} {problem}")
        try:
            values[name] = known[name].parse(unquote(text))
        except ValueError as error:
            raise BadSetting(f"{spec}: the option {name!r}: {error}") from None
        given.add(name)
    return values


def _distinct(facts: Iterator[Fact], reading: Reading, derived_ids: bool) -> Iterator[Fact]:
    seen: set[bytes] = set()
    for fact in facts:
        name = f"{fact.id}\0{fact.language}".encode(errors="surrogatepass")
        digest = hashlib.blake2b(name, digest_size=16).digest()
        if digest in seen:
            detail = f"this id was already there for the language {fact.language!r}; ids must be unique"
            problem = BadRecord("duplicate_fact", detail, fact.source, fact.id)
            (reading.skip if derived_ids else reading.refuse)(problem)
        else:
            seen.add(digest)
            yield fact


def _filtered(facts: Iterator[Fact], reading: Reading, options: Mapping[str, Any]) -> Iterator[Fact]:
    languages, relations = options.get("lang"), options.get("relation")
    dated = options.get("dated")
    for fact in facts:
        if (
            (languages is None or fact.language in languages)
            and (relations is None or fact.relation in relations)
            and (dated is None or (fact.date is not None) == (dated == "yes"))
        ):
            yield fact
        else:
            reading.left_out["not_selected"] += 1


def _sampled(facts: Iterator[Fact], reading: Reading, size: int, seed: int) -> Iterator[Fact]:
    """Draw `size` facts evenly from a stream of unknown length (reservoir sampling), in their order."""
    draw = random.Random(seed)
    kept: list[tuple[int, Fact]] = []
    for number, fact in enumerate(facts):
        if number < size:
            kept.append((number, fact))
            continue
        place = draw.randrange(number + 1)
        if place < size:
            kept[place] = (number, fact)
        reading.left_out["not_sampled"] += 1
    for _, fact in sorted(kept, key=lambda item: item[0]):
        yield fact


def _joined(
    facts: Iterator[Fact], reading: Reading, languages: Sequence[str] | None, size: int | None, seed: int
) -> Iterator[Fact]:
    """The facts that every language has, or so many of their ids, in the order of the source.

    All facts are held: the last language may be the last file.
    """
    held = list(facts)
    has: dict[str, set[str]] = defaultdict(set)
    for fact in held:
        has[fact.id].add(fact.language)
    wanted = set(languages or ()) or set().union(*has.values())
    ids = [name for name, own in has.items() if own >= wanted]
    drawn = set(ids if size is None or size >= len(ids) else random.Random(seed).sample(ids, size))
    whole = set(ids)
    for fact in held:
        if fact.id in drawn:
            yield fact
        else:
            reading.left_out["not_sampled" if fact.id in whole else "not_joined"] += 1


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

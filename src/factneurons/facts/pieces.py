"""Reading files piece by piece: lines of text, JSON lines, and the members of one big JSON list.

Nothing here holds more of a file than one record, whatever the file's size.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn, cast

from factneurons.facts.fields import Fields
from factneurons.facts.problems import BadRecord, shown

LONGEST = 16 * 2**20
"""Bytes of the longest line or record that is read."""

_CHUNK = 2**20
PACKED = ".gz"
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# A whole string, or the start of one that has not ended yet, or a character that opens, closes or divides.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """One record of a file as it stands there, not parsed yet.

    Attributes:
        where: "FILE:LINE" of its first line, counted from 1.
        data: its bytes.
        problem: why it could not be read, if it could not.
    """

    where: str
    data: bytes
    problem: BadRecord | None = None

    def json(self) -> object:
        """The value of the piece.

        Raises:
            BadRecord: it is no strict JSON (see `parse_json`).
        """
        if self.problem is not None:
            raise self.problem
        return parse_json(self.data)

    def fields(self) -> Fields:
        """The object the piece holds.

        Raises:
            BadRecord: it is no strict JSON, or no object.
        """
        return Fields(self.json())


def parse_json(data: bytes) -> object:
    """Parse strict JSON: UTF-8, no byte order mark, no NaN, no field twice.

    Raises:
        BadRecord: it is anything else.
    """
    text = decode(data)
    try:
        return json.loads(text, object_pairs_hook=_object_without_doubles, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadRecord("too_deep", "lists or objects are nested too deeply") from None
    except json.JSONDecodeError as error:
        cut = "; was the line cut off?" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else ""
        what = error.msg.removesuffix(" starting at")
        raise BadRecord("unreadable", f"no valid JSON: {what} at character {error.pos + 1}{cut}") from None
    except ValueError as error:  # a whole number of more digits than Python converts
        raise BadRecord("unreadable", f"no readable JSON: {shown(str(error))}") from None


def decode(data: bytes) -> str:
    """UTF-8 bytes as text.

    Raises:
        BadRecord: a byte order mark, a NUL, or bytes that are no UTF-8.
    """
    if data.startswith(_BYTE_ORDER_MARKS):
        raise BadRecord("encoding", "it starts with a byte order mark; save the file as plain UTF-8")
    if b"\0" in data:
        raise BadRecord("encoding", f"a NUL byte at byte {data.index(0) + 1}; is this a text file?")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadRecord("encoding", f"no UTF-8 text at byte {error.start + 1}; save the file as UTF-8") from None


def _object_without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise BadRecord("duplicate_field", f"the field {shown(double)} is there twice in one object")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise BadRecord("not_a_number", f"{name} is no JSON number")


def opened(path: Path) -> IO[bytes]:
    """A file to be read as bytes; one whose name ends in .gz is unpacked on the way."""
    return cast(IO[bytes], gzip.open(path)) if path.suffix.lower() == PACKED else path.open("rb")


def records(path: Path) -> Iterator[Piece]:
    """The records of a file, whether it is one JSON list or JSON lines.

    It is JSON lines if its first line is a whole value: an object, or a list that another line follows.
    """
    return lines(path) if _has_lines(path) else members(path)


def _has_lines(path: Path) -> bool:
    with opened(path) as file:
        first = b""
        while not first.strip():
            first = file.readline(_CHUNK)
            if not first:
                return False
        opens = first.lstrip()[:1]
        if not first.endswith(b"\n") and len(first) == _CHUNK:
            return opens == b"{"
        try:
            json.loads(first)
        except (ValueError, RecursionError):
            return False
        return opens == b"{" or any(rest.strip() for rest in file)


def lines(path: Path) -> Iterator[Piece]:
    """The lines of a file that hold anything, without their line ends."""
    with opened(path) as file:
        number = 0
        while line := file.readline(LONGEST + 1):
            number += 1
            where = f"{path}:{number}"
            if len(line) > LONGEST and not line.endswith(b"\n"):
                _skip_line(file)
                yield Piece(where, b"", _too_long("the line"))
            elif line.strip():
                yield Piece(where, line.rstrip(b"\r\n"))


def _skip_line(file: IO[bytes]) -> None:
    while (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
        pass


def _too_long(what: str) -> BadRecord:
    return BadRecord("too_long", f"{what} is longer than {LONGEST // 2**20} MiB")


def members(path: Path) -> Iterator[Piece]:
    """The members of the JSON list or object that a whole file is, one after the other.

    A member of an object comes as an object with one field. A file that is neither, or that ends too
    early, gives a last piece with a problem.
    """
    with opened(path) as file:
        splitter = _Splitter(path)
        while chunk := file.read(_CHUNK):
            yield from splitter.feed(chunk)
            if splitter.broken:
                return
        yield from splitter.end()


class _Splitter:
    """Cuts a JSON list or object at the commas of its outermost level."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.buffer = b""
        self.start = 0  # of the member that is being read
        self.at = 0  # up to here the buffer was looked at
        self.line = 1  # of the buffer's byte at `start`
        self.depth = 0
        self.opened = b""  # the outermost bracket
        self.closed = self.broken = False

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """The members that are complete with this chunk."""
        self.buffer = self.buffer[self.start :] + chunk
        self.at, self.start = self.at - self.start, 0
        if not self.opened:
            yield from self._open()
        while not self.broken and not self.closed and (token := _TOKEN.search(self.buffer, self.at)):
            if token[0] == b'"':  # the string goes on in the next chunk
                self.at = token.start()
                break
            self.at = token.end()
            yield from self._step(token[0])
        else:
            self.at = len(self.buffer)
        if len(self.buffer) - self.start > LONGEST and not self.broken:
            yield self._stop(_too_long("the record"))
        elif self.closed and self.buffer[self.start :].strip():
            yield self._stop(BadRecord("unreadable", "there is text after the end of the list"))

    def end(self) -> Iterator[Piece]:
        """What is left at the end of the file: a problem, if anything."""
        if not self.opened:
            yield self._stop(BadRecord("unreadable", "the file is empty; it must be one JSON list or object"))
        elif not self.closed:
            yield self._stop(BadRecord("unreadable", "the file ends inside its list; was it cut off?"))

    def _open(self) -> Iterator[Piece]:
        first = self.buffer.lstrip()[:1]
        if first in (b"[", b"{"):
            self.opened, self.depth = first, 1
            self._go_on(self.buffer.index(first) + 1)
        elif first:
            problem = BadRecord("unreadable", "the file must be one JSON list or object")
            if self.buffer.startswith(_BYTE_ORDER_MARKS):
                problem = BadRecord("encoding", "it starts with a byte order mark; save the file as plain UTF-8")
            yield self._stop(problem)

    def _step(self, token: bytes) -> Iterator[Piece]:
        if token in (b"[", b"{"):
            self.depth += 1
        elif token in (b"]", b"}"):
            self.depth -= 1
            self.closed = self.depth == 0
        if self.closed or (token == b"," and self.depth == 1):
            piece = self._cut()
            if piece.data or not self.closed:
                yield piece

    def _cut(self) -> Piece:
        """The member that ends just before `at`."""
        raw = self.buffer[self.start : self.at - 1]
        data = raw.strip()
        line = self.line + raw[: len(raw) - len(raw.lstrip())].count(b"\n")
        self._go_on(self.at)
        if self.opened == b"{" and data:
            data = b"{" + data + b"}"
        return Piece(f"{self.path}:{line}", data)

    def _go_on(self, place: int) -> None:
        self.line += self.buffer.count(b"\n", self.start, place)
        self.start = self.at = place

    def _stop(self, problem: BadRecord) -> Piece:
        self.broken = True
        rest = self.buffer[self.start :]
        line = self.line + rest[: len(rest) - len(rest.lstrip())].count(b"\n")
        detail = f"{problem.detail}; nothing after this line was read"
        return Piece(f"{self.path}:{line}", b"", BadRecord(problem.reason, detail))

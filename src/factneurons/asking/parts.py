"""Titles and rows of text: what a terminal and a notebook show of the same result, said once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from unicodedata import combining, east_asian_width

from factneurons.models.types import Written
from factneurons.statistics import LEAST_PROBABILITY

_BAR = 24
CELL = "text-align: left; padding: .15em 1.2em .15em 0; vertical-align: top"
_HIDDEN = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Part:
    """A table of text that a terminal can show: see `visible`.

    Attributes:
        title: what it shows.
        head: the names of its columns.
        rows: its cells, row by row.
        note: what a reader should know of it; "": nothing.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("title", "note"):
            object.__setattr__(self, name, visible(getattr(self, name)))
        object.__setattr__(self, "head", tuple(map(visible, self.head)))
        object.__setattr__(self, "rows", tuple(tuple(map(visible, row)) for row in self.rows))


def as_html(title: str, parts: Iterable[Part], notes: Sequence[str] = ()) -> str:
    """Parts as HTML for a notebook: tables without script, style sheet or colours, all text escaped."""
    shown = [f"<p><b>{escape(title)}</b></p>"]
    for part in parts:
        head = "".join(f'<th scope="col" style="{CELL}">{escape(name)}</th>' for name in part.head)
        cells = ("".join(f'<td style="{CELL}">{escape(cell)}</td>' for cell in row) for row in part.rows)
        rows = "".join(f"<tr>{each}</tr>" for each in cells)
        caption = f'<caption style="{CELL}">{escape(part.title)}</caption>'
        shown.append(f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
        shown += [f"<p>{escape(part.note)}</p>"] if part.note else []
    return "<div>" + "".join([*shown, *(f"<p>{escape(note)}</p>" for note in notes)]) + "</div>"


def as_text(title: str, parts: Iterable[Part], notes: Sequence[str] = ()) -> str:
    """The same as plain text, for a Python prompt and a notebook that shows no HTML: columns apart by blanks."""
    lines = [visible(title)]
    for part in parts:
        rows = [part.head, *part.rows]
        widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
        lines += ["", part.title]
        for row in rows:
            padded = (cell + " " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True))
            lines.append("   ".join(padded).rstrip())
        lines += [part.note] if part.note else []
    return "\n".join([*lines, *("\n" + visible(note) for note in notes)])


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes: wide letters take two, what combines takes none."""
    return sum(0 if combining(letter) else 1 + (east_asian_width(letter) in "WF") for letter in text)


def visible(text: str) -> str:
    """A text in which what steers a terminal, or turns the direction of the text around it, is replaced."""
    return "".join(letter if letter.isprintable() else _HIDDEN for letter in text)


def probability(value: float) -> str:
    """A probability: 0.935, 1.2e-05."""
    return f"{value:.3f}" if value >= LEAST_PROBABILITY or value == 0 else f"{value:.1e}"


def change(before: float, after: float) -> str:
    """A relative change with its sign; of a probability that was next to nothing, how many nats it moved."""
    if before >= LEAST_PROBABILITY:
        return f"{(after - before) / before:+.1%}"
    return f"{math.log(after / before):+.1f} nats" if before > 0 and after > 0 else "-"


def middle_and_range(values: Sequence[float], signed: bool = False) -> str:
    """The mean of several draws, the lowest and the highest: 0.905 (0.812 to 0.941)."""
    if not values:
        return "-"
    mean, low, high = sum(values) / len(values), min(values), max(values)
    return "{} ({} to {})".format(*(f"{each:+.2f}" if signed else probability(each) for each in (mean, low, high)))


def bar(share: float) -> str:
    """A share of 1 as a bar; anything above nothing is seen."""
    return "\N{LOWER SEVEN EIGHTHS BLOCK}" * max(round(share * _BAR), int(share > 0))


def tokens(found: Sequence[str]) -> str:
    """Tokens with commas between them, their joining spaces left out."""
    return ", ".join(token.strip() for token in found)


def written(found: Written | None) -> tuple[str, str]:
    """What a neuron promotes and what it suppresses."""
    return ("-", "-") if found is None else (tokens(found.promotes), tokens(found.suppresses))

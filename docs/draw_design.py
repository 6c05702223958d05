"""The diagram of docs/design.md: rooms in their order, and the arrows between them, from the code's own imports.

    python docs/draw_design.py        writes docs/design.svg

Floors are those of the import contract in pyproject.toml, words are the rooms' own docstrings. Drawn are the arrows
that follow from no others (cli -> stages -> runs says that cli may rest on runs), and none to the ground, on which all
rooms stand. All arrows are listed in the picture's metadata, which a test compares with the imports.
"""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "factneurons"
FACE = "factneurons"
GROUND = ("tables", "settings", "statistics", "draws", "errors")

WIDTH, HEIGHT, GAP, RISE, MARGIN, BEND = 190, 58, 26, 44, 30, 22
INK, FAINT, LINE, PAPER = "#1f2937", "#6b7280", "#64748b", "#ffffff"
TINTS = ("#e0e7ff", "#dbeafe", "#dcfce7", "#fef3c7", "#f1f5f9")
"""Of the rooms that speak, keep, study, ask, and of the ground."""

Arrow = tuple[str, str]


def floors() -> list[list[str]]:
    """The rooms floor by floor, the top first, as the contract has them; the face stands below the benchmark."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (each["layers"] for each in contracts if each["type"] == "layers")
    found = [re.findall(rf"{PACKAGE}\.(\w+)", layer) for layer in layers]
    there = [[room for room in floor if _source(room).is_file()] for floor in found]
    return [*there[:2], [FACE], *there[2:]]


def arrows() -> list[Arrow]:
    """(importer, imported) of every two rooms, sorted."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    pairs = {
        (_room(module), _room(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    return sorted((one, other) for one, other in pairs if one != other)


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else FACE


def _source(room: str) -> Path:
    folder = ROOT / "src" / PACKAGE
    if room == FACE:
        return folder / "__init__.py"
    package = folder / room / "__init__.py"
    return package if package.is_file() else folder / f"{room}.py"


def words_of(room: str) -> list[str]:
    """What a room is, two lines at most: how its docstring begins."""
    if room == FACE:
        return ["the public face"]
    docstring = ast.get_docstring(ast.parse(_source(room).read_text(encoding="utf-8"))) or ""
    sentence = re.split(r"[:.;]", docstring.replace("\n", " "))[0]
    lines = textwrap.wrap(sentence, 30)
    return lines if len(lines) < 3 else textwrap.wrap(sentence.partition(",")[0], 30)[:2]


def necessary(pairs: Sequence[Arrow]) -> list[Arrow]:
    """The arrows that do not follow from others."""
    below: dict[str, set[str]] = {}
    for one, other in pairs:
        below.setdefault(one, set()).add(other)

    def reached(room: str) -> set[str]:
        return {each for next_room in below.get(room, ()) for each in (next_room, *reached(next_room))}

    return [(one, other) for one, other in pairs if not any(other in reached(each) for each in below[one])]


@dataclass(eq=False, slots=True)
class Place:
    """A box, or a point on which an arrow passes a floor on its way down."""

    room: str
    floor: int
    x: float = 0.0

    @property
    def width(self) -> float:
        """What it takes of its floor."""
        return WIDTH if self.room else 14

    @property
    def top(self) -> float:
        """Its upper edge."""
        return MARGIN + self.floor * (HEIGHT + RISE)


def placed(rows: Sequence[Sequence[str]], pairs: Sequence[Arrow]) -> tuple[list[list[Place]], list[list[Place]]]:
    """Every floor's places from left to right, and every arrow's places from its room down to the other."""
    house = [[Place(room, floor) for room in row] for floor, row in enumerate(rows)]
    at = {place.room: place for row in house for place in row}
    paths = []
    for one, other in pairs:
        points = [Place("", floor) for floor in range(at[one].floor + 1, at[other].floor)]
        for point in points:
            house[point.floor].append(point)
        paths.append([at[one], *points, at[other]])
    near: dict[int, list[Place]] = {id(place): [] for row in house for place in row}
    for path in paths:
        for upper, lower in pairwise(path):
            near[id(upper)].append(lower)
            near[id(lower)].append(upper)
    for row in house:
        _spread(row, [float(number) for number, _ in enumerate(row)])
    for _ in range(60):
        for row in (*house, *reversed(house)):
            middles = [sum(other.x for other in near[id(each)]) / max(1, len(near[id(each)])) for each in row]
            order = sorted(range(len(row)), key=middles.__getitem__)
            row[:] = [row[number] for number in order]
            _spread(row, [middles[number] for number in order])
    return house, paths


def _spread(row: Sequence[Place], wanted: Sequence[float]) -> None:
    """Put places as near to where they want to be as their widths allow, in this order."""
    groups: list[tuple[float, list[Place]]] = []  # middles of what touches, and who touches
    for place, middle in zip(row, wanted, strict=True):
        groups.append((middle, [place]))
        while len(groups) > 1 and _left(*groups[-1]) < _left(*groups[-2]) + _extent(groups[-2][1]):
            (middle_2, second), (middle_1, first) = groups.pop(), groups.pop()
            weight = len(first) / (len(first) + len(second))
            groups.append((weight * middle_1 + (1 - weight) * middle_2, first + second))
    for middle, places in groups:
        x = _left(middle, places)
        for place in places:
            place.x = x + (place.width + GAP) / 2
            x += place.width + GAP


def _extent(places: Sequence[Place]) -> float:
    return sum(place.width + GAP for place in places)


def _left(middle: float, places: Sequence[Place]) -> float:
    return middle - _extent(places) / 2


def _curve(path: Sequence[Place]) -> str:
    """From the lower edge of a box, past the boxes between, to the upper edge of another."""
    parts = [f"M{path[0].x:.1f} {path[0].top + HEIGHT:.1f}"]
    for upper, lower in pairwise(path):
        begin, end = upper.top + HEIGHT, lower.top - (5 if lower is path[-1] else 0)
        parts.append(f"C{upper.x:.1f} {begin + BEND:.1f} {lower.x:.1f} {end - BEND:.1f} {lower.x:.1f} {end:.1f}")
        if lower is not path[-1]:
            parts.append(f"V{lower.top + HEIGHT:.1f}")
    return "".join(parts)


def _box(place: Place, tint: str) -> Iterator[str]:
    x, y, lines = place.x, place.top, words_of(place.room)
    yield f'<rect x="{x - WIDTH / 2:.1f}" y="{y:.1f}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{tint}"/>'
    middle = y + HEIGHT / 2 + (5 - 7 * len(lines))
    yield f'<text x="{x:.1f}" y="{middle:.1f}" class="name">{escape(place.room)}</text>'
    for number, line in enumerate(lines, start=1):
        yield f'<text x="{x:.1f}" y="{middle + 1 + 14 * number:.1f}" class="words">{escape(line)}</text>'


def _tint(room: str) -> str:
    groups = (
        ("cli", "benchmark", FACE, "report"),
        ("stages", "runs", "experiments", "findings"),
        ("asking", "factcheck", "multilingual", "degeneracy", "editing", "planted", "attribution"),
        ("pocket", "models", "facts"),
        GROUND,
    )
    return next(tint for tint, group in zip(TINTS, groups, strict=True) if room in group)


def drawing(rows: Sequence[Sequence[str]], pairs: Sequence[Arrow]) -> str:
    """The picture as SVG."""
    upper = [row for row in rows if not set(row) & set(GROUND)]
    floor = {room: number for number, row in enumerate(upper) for room in row}
    down = [(one, other) for one, other in pairs if floor.get(one, 99) < floor.get(other, -1)]
    house, paths = placed(upper, necessary(down))
    ground = [Place(room, len(upper)) for row in rows for room in row if room in GROUND]
    edges = [place.x + side * place.width / 2 for row in house for place in row for side in (-1, 1)]
    _spread(ground, [(min(edges) + max(edges)) / 2] * len(ground))
    every = [place for row in (*house, ground) for place in row]
    left = min(place.x - place.width / 2 for place in every) - MARGIN
    width = max(place.x + place.width / 2 for place in every) + MARGIN - left
    for place in every:
        place.x -= left
    height = ground[0].top + HEIGHT + MARGIN
    listed = "\n".join(f"{one} -> {other}" for one, other in pairs)
    slab = ground[0].top - RISE / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        f' font-family="Helvetica, Arial, sans-serif" text-anchor="middle">',
        f"<title>The rooms of {PACKAGE}, and which imports which</title>",
        f"<metadata>\n{escape(listed)}\n</metadata>",
        f"<style>.name{{font-size:15px;font-weight:bold;fill:{INK}}}.words{{font-size:11px;fill:{FAINT}}}"
        f".arrow{{fill:none;stroke:{LINE};stroke-width:1.3;marker-end:url(#head)}}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        f'<path d="M{MARGIN} {slab:.1f}H{width - MARGIN:.1f}" stroke="{LINE}" stroke-dasharray="4 4"/>',
        *(
            f'<path class="arrow" d="{_curve(path)}"><title>{path[0].room} -&gt; {path[-1].room}</title></path>'
            for path in paths
        ),
        *(line for place in every if place.room for line in _box(place, _tint(place.room))),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "design.svg").write_text(drawing(floors(), arrows()), encoding="utf-8")

"""What every page is made with: its templates, its charts and the one script that draws them, and writing it.

Nothing in a page can become anything else. Texts of facts are escaped by the template engine. What stands inside
<script> cannot be escaped so, and is made harmless here. The page's Content-Security-Policy names the hashes of the
page's own scripts: no other script runs, not even an inline handler, and nothing may be loaded or sent. Vega is run
with its expression interpreter (option `ast`), so that the policy need not allow eval.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from factneurons.report import drawing, numbers
from factneurons.report.charts import Figure
from factneurons.runs.files import disk_errors_in_one_line, replace_file
from factneurons.statistics import LEAST_PROBABILITY

_ROOM = "factneurons.report"
_FILTERS = (
    *(
        numbers.count,
        numbers.percent,
        numbers.whole_percent,
        numbers.change,
        numbers.loss,
        numbers.loss_range,
        numbers.probability,
        numbers.p_value,
    ),
    *(
        numbers.plain,
        numbers.plain_range,
        numbers.signed,
        numbers.change_range,
        numbers.points,
        numbers.points_range,
        numbers.date,
    ),
)


_IN_JSON = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_KEPT = "\n\t"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def environment(room: str = _ROOM) -> Environment:
    """Where a room's templates are found, and what they can use; base.html.j2 and its parts are the report's."""
    found = Environment(
        loader=ChoiceLoader([PackageLoader(each) for each in dict.fromkeys((room, _ROOM))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    found.filters.update({function.__name__: function for function in _FILTERS})
    found.filters["json_in_script"] = json_in_script
    found.filters["chart_room"] = drawing.room
    found.globals["least_probability"] = LEAST_PROBABILITY
    return found


def render(
    templates: Environment,
    name: str,
    drawn: Sequence[Figure],
    code: Sequence[str] = ("charts.js",),
    **values: object,
) -> str:
    """A page from its template, with the charts that it draws.

    Args:
        templates: where the template is.
        name: its name; it extends base.html.j2.
        drawn: every chart in the page; without any the page does not carry what draws them.
        code: the page's own scripts, files beside the templates.
        values: what the template asks for.
    """
    own = [templates.loader.get_source(templates, each)[0] for each in code]  # type: ignore[union-attr]
    scripts = [code_in_script(each) for each in ([drawing.runtime(), *own] if drawn else own)]
    return templates.get_template(name).render(
        charts=[(figure.name, drawing.page_specification(figure)) for figure in drawn],
        scripts=scripts,
        policy=content_security_policy(scripts),
        **values,
    )


def write_page(path: Path, html: str) -> None:
    """Put a page in its place by one rename.

    Raises:
        BadRun: it cannot be written.
    """
    with disk_errors_in_one_line(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, html.encode("utf-8", errors="replace"))


def write_figures(folder: Path, figures: Sequence[Figure], formats: Sequence[str]) -> list[Path]:
    """Write every chart as a file of each kind; returns the paths.

    Raises:
        BadRun: the folder cannot be written.
    """
    paths = []
    with disk_errors_in_one_line(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for figure in figures:
            for name in dict.fromkeys(formats):
                paths.append(drawing.figure_path(folder, figure, name))
                replace_file(paths[-1], drawing.draw(figure, name))
    return paths


def json_in_script(value: object) -> Markup:
    """A value as JSON that can stand in a script element: ASCII only, without <, > and &."""
    written = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character, escape in _IN_JSON.items():
        written = written.replace(character, escape)
    return Markup(written)


def code_in_script(code: str) -> Markup:
    """JavaScript that can stand in a script element: nothing in it ends the element early."""
    for mark in ("</script", "<script", "<!--"):
        code = code.replace(mark, f"{mark[0]}\\x{ord(mark[1]):02x}{mark[2:]}")
    return Markup(code)


def visible(value: object) -> object:
    """A text with characters that HTML cannot hold (control characters, half surrogate pairs) replaced."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(_REPLACEMENT if _is_unprintable(letter) else letter for letter in value)


def _is_unprintable(letter: str) -> bool:
    return letter not in _KEPT and unicodedata.category(letter) in ("Cc", "Cs")


def content_security_policy(scripts: Sequence[str]) -> str:
    """The policy: nothing from the network, no script but these."""
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

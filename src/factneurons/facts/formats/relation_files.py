"""Relations as files of templates and samples: LRE (Hernandez et al., ICLR 2024) and KLAR (Wang et al., ACL 2025).

A file has `prompt_templates` (and in LRE `prompt_templates_zs`, its questions), with {} or <subject> for the subject
and the blank at the end or as <mask>, and `samples` of `subject` and `object`. LRE's relation is the file's `name`;
KLAR's is the file's own name, its folder's name is the language, and `index` is the same fact in every language.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factneurons.errors import BadSetting
from factneurons.facts.fields import Fields
from factneurons.facts.formats.patterns import ANSWER, SUBJECT
from factneurons.facts.pieces import LONGEST, parse_json
from factneurons.facts.problems import BadRecord, shown
from factneurons.facts.reading import Format, Reading, Request
from factneurons.facts.types import Fact, Prompt

_SLOTS = ("{}", "<subject>", SUBJECT)


def read_lre(request: Request, reading: Reading) -> Iterator[Fact]:
    """File by file, sample by sample."""
    for path in _files(request):
        yield from _facts(path, "en", "", reading)


def read_klar(request: Request, reading: Reading) -> Iterator[Fact]:
    """The same; the folder a file is in is its language."""
    for path in _files(request):
        yield from _facts(path, path.parent.name, path.stem, reading)


def _facts(path: Path, language: str, relation: str, reading: Reading) -> Iterator[Fact]:
    where = str(path)
    try:
        data = _whole(path)
        relation = relation or data.text("name")
        templates = (*data.texts("prompt_templates"), *data.texts_or_none("prompt_templates_zs"))
        samples = data.items("samples")
    except BadRecord as problem:
        reading.records += 1
        reading.refuse(problem.at(where))
        return
    for number, value in enumerate(samples):
        with reading.record(f"{where}#{number}") as slot:
            sample = Fields(value)
            subject = sample.text("subject")
            name = sample.identifier("index") if "index" in sample else str(number)
            slot.fact_id = fact_id = f"{relation}/{name}"
            prompts = [Prompt.parse(_filled(text, subject), ANSWER, blank_at_end=True) for text in templates]
            yield Fact(
                fact_id,
                relation,
                subject,
                sample.text("object"),
                language,
                reading.distinct(prompts, f"{where}#{number}", fact_id),
                source=f"{where}#{number}",
            )


def _whole(path: Path) -> Fields:
    """The object that a file of one relation is."""
    if path.stat().st_size > LONGEST:
        raise BadRecord("too_long", f"the file is larger than {LONGEST // 2**20} MiB")
    return Fields(parse_json(path.read_bytes()))


def _filled(template: str, subject: str) -> str:
    slots = [slot for slot in _SLOTS if slot in template]
    if len(slots) != 1 or template.count(slots[0]) != 1:
        detail = f"a template needs {{}} or <subject> for the subject exactly once: {shown(template)}"
        raise BadRecord("pattern_slots", detail, prompt=template)
    return template.replace(slots[0], subject)


def _files(request: Request) -> tuple[Path, ...]:
    """The file of the spec, or all relation files below its folder, by name."""
    if request.path.is_file():
        return (request.path,)
    found = tuple(sorted(request.folder().rglob("*.json")))
    if not found:
        raise BadSetting(f"{request.spec}: there is no .json file below {request.argument}")
    return found


LRE_FORMAT = Format("lre", "FOLDER", "LRE relations", read_lre, _files, derived_ids=True)
KLAR_FORMAT = Format("klar", "FOLDER", "KLAR", read_klar, _files, derived_ids=True)

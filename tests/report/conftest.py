"""An invented run with all of its tables, made through the runs' own interface; no model is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factneurons.attribution.tables import LOCATED
from factneurons.attribution.types import Attribution, KnowledgeNeurons, Located
from factneurons.degeneracy.tables import ACQUISITION, CARRIED, FOUND
from factneurons.degeneracy.types import (
    AcquisitionCurve,
    AcquisitionPoint,
    Bar,
    Carried,
    CarriedFacts,
    Component,
    Connection,
    DegenerateNeurons,
    FactCurves,
)
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron, Query
from factneurons.runs.manifest import DataIdentity, Manifest, ModelIdentity
from factneurons.runs.skips import Skip
from factneurons.runs.store import Run
from factneurons.tables import rows_of

LAYERS, WIDTH = 8, 512
STAGES = ("locate", "test_knowledge", "degenerate", "test_degenerate")

_STORAGE = {
    "distinct": "degenerate",
    "arbitrary": "interchangeable",
    "undecided": "undecided",
    "no-groups": "single",
}
_COUNTRIES = [
    ("France", "Paris", "法国", "巴黎"),
    ("Japan", "Tokyo", "日本", "东京"),
    ("Kenya", "Nairobi", "肯尼亚", "内罗毕"),
    ("Peru", "Lima", "秘鲁", "利马"),
    ("Norway", "Oslo", "挪威", "奥斯陆"),
    ("Egypt", "Cairo", "埃及", "开罗"),
    ("Canada", "Ottawa", "加拿大", "渥太华"),
    ("Vietnam", "Hanoi", "越南", "河内"),
]
_CONTINENTS = [
    ("France", "Europe", "法国", "欧洲"),
    ("Japan", "Asia", "日本", "亚洲"),
    ("Kenya", "Africa", "肯尼亚", "非洲"),
    ("Peru", "South America", "秘鲁", "南美洲"),
]
_PATTERNS = {
    ("capital", "en"): ["The capital of [X] is ___.", "[X]'s capital city is ___.", "What is the capital of [X]? ___",
                        "___ is the capital of [X]."],
    ("capital", "zh"): ["[X]的首都是___。", "[X]的首都叫做___。", "[X]的首都是哪里？___", "___是[X]的首都。"],
    ("continent", "en"): ["[X] is a country in ___.", "The continent of [X] is ___.", "[X] lies in ___."],
    ("continent", "zh"): ["[X]位于___。", "[X]所在的大洲是___。", "[X]属于哪个大洲？___"],
}  # fmt: skip


def bundled_like() -> list[Fact]:
    """24 facts: two relations, English and Chinese with the same ids."""
    facts = []
    for relation, rows in (("capital", _COUNTRIES), ("continent", _CONTINENTS)):
        for subject, answer, subject_zh, answer_zh in rows:
            for language, who, what in (("en", subject, answer), ("zh", subject_zh, answer_zh)):
                prompts = tuple(Prompt(text.replace("[X]", who)) for text in _PATTERNS[relation, language])
                facts.append(
                    Fact(
                        id=f"{relation}/{subject.lower()}",
                        relation=relation,
                        subject=who,
                        answer=what,
                        language=language,
                        prompts=prompts,
                        source=f"facts.jsonl:{len(facts) + 1}",
                    )
                )
    return facts


def _manifest(stage: str, **texts: str) -> Manifest:
    settings: dict[str, dict[str, Any]] = {
        "locate": {"attribution": {"method": "amig", "rule": "adaptive", "points": None}, "multi_mask": False},
        "test_knowledge": {"draws": 3, "unrelated": 2},
        "degenerate": {"clusterer": "ntc", "span": "residual"},
        "test_degenerate": {"draws": 3, "unrelated": 2},
    }
    values = {
        "model": "pocket-gpt2",
        "data": "facts.jsonl",
        "command": f"factneurons {'locate --model pocket-gpt2' if stage == 'locate' else 'degenerate runs/invented'}",
        **texts,
    }
    return Manifest.for_stage(
        stage,
        settings=settings[stage],
        seed=42,
        model=ModelIdentity(
            values["model"], {"model.safetensors": "ab12" * 16, "config.json": "cd34" * 16}, "float32", "cpu"
        ),
        data=DataIdentity(values["data"], "ef56" * 16),
        command=values["command"],
    )


def _query(prompt: Prompt, answer: str) -> Query:
    return Query(prompt, answer, (1, 2, 3), (2,), (7,), (0, 1), ((0,), (1,)))


class Invented:
    """Results of one fact, drawn from a seed."""

    def __init__(self, fact: Fact, number: int) -> None:
        self.fact = fact
        self.random = np.random.default_rng(number)
        self.known = number % 5 != 4
        self.probability = float(self.random.uniform(0.5, 0.99) if self.known else self.random.uniform(1e-6, 0.05))
        count = 0 if number == 11 else int(self.random.integers(4, 26))
        layers = np.sort(self.random.choice(LAYERS, size=count, p=np.arange(1, LAYERS + 1) / 36))
        indices = self.random.choice(WIDTH, size=count, replace=False)
        self.neurons = [Neuron(int(layer), int(index)) for layer, index in zip(layers, indices, strict=True)]
        self.scores = sorted(self.random.gamma(2, 0.02, count).tolist(), reverse=True)
        self.asked = [p for p in fact.prompts if p.blank_position != "start"]

    def located(self) -> tuple[dict[str, list[Any]], list[Skip]]:
        queries = [_query(prompt, self.fact.answer) for prompt in self.asked]
        attributions = [
            Attribution(
                scores=np.zeros((LAYERS, WIDTH)),
                method="amig",
                rule="adaptive",
                probability=float(np.clip(self.probability * self.random.uniform(0.8, 1.2), 0, 1)),
                baseline_probability=np.full(LAYERS, 0.01),
                completeness_error=10 ** self.random.uniform(-7, -3.2, LAYERS),
                completeness_ratio=np.full(LAYERS, 0.001),
                points=np.full(LAYERS, 8),
                query=query,
            )
            for query in queries
        ]
        found = KnowledgeNeurons(
            fact=self.fact,
            neurons=tuple(self.neurons),
            scores=tuple(self.scores),
            shares=tuple(float(share) for share in self.random.choice([0.75, 1.0], len(self.neurons))),
            queries=tuple(queries),
            method="amig",
            threshold=0.2,
            refined=True,
            probability=self.probability,
            rank=1 if self.known else int(self.random.integers(2, 900)),
        )
        skips = [
            Skip.of(self.fact, "blank-not-at-end", "text follows the blank", prompt=prompt.text)
            for prompt in self.fact.prompts
            if prompt not in self.asked
        ]
        tokens = (self.fact.answer[:2], self.fact.answer[2:])
        located = Located(self.fact, found, tuple(attributions), (), tokens, 0.1)
        return rows_of(LOCATED, [located]), skips

    @property
    def has_components(self) -> bool:
        return len(self.neurons) >= 12

    def components(self) -> list[Component]:
        if not self.has_components:
            return []
        half = len(self.neurons) // 3
        return [
            Component(tuple(self.neurons[i * half : (i + 1) * half]), 0.4 + i, 2.0 + i, 0.02 + 0.01 * i, 0.1, 1.5)
            for i in range(2)
        ]

    def degenerate(self) -> dict[str, list[Any]]:
        components = self.components()
        rest = Component(tuple(self.neurons[-2:]), 1.0, 1.7, 0.4, float("nan"), float("nan"))
        bars = [Bar(0.0, float(self.random.gamma(2, 0.4)), (neuron,), False) for neuron in self.neurons]
        bars += [Bar(each.birth, each.death, each.neurons, True) for each in components]
        grouping = str(self.random.choice(["distinct", "arbitrary", "undecided"])) if components else "no-groups"
        details = {
            "drop_candidates": 0.5,
            "drop_knowledge_neurons": 0.62,
            **({} if grouping == "undecided" else {"halving": 0.93 if grouping == "distinct" else -0.21}),
        }
        found = DegenerateNeurons(
            fact=self.fact,
            components=tuple(components),
            candidates=(*components, rest) if components else (),
            barcode=tuple(bars),
            reason={"undecided": "no-halves", "no-groups": "too-few-neurons"}.get(grouping, ""),
            drop_all=float(self.random.uniform(0.3, 0.7)) if components else float("nan"),
            degeneracy_index=float(self.random.uniform(0.4, 0.95)) if components else float("nan"),
            coverage=0.6 if components else 0.0,
            grouping=grouping,
            storage=_STORAGE[grouping],
            knowledge_neurons=len(self.neurons),
            details=details if components else {},
            connections=tuple(
                Connection((low, high), float(self.random.gamma(2, 0.3)))
                for low, high in pairwise(self.neurons)
                if low.layer < high.layer
            ),
        )
        curves = tuple(self.curves()) if components else ()
        return {
            **rows_of(FOUND, [found]),
            **rows_of([ACQUISITION], [FactCurves(self.fact, "ntc", curves)]),
            **rows_of([CARRIED], [self.carried(components)] if components else []),
        }

    def curves(self) -> list[AcquisitionCurve]:
        """Two components and three candidates that jump at the end, and random parts that rise evenly."""

        def point(prefix: str, k: int, count: int) -> AcquisitionPoint:
            shape = k / count if prefix else 0.1 + 0.6 * (k == count)
            return AcquisitionPoint(k, 3, float(self.random.uniform(0.8, 1.0)) * shape)

        return [
            AcquisitionCurve(f"{prefix}{which}", 3 * count, tuple(point(prefix, k, count) for k in range(1, count + 1)))
            for which, count in (("components", 2), ("candidates", 3))
            for prefix in ("", "random for ")
        ]

    def carried(self, components: Sequence[Component]) -> CarriedFacts:
        carries = ("others", "nothing-else", "undecided")[len(self.neurons) % 3]
        carried = [
            Carried(each.neurons, (), 0.3 + 0.1 * number, 0.05, 0.01, 0.2, 0.25, 0.1)
            for number, each in enumerate(components)
        ]
        return CarriedFacts(self.fact, 20, tuple(carried), carries)

    def tested(self, neurons: str, others: Sequence[Fact]) -> dict[str, list[Any]]:
        rows = []
        for action, factor in (("suppress", -0.5), ("enhance", 0.3)):
            for other in (None, *others):
                for draw in range(4):
                    before = self.probability if other is None else float(self.random.uniform(0.1, 0.9))
                    strength = 1.0 if (draw == 0 and other is None) else 0.03
                    change = factor * strength * float(self.random.uniform(0.6, 1.4))
                    rows.append(
                        {
                            "fact_id": self.fact.id,
                            "language": self.fact.language,
                            "relation": self.fact.relation,
                            "neurons": f"random for {neurons}" if draw else neurons,
                            "draw": draw,
                            "action": action,
                            "prompts": "related" if other is None else "unrelated",
                            "other_fact_id": None if other is None else other.id,
                            "size": len(self.neurons),
                            "probability_before": before,
                            "probability_after": min(1.0, before * (1 + change)),
                            "log_change": None,
                            "prompt_count": len(self.asked),
                        }
                    )
        return {"interventions": rows}


def _write_stage(folder: Path, stage: str, facts: Sequence[Fact], texts: dict[str, str]) -> None:
    others = [[each for each in facts if each.relation != fact.relation][:2] for fact in facts]
    batches = [range(start, min(start + 8, len(facts))) for start in range(0, len(facts), 8)]
    with Run.create_or_resume(folder, _manifest(stage, **texts), stage) as run:
        for batch in batches:
            rows: dict[str, list[Any]] = {}
            skips: list[Skip] = []
            for number in batch:
                tables, left_out = _results(stage, Invented(facts[number], number), others[number])
                skips += left_out
                for name, table in tables.items():
                    rows.setdefault(name, []).extend(table)
            run.commit(stage, [facts[number] for number in batch], rows, skips)
        run.set_state(stage, "done")


def _results(stage: str, invented: Invented, others: Sequence[Fact]) -> tuple[dict[str, list[Any]], list[Skip]]:
    if stage == "locate":
        return invented.located()
    if stage == "degenerate":
        return invented.degenerate(), []
    name = stage.removeprefix("test_")
    if invented.neurons if name == "knowledge" else invented.has_components:
        return invented.tested(name, others), []
    return {}, [Skip.of(invented.fact, f"no-{name}-neurons", "nothing to change", askable=True)]


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    """A run in a folder: `make_run(folder, facts=None, stages=STAGES, not_asked=(), **manifest texts)`."""

    def make(
        folder: Path,
        facts: Sequence[Fact] | None = None,
        stages: Sequence[str] = STAGES,
        not_asked: Sequence[Skip] | None = None,
        **texts: str,
    ) -> Path:
        facts = bundled_like() if facts is None else facts
        for stage in stages:
            _write_stage(folder, stage, facts, texts)
        if not_asked is None:
            not_asked = [
                Skip("unreadable", "facts.jsonl:25: no valid JSON: the line was cut off", source="facts.jsonl:25")
            ]
        if not_asked:
            with Run.create_or_resume(folder, _manifest("locate", **texts), "locate") as run:
                run.commit("locate", [], {}, not_asked)
                run.set_state("locate", "done")
        return folder

    return make


@pytest.fixture(scope="session")
def invented_facts() -> list[Fact]:
    """The facts of an invented run, in the order of the file they are not from."""
    return bundled_like()


@pytest.fixture(scope="session")
def whole_run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all stages; to be read only."""
    return make_run(tmp_path_factory.mktemp("runs") / "invented")


@dataclass(frozen=True)
class Element:
    """A start tag of a page, with its attributes."""

    tag: str
    attributes: tuple[tuple[str, str | None], ...]

    @property
    def shape(self) -> tuple[str, tuple[str, ...]]:
        """The tag and the names of its attributes."""
        return self.tag, tuple(name for name, _ in self.attributes)


class Page(HTMLParser):
    """A parsed page: its elements, its text by element, its scripts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, tuple(attrs)))
        if tag not in ("meta", "br", "link", "img", "input", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()
        if tag in ("td", "th", "dt", "dd", "li", "p"):
            self.texts.append((tag, " "))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag: str) -> Iterator[Element]:
        """The elements with a tag."""
        return (element for element in self.elements if element.tag == tag)

    @property
    def text(self) -> str:
        """Everything a reader sees, with single spaces."""
        seen = "".join(data for tag, data in self.texts if tag not in ("script", "style"))
        return " ".join(seen.split())


@pytest.fixture(scope="session")
def parsed() -> Callable[[Path], Page]:
    """A page from its file."""
    return lambda path: Page(path.read_text(encoding="utf-8"))

"""The examples of the docs work as they stand, with fewer facts; which are not run, and why.

That of the README is run by tests/test_docs.py, the tutorial and the notebooks by `make docs`.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import factneurons as fn
from factneurons.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "howto").glob("*.md"))]
TUTORIAL = "tutorial"

NOT_RUN = {
    "run_benchmark": "plants models for minutes; tests/benchmark",
    "factneurons benchmark": "plants models for minutes; tests/benchmark",
    "fn.plant(": "plants for a minute; tests/planted, and a notebook that make docs runs",
    "factneurons plant": "plants for a minute; tests/cli/test_plant.py",
    "fn.run_suite": "experiments for minutes; tests/stages/test_suite.py",
    "factneurons suite": "experiments for minutes; tests/cli/test_suite.py",
    "factneurons experiment E": "experiments for minutes; tests/cli/test_experiment.py",
    "factneurons pocket train": "trains for minutes; tests/pocket",
    "factneurons edit": "edits for a minute, with many random neurons; tests/cli/test_edit.py",
    "factneurons delta": "needs these edits; tests/cli/test_delta.py",
    "factneurons finetune": "trains for a minute; tests/cli/test_finetune.py",
    "fn.push_to_hub": "needs an account on the Hub; tests/stages/test_hub.py",
    "--rounds 4": "as long as four of the others; tests/attribution/test_rounds.py",
    "duckdb.sql": "needs polars and duckdb",
    "FOLDER": "needs mParaRel, which is downloaded",
    "runs/mpararel": "needs mParaRel, which is downloaded",
    "runs/check": "needs data sets, which are downloaded, or hundreds of facts",
    "templama:": "needs data sets, which are downloaded",
    "factcheck:": "needs data sets, which are downloaded",
    "MODEL": "for a model of the reader's own",
    "srun": "needs a cluster",
    "/shared/": "needs a cluster",
    "--workers": "starts processes; tests/end_to_end",
    "factneurons worker": "waits for others; tests/cli/test_worker.py",
}
"""What a line or a block that is not run has in it -> why, and where the same is tested."""


def smaller(text: str) -> str:
    """The example with few facts in place of hundreds."""

    text = text.replace("spain", "germany")  # one of the few

    def few(match: re.Match[str]) -> str:
        both = "zh" in match[0] or "lang=" not in match[0]
        spec = re.sub(r"&?(limit|sample|seed)=\d+", "", match[1].removeprefix("?"))
        return f"bundled?{spec or 'relation=capital&lang=en'}&limit={4 if both else 2}"

    return re.sub(r"""bundled((?:\?[^"'\s]*)?)(?=["'])""", few, text)


def left_out(example: str) -> bool:
    return any(name in example for name in NOT_RUN)


def code_of(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if not left_out(each)]


def commands_of(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if re.match(r"factneurons\s", line)]
    return [line for line in lines if not left_out(line)]


def with_some(examples: Callable[[Path], list[str]]) -> list[Path]:
    return [page for page in PAGES if examples(page) and page.stem != TUTORIAL]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages speak of: runs, facts, neurons and statements in files, a model."""
    folder = tmp_path_factory.mktemp("examples")
    few = "bundled?relation=capital&lang=en&limit=2"
    facts, run = list(fn.load_facts(few)), fn.run_locate("pocket-gpt2", few, folder / "runs" / "capital")
    for name in ("gpt2", "all"):
        shutil.copytree(run.folder, folder / "runs" / name)
    shutil.copytree(fn.pocket_path("pocket-gpt2"), folder / "models" / "mine")
    fn.write_jsonl(facts, folder / "facts.jsonl")
    rows = [{"fact": fact.id, "layer": 3, "index": k} for fact in facts for k in range(2)]
    pd.DataFrame(rows).to_csv(folder / "theirs.csv", index=False)
    pd.DataFrame(rows).to_json(folder / "theirs.json", orient="records")
    (folder / "statements.txt").write_text("The capital of France is Rome.\n", encoding="utf-8")
    return folder


@pytest.fixture
def there(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "there"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What blocks take as given: a model, its facts, what was located, neurons, queries."""
    model = fn.load_model("pocket-gpt2")
    facts = list(fn.load_facts("bundled?relation=capital&lang=en&limit=2"))
    known = fn.locate(model, facts)
    neurons = known[0].neurons[:4]
    prompt, answer = "The capital of France is ___", "Paris"
    return {
        "fn": fn,
        "pd": pd,
        "pandas": pd,
        "model": model,
        "facts": facts,
        "known": known,
        "neurons": neurons,
        "neuron": neurons[0],
        "set_1": neurons[:2],
        "set_2": neurons[2:],
        "prompt": prompt,
        "answer": answer,
        "prompts": [prompt, prompt],
        "queries": [model.query(prompt, answer)],
    }


@pytest.mark.parametrize("page", with_some(code_of), ids=named)
def test_the_code_of_a_page_works(page: Path, there: Path, names: dict[str, Any]) -> None:
    given = dict(names)
    for block in code_of(page):
        exec(compile(smaller(block).replace(", ...]", "]"), named(page), "exec"), given)


@pytest.mark.parametrize("page", with_some(commands_of), ids=named)
def test_the_commands_of_a_page_work(page: Path, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in commands_of(page):
        with pytest.raises(SystemExit) as end:
            main(shlex.split(smaller(line), comments=True)[1:])
        assert not end.value.code, f"{line}\n{capsys.readouterr().err}"


def test_what_a_page_shows_is_what_is_printed(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    text = (ROOT / "docs" / "ask.md").read_text(encoding="utf-8")
    ((command, told),) = re.findall(r"```\nfactneurons ([^\n]+)\n```\n```\n(.*?)```", text, re.DOTALL)
    with pytest.raises(SystemExit):
        main(shlex.split(command))
    assert capsys.readouterr().out == told


def test_the_picture_of_the_readme_is_drawn_and_told(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    monkeypatch.setattr(fn, "ask", lambda *asked, ask=fn.ask: found.append(ask(*asked)) or found[0])
    draw = runpy.run_path(str(ROOT / "docs" / "draw_fact.py"))
    monkeypatch.setitem(draw["main"].__globals__, "OUT", there / "fact.svg")
    draw["main"]()
    (suppressed,) = [each for each in found[0].changes if each.action == "suppress"]
    random = sum(suppressed.random) / len(suppressed.random)
    numbers = [f"{each:.3f}" for each in (found[0].answer.probability, suppressed.probability, random)]
    for picture in (there / "fact.svg", ROOT / "docs" / "fact.svg"):
        text = picture.read_text(encoding="utf-8")
        assert [number for number in numbers if f">{number}<" not in text] == []
    for page in ("README.md", "docs/index.md"):
        told = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert "{} to {}, and random neurons leave it at {}]".format(*numbers) in told


def test_what_is_not_run_is_there() -> None:
    """A reason for something that no page has any more goes."""
    everything = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in NOT_RUN if name not in everything] == []

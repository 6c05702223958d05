"""truth.json: what is written is read again, as the schema says, and nothing else is taken for it."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.errors import BadRun
from factneurons.facts.types import Fact, Prompt
from factneurons.models.types import Neuron
from factneurons.planted.truth import SCHEMA, TRUTH, Truth
from factneurons.planted.types import REGIMES, Check, PlantedComponent, PlantedFact, Rejected

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))

NEURONS = st.lists(st.builds(Neuron, st.integers(0, 9), st.integers(0, 999)), min_size=1, max_size=4).map(tuple)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="_"), max_size=8)
NAMES = st.sampled_from(["a/1", "b/2", "城/三"])
LANGUAGES = st.sampled_from(["", "en", "zh"])
NUMBERS = st.floats(0, 1)
FACTS = st.builds(
    lambda number, answer, language, date, aliases: Fact(
        f"r/{number}", "r", "城", answer, language, (Prompt("城 is ___."), Prompt("___ it is.")), date, aliases
    ),
    st.integers(0, 99),
    st.sampled_from(["Rome", "罗马"]),
    st.sampled_from(["en", "zh"]),
    st.sampled_from([None, "2020"]),
    st.sampled_from([(), ("Roma",)]),
)
COMPONENTS = st.builds(
    PlantedComponent,
    NEURONS,
    st.sampled_from(["parallel", "series"]),
    st.lists(NAMES, max_size=2).map(tuple),
    LANGUAGES,
)
CHECKS = st.builds(Check, TEXT, NEURONS | st.just(()), NUMBERS, NUMBERS, NUMBERS, LANGUAGES)
PLANTED = st.builds(
    PlantedFact,
    st.lists(FACTS, min_size=1, max_size=2).map(tuple),
    st.sampled_from(REGIMES),
    st.lists(COMPONENTS, min_size=1, max_size=3).map(tuple),
    st.lists(CHECKS, max_size=3).map(tuple),
    NEURONS | st.just(()),
)
TRUTHS = st.builds(
    Truth,
    TEXT,
    st.integers(0, 2**32),
    st.lists(PLANTED, max_size=3).map(tuple),
    st.dictionaries(st.sampled_from(["loud", "rejected"]), NEURONS | st.just(())),
    st.lists(st.builds(Rejected, NAMES, st.sampled_from(REGIMES), TEXT), max_size=2).map(tuple),
    st.dictionaries(st.sampled_from(["prompts", "recall_before"]), NUMBERS),
)


@given(TRUTHS)
def test_round_trip(tmp_path_factory, truth):
    folder = tmp_path_factory.mktemp("truth")
    truth.save(folder)
    assert Truth.load(folder) == truth
    assert Truth.load(str(folder)) == truth
    VALIDATOR.validate(json.loads((folder / TRUTH).read_text(encoding="utf-8")))
    assert [path.name for path in folder.iterdir()] == [TRUTH]


EXAMPLE = Truth(
    "pocket-gpt2",
    3,
    (
        PlantedFact(
            (Fact("r/a", "r", "Vel", "Rome", "en", (Prompt("Vel is in ___."),)),),
            "single",
            (PlantedComponent((Neuron(1, 7), Neuron(1, 9))),),
            (Check("nothing suppressed", (), 0.93, at_least=0.8),),
        ),
    ),
    {"loud": (Neuron(2, 4),)},
    (Rejected("r/b", "single", "nothing suppressed: 0.40"),),
    {"prompts": 400.0},
)


@pytest.fixture
def change(tmp_path):
    """change(do): what Truth.load says of the example's file after `do` worked on its record."""

    def read(do):
        EXAMPLE.save(tmp_path)
        record = json.loads((tmp_path / TRUTH).read_text(encoding="utf-8"))
        do(record)
        (tmp_path / TRUTH).write_text(json.dumps(record), encoding="utf-8")
        with pytest.raises(BadRun) as error:
            Truth.load(tmp_path)
        assert str(error.value).startswith(str(tmp_path))
        assert "\n" not in str(error.value)
        return record, str(error.value)

    return read


def _set(path, value):
    def do(record):
        *way, last = path
        for key in way:
            record = record[key]
        record[last] = value

    return do


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("facts",), 3),
        (("facts",), [7]),
        (("facts", 0, "regime"), "double"),
        (("facts", 0, "components", 0, "wiring"), "loose"),
        (("facts", 0, "components", 0, "neurons"), [[1]]),
        (("facts", 0, "components", 0, "neurons"), "12"),
        (("facts", 0, "facts", 0, "prompts"), ["no blank"]),
        (("facts", 0, "checks", 0, "more"), 1),
        (("distractors",), []),
        (("rejected",), [{"id": "a"}]),
        (("held",), {"prompts": "many"}),
        (("seed",), "x"),
    ],
)
def test_what_the_schema_refuses_is_refused(change, path, value):
    record, error = change(_set(path, value))
    assert "not as its schema says" in error
    if path != ("facts", 0, "facts", 0, "prompts"):
        assert not VALIDATOR.is_valid(record)


@pytest.mark.parametrize("name", ["base", "seed", "facts", "distractors", "rejected", "held"])
def test_every_field_is_needed(change, name):
    record, error = change(lambda record: record.pop(name))
    assert name in error
    assert not VALIDATOR.is_valid(record)


def test_another_format(change):
    _, error = change(_set(("format",), "factneurons truth 2"))
    assert error.endswith("its format is not 'factneurons truth 1'")


def test_no_planted_model(tmp_path):
    with pytest.raises(BadRun, match=r"no planted model, it has no truth\.json; factneurons plant makes one"):
        Truth.load(tmp_path)
    with pytest.raises(BadRun, match="no planted model"):
        Truth.load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"3"])
def test_no_json(tmp_path, content):
    (tmp_path / TRUTH).write_bytes(content)
    with pytest.raises(BadRun, match=r"truth\.json: (cannot be read|its format)"):
        Truth.load(tmp_path)

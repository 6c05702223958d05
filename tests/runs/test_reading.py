"""From a run's rows back to facts and their neurons."""

from factneurons.models.types import Neuron
from factneurons.runs.reading import degenerate_neurons_of, located_facts
from factneurons.runs.store import Run

STAGE = "degenerate"


def component(fact, number, role, *neurons):
    return {
        "fact_id": fact.id,
        "language": fact.language,
        "component": number,
        "role": role,
        "neurons": neurons,
        "size": len(neurons),
        "layers": [0],
        "birth": 0.0,
        "death": 1.0,
        "persistence": 1.0,
        "drop_alone": 0.0,
        "drop_without_others": 0.0,
        "mean_distance": 0.5,
    }


def test_located_facts_come_back_with_their_neurons(tmp_path, small):
    small.write_run(tmp_path / "run", 40)
    written = {(fact.id, fact.language): fact for fact in small.make_facts(40) if int(fact.id[-4:]) % 7}
    located = list(located_facts(Run.open(tmp_path / "run")))
    assert {(fact.id, fact.language): fact for fact, _, _ in located} == written
    assert len(located) == len(written)
    for fact, row, neurons in located:
        number = int(fact.id[-4:])
        assert fact.key == row["key"]
        assert neurons == [(Neuron(number % 4, index), 0.1, 1.0, 1) for index in range(number % 5)]


def test_only_components_that_pass_are_degenerate_neurons(tmp_path, small):
    small.write_run(tmp_path / "run", 8)
    first, second = small.make_facts(8)[2:4]
    manifest = small.make_manifest(STAGE, seed=1)
    with Run.create_or_resume(tmp_path / "run", manifest, STAGE) as run:
        rows = [
            component(first, 1, "component", Neuron(2, 1)),
            component(first, 2, "component", Neuron(0, 5), Neuron(0, 7)),
            component(first, 3, "candidate", Neuron(3, 3)),
            component(second, 1, "candidate", Neuron(3, 3)),
        ]
        run.commit(STAGE, [first, second], {"components": rows})
        found = list(degenerate_neurons_of(run))
    assert found == [(first, [Neuron(0, 5), Neuron(0, 7), Neuron(2, 1)])]

"""What the experiments cost, in the time of locating a fact: the numbers of `experiments/costs.py`.

    python studies/suite_costs.py [--model pocket-gpt2] [--facts SPEC] [--only E1,E6]

Every experiment is measured alone, on facts that it has to locate itself, with 2 and with 12 draws of random neurons;
everything else as by default. Processor time, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import factneurons as fn
from factneurons.errors import FactneuronsError, NotAskable
from factneurons.experiments.settings import ExperimentSettings
from factneurons.experiments.study import BATCH, Study
from factneurons.stages.suite_plan import seconds_to_locate

FACTS = "bundled?relation=capital,chemical_symbol&lang=en,zh&sample=12&seed=2"
DRAWS = (2, 12)


def seconds_per_fact(model: fn.Model, facts: Sequence[fn.Fact], experiment: fn.Experiment, draws: int) -> float:
    """Processor seconds of everything an experiment does, divided by the number of facts."""
    study = Study(model, facts, ExperimentSettings(draws=draws))
    began = time.process_time()
    work = experiment.prepare(study)
    for start in range(0, len(facts), BATCH):
        study.expect(facts[start : start + BATCH])
        for fact in facts[start : start + BATCH]:
            try:
                list(work(fact))
            except NotAskable:
                continue
    return (time.process_time() - began) / len(facts)


def main() -> None:
    """Measure the experiments that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pocket-gpt2")
    parser.add_argument("--facts", default=FACTS)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    model, facts = fn.load_model(asked.model), list(fn.load_facts(asked.facts))
    one = seconds_to_locate(Study(model, facts, ExperimentSettings()), clock=time.process_time)
    if one is None:
        parser.error("no fact of these can be asked")
    print(f"{asked.model}, {len(facts)} facts: locating one takes {one:.3f} s", flush=True)
    for experiment in fn.EXPERIMENTS.values():
        if asked.only and experiment.id not in asked.only.split(","):
            continue
        try:
            few, many = (seconds_per_fact(model, facts, experiment, draws) / one for draws in DRAWS)
        except FactneuronsError as error:
            print(f"{experiment.id}: {error}", flush=True)
            continue
        slope = max(0.0, (many - few) / (DRAWS[1] - DRAWS[0]))
        print(f'    "{experiment.id}": Cost({few - DRAWS[0] * slope:.1f}, {slope:.2f}),', flush=True)


if __name__ == "__main__":
    main()

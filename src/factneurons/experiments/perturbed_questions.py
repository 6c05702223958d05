"""What the experiments on robustness share: perturbed questions beside the questions, and the sets of neurons.

Questions are those that a fact's neurons were not found with. Perturbed ones are made here (`facts.perturbing`), or
read from files, whose rows belong to the facts of the same id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

from factneurons.errors import BadSetting, NotAskable, warn
from factneurons.experiments.experiment import RANDOM_FOR
from factneurons.experiments.study import Study
from factneurons.facts.perturbing import versions_of
from factneurons.facts.settings import EDITS
from factneurons.facts.source import load_facts
from factneurons.facts.types import Fact, Prompt
from factneurons.models.prompts import of_fact
from factneurons.models.types import Neuron, Query

OPTIONS = ("perturbation.edits", "perturbation.versions", "perturbation.rule", "perturbed")
"""What the commands of these experiments have beside the usual options."""

NONE, KNOWLEDGE, DEGENERATE = "none", "knowledge", "degenerate"
STORED = "stored"
"""The kind of perturbation of a file that is not called by one."""


@dataclass(frozen=True, slots=True)
class Version:
    """A question as it was and as it was changed, both as the model is asked them."""

    edit: str
    clean: Query
    perturbed: Query


class PerturbedQuestions:
    """The perturbed questions of a study's facts.

    Args:
        study: the study; its settings say how questions are perturbed, or where they are read.

    Raises:
        BadSetting: a file none of whose questions belongs to a fact of the study.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._how = replace(study.settings.perturbation, seed=study.settings.seed)
        self._stored: dict[tuple[str, str], list[tuple[str, Prompt]]] = defaultdict(list)
        for spec in study.settings.perturbed:
            self._read(spec)

    @classmethod
    def of_study(cls, study: Study) -> PerturbedQuestions:
        """Those of a study, made once.

        Raises:
            BadSetting: as the class.
        """
        return study.once(("perturbed questions",), lambda: cls(study))

    def _read(self, spec: str) -> None:
        facts = {(fact.id, fact.language) for fact in self._study.facts}
        name = Path(spec.partition("?")[0]).stem
        edit = name if name in EDITS else STORED
        total, found = 0, 0
        for row in load_facts(spec, skip_bad=True):
            total += len(row.prompts)
            if (row.id, row.language) in facts:
                found += len(row.prompts)
                self._stored[row.id, row.language] += ((edit, prompt) for prompt in row.prompts)
        lost = f"{spec}: {total - found} of its {total} perturbed questions have no original among the facts"
        if not found:
            raise BadSetting(f"{lost}; give the facts they were made from, with the same ids")
        if found < total:
            warn(f"{lost}; they are not asked")

    def of(self, fact: Fact) -> list[Version]:
        """The perturbed versions of a fact's questions that the model can be asked.

        Raises:
            NotAskable: there are none ("no-perturbed-version"), or none can be asked.
        """
        _, tested = self._study.halves(fact)
        found, refused = [], None
        for edit, clean, prompt in self._prompts(fact, tested):
            try:
                asked = self._study.model.query(prompt, fact.answer, multi_mask=self._study.settings.multi_mask)
            except NotAskable as error:
                refused = refused or error
                continue
            found.append(Version(edit, clean, of_fact(asked, fact)))
        if not found:
            where = "among the perturbed ones" if self._study.settings.perturbed else "long enough to be perturbed"
            raise refused or NotAskable("no-perturbed-version", f"none of its {len(tested)} questions is {where}")
        return found

    def _prompts(self, fact: Fact, tested: Sequence[Query]) -> Iterator[tuple[str, Query, Prompt]]:
        if self._study.settings.perturbed:
            for edit, prompt in self._stored[fact.id, fact.language]:
                yield edit, max(tested, key=lambda query: _alike(query.prompt, prompt)), prompt
            return
        for query in tested:
            for edit in self._how.edits:
                for prompt in versions_of(fact, query.prompt, edit, self._how):
                    yield edit, query, prompt


def _alike(one: Prompt, other: Prompt) -> float:
    """How much of their texts two prompts share, 0 to 1: which original a stored version was made from."""
    return SequenceMatcher(None, one.text, other.text, autojunk=False).ratio()


def conditions_of(study: Study, fact: Fact) -> dict[str, list[tuple[Neuron, ...]]]:
    """Condition -> its sets of neurons: one, or one per draw of random neurons; drawn once for all experiments.

    Without components there is no "degenerate" and no random for it.

    Raises:
        NotAskable: no knowledge neurons, or too few others to compare with.
    """
    return study.once(("conditions", fact.key), lambda: _conditions_of(study, fact))


def _conditions_of(study: Study, fact: Fact) -> dict[str, list[tuple[Neuron, ...]]]:
    _, tested = study.halves(fact)
    found: dict[str, list[tuple[Neuron, ...]]] = {NONE: [()]}
    sets = {KNOWLEDGE: study.knowledge(fact, study.settings.methods[0]).neurons, DEGENERATE: study.degenerate(fact)}
    for name, neurons in sets.items():
        if neurons:
            found[name] = [tuple(neurons)]
            found[f"{RANDOM_FOR}{name}"] = study.random(tested, neurons, f"{name}/{fact.key}")
    return found

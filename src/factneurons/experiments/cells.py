"""The cells of the suite: one claim of one experiment each, in the group of its paper.

'Cracking Factual Knowledge' speaks of 34 experiments on two models in six settings, and lists them nowhere. Our
reading: 17 cells a model, in the first six groups here (docs/experiments.md). The further groups are of the other
papers. Cells of one experiment share its run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from factneurons.experiments.experiment import Claim, Experiment
from factneurons.experiments.suite import EXPERIMENTS
from factneurons.settings import check_choice

SETTINGS = ("acquisition", "attenuation", "enhancement", "overlap", "fine-tuning", "fact-checking")
"""The six settings of 'Cracking Factual Knowledge'."""

_KINDS = ("causal", "masked", "encoder-decoder")


@dataclass(frozen=True, slots=True)
class SuiteCell:
    """One cell: an experiment's claim, tested on one model.

    Attributes:
        name: its group, and what tells it from others there.
        of: the experiment's id.
        says: the text of the claim.
        components: whether it is about facts with components.
        languages: in how many languages facts are needed.
        kinds: the kinds of models it can be told of.
    """

    name: str
    of: str
    says: str
    components: bool = False
    languages: int = 1
    kinds: tuple[str, ...] = _KINDS

    @property
    def group(self) -> str:
        """The group it belongs to."""
        return self.name.partition("/")[0]

    @property
    def experiment(self) -> Experiment:
        """The experiment that measures it."""
        return EXPERIMENTS[self.of]

    @property
    def claim(self) -> Claim:
        """The claim that is tested."""
        return next(claim for claim in self.experiment.claims if claim.text == self.says)

    @property
    def needs(self) -> str:
        """What it needs, in words."""
        needed = [self.experiment.smallest]
        if self.components:
            needed.append("facts with components")
        if self.kinds != _KINDS:
            needed.append(f"a model that is {' or '.join(self.kinds)}")
        return "; ".join(needed)


_JUMP = "The jump is larger for the components of ntc than for those of {}."
_COSTS = "With {} at 0, a perturbation costs more without degenerate neurons than without random ones."
_DOUBLED = "Doubling the {} of degenerate neurons brings back more answers than of random ones."
_WRITES = ("causal", "masked")

CELLS: tuple[SuiteCell, ...] = (
    SuiteCell(
        "acquisition/ntc", "E5",
        "Suppressing the last of the components of topology clustering costs more than the last part of random "
        "partitions.", components=True,
    ),
    *(
        SuiteCell(f"acquisition/{name}", "E5", _JUMP.format(name), components=True)
        for name in ("kmeans", "dbscan", "hierarchical", "pairs")
    ),
    *(SuiteCell(f"attenuation/{name}", "E6", _COSTS.format(name), components=True) for name in ("values", "weights")),
    *(
        SuiteCell(f"enhancement/{name}", "E7", _DOUBLED.format(name), components=True, kinds=_WRITES)
        for name in ("values", "weights")
    ),
    SuiteCell(
        "overlap/degenerate", "E9", "Fine-tuning changes more degenerate neurons than random ones.", components=True
    ),
    SuiteCell(
        "fine-tuning/degenerate", "E10",
        "Training degenerate neurons teaches more new facts than training random ones.", components=True,
    ),
    SuiteCell(
        "fine-tuning/knowledge", "E10", "Training knowledge neurons teaches more new facts than training random ones."
    ),
    SuiteCell(
        "fine-tuning/random", "E10",
        "Training degenerate neurons keeps more old facts than training random ones.", components=True,
    ),
    SuiteCell(
        "fine-tuning/all", "E10",
        "Training degenerate neurons keeps more old facts than training everything.", components=True,
    ),
    SuiteCell(
        "fact-checking/degenerate", "E8",
        "On complex text, degenerate neurons judge better than random ones.", components=True,
    ),
    SuiteCell(
        "fact-checking/knowledge", "E8",
        "On complex text, degenerate neurons judge better than knowledge neurons.", components=True,
    ),
    SuiteCell(
        "fact-checking/asking", "E8",
        "On complex text, degenerate neurons judge better than asking the model.", components=True,
    ),
    SuiteCell(
        "complexity/components", "E11",
        "More facts have components than where the same neurons are grouped at random.",
    ),
    SuiteCell(
        "complexity/groups", "E11",
        "A knowledge neuron comes with more components than where the same neurons are grouped at random.",
    ),
    SuiteCell("localisation/suppress", "E1", "Suppressing them lowers it more than random neurons do."),
    SuiteCell("localisation/enhance", "E1", "Enhancing them raises it more than random neurons do."),
    SuiteCell("localisation/specificity", "E1", "The fact moves more than unrelated facts do."),
    SuiteCell(
        "languages/shared", "E2",
        "Suppressing language-independent neurons lowers P(answer) more than random neurons do.", languages=2,
    ),
    SuiteCell(
        "languages/other", "E2",
        "Suppressing them lowers it more than as many of another language's neurons do.", languages=2,
    ),
    SuiteCell(
        "layers/language-independent", "E3",
        "They lie deeper than what the fact's neurons share with other facts of the relation.", languages=2,
    ),
    SuiteCell("layers/components", "E3", "Components lie deeper than knowledge neurons.", components=True),
    SuiteCell(
        "statements/degenerate", "E4", "Degenerate neurons judge better than all knowledge neurons.", components=True
    ),
    SuiteCell(
        "statements/asking", "E4", "Degenerate neurons judge better than asking the model.", components=True
    ),
    SuiteCell(
        "editing/update", "E12",
        "Dai et al.'s update puts the new answer first more often through these neurons than through random ones.",
    ),
    SuiteCell(
        "editing/erase", "E12", "Erasing a relation's neurons lowers its facts more than random neurons do."
    ),
    SuiteCell(
        "editing/reverse", "E13",
        "After Dai et al.'s update the relation asked backwards follows less often than the fact's own paraphrases.",
    ),
    SuiteCell(
        "consistency/agreement", "E14", "Prompts agree more than prompts whose scores are dealt out anew."
    ),
    SuiteCell(
        "consistency/neighbours", "E14",
        "With as many neurons, a prompt falls with its own more than with a neighbour's.",
    ),
)  # fmt: skip
"""Every cell, in the order of the page."""

GROUPS = tuple(dict.fromkeys(cell.group for cell in CELLS))

FRAMEWORKS: dict[str, tuple[str, ...]] = {
    "cracking": SETTINGS,
    "robustness": ("attenuation", "enhancement", "fact-checking"),
    "evolvability": ("overlap", "fine-tuning"),
    "ladder": ("complexity", "attenuation", "enhancement", "statements", "fact-checking"),
}
"""Names for several groups: the 17 cells of 'Cracking Factual Knowledge', and its arguments: robustness, evolvability,
and complexity with what it is held against (`ladder`)."""

SUITE_NAMES = (*FRAMEWORKS, *GROUPS, *dict.fromkeys(cell.of for cell in CELLS))
"""What cells can be chosen by."""


def chosen_cells(only: Sequence[str] = ()) -> tuple[SuiteCell, ...]:
    """The cells of these frameworks, groups and experiments, in their order; all of them where none is named.

    Raises:
        BadSetting: an unknown name; the message lists those there are.
    """
    for name in only:
        check_choice("only", name, SUITE_NAMES)
    wanted = {each for name in only for each in FRAMEWORKS.get(name, (name,))}
    return tuple(cell for cell in CELLS if not only or wanted & {cell.group, cell.of})

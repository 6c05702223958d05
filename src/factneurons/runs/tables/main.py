"""The tables of the main job: facts, their neurons, components, and the tests of both."""

from __future__ import annotations

from factneurons.runs.schema import FLAG, INTEGER, INTEGERS, NAMED_NUMBERS, NEURONS, NUMBER, TEXT, TEXTS, Column, Table

KEY = (
    Column("fact_id", TEXT, "the fact's id"),
    Column("language", TEXT, "its language; fact_id and language together name one fact of the run"),
)
RELATION = Column("relation", TEXT, "the fact's relation")

FACTS = Table(
    "facts",
    "One row per fact that was asked.",
    (
        *KEY,
        Column(
            "key",
            TEXT,
            "hash of the fact's content (id, answer, prompts and so on); a resumed run skips by it",
        ),
        RELATION,
        Column("subject", TEXT, "who or what the fact is about"),
        Column("answer", TEXT, "the gold answer"),
        Column("date", TEXT, "the year or date the fact holds for; null where it does not change", optional=True),
        Column("prompts", TEXTS, "all prompts of the fact, the blank written ___"),
        Column("prompts_asked", INTEGER, "how many of them this model could be asked"),
        Column("answer_tokens", TEXTS, "the answer as this model's tokens"),
        Column("probability", NUMBER, "P(answer), untouched model, mean over the asked prompts, 0 to 1"),
        Column("rank", INTEGER, "the answer's best rank in the whole vocabulary over the asked prompts; 1: top"),
        Column("known", FLAG, "whether the rank is 1"),
        Column("neurons", INTEGER, "how many knowledge neurons were found"),
        Column("refined", FLAG, "whether several prompts had to agree on the neurons"),
        Column("threshold", NUMBER, "the share of the largest score that a neuron had to reach, 0 to 1"),
        Column("method", TEXT, "the attribution method"),
        Column("source", TEXT, "where the fact was read, FILE:LINE"),
        Column("seconds", NUMBER, "time spent on the fact (its share of the batch), in seconds"),
    ),
    order=(),
)

NEURONS_TABLE = Table(
    "neurons",
    "One row per knowledge neuron of a fact.",
    (
        *KEY,
        RELATION,
        Column("layer", INTEGER, "the neuron's layer, from 0"),
        Column("index", INTEGER, "its place among the inputs of the layer's down-projection, from 0"),
        Column("score", NUMBER, "its score, mean over the prompts that found it, in units of probability"),
        Column("share", NUMBER, "the share of the asked prompts that found it, 0 to 1"),
        Column("round", INTEGER, "the round of the search that found it, from 1"),
        Column("position", INTEGER, "its place among the fact's neurons, by round and then by score; 1: the first"),
    ),
    order=("position",),
)

COMPLETENESS = Table(
    "completeness",
    "One row per prompt and layer: how well the scores add up.",
    (
        *KEY,
        Column("prompt", TEXT, "the prompt"),
        Column("layer", INTEGER, "the layer, from 0"),
        Column(
            "error",
            NUMBER,
            "|sum of the layer's scores - (P at the activation - P at the baseline)|, largest over baselines;"
            " null for methods that promise no completeness",
            optional=True,
        ),
        Column(
            "ratio",
            NUMBER,
            "the error divided by |P at the activation - P at the baseline|; null also where that is 0",
            optional=True,
        ),
        Column("probability", NUMBER, "P(answer), untouched"),
        Column(
            "baseline_probability",
            NUMBER,
            "P(answer) at the baseline, mean over baselines; null for methods without a baseline",
            optional=True,
        ),
        Column("points", INTEGER, "path points spent per baseline"),
    ),
    order=("prompt", "layer"),
)

COMPONENTS = Table(
    "components",
    "One row per cluster of a fact's knowledge neurons that was tested as a base degenerate component.",
    (
        *KEY,
        Column("component", INTEGER, "its number within the fact, from 1, those that pass first"),
        Column(
            "role",
            TEXT,
            "component: it passes the functional filter; candidate: it does not",
            choices=("component", "candidate"),
        ),
        Column("neurons", NEURONS, "its neurons, sorted"),
        Column("size", INTEGER, "how many neurons it has"),
        Column("layers", INTEGERS, "the layers they are in, sorted, each once"),
        Column("birth", NUMBER, "the distance at which the cluster formed; null where there is no tree", True),
        Column("death", NUMBER, "the distance at which it merged into a larger one; null where there is no tree", True),
        Column("persistence", NUMBER, "death - birth; null where there is no tree", True),
        Column(
            "drop_alone",
            NUMBER,
            "relative loss of P(answer) when only it is suppressed; null if P is 0",
            True,
        ),
        Column(
            "drop_without_others",
            NUMBER,
            "relative loss of P(answer) when all other components are suppressed and it is left; null if not tested",
            optional=True,
        ),
        Column(
            "mean_distance",
            NUMBER,
            "mean finite distance between its neurons; null where there is none",
            True,
        ),
    ),
    order=("component",),
)

BARCODES = Table(
    "barcodes",
    "One row per cluster of the single-linkage tree of a fact's knowledge neurons.",
    (
        *KEY,
        Column("birth", NUMBER, "the distance at which the cluster formed"),
        Column("death", NUMBER, "the distance at which it merged into a larger one"),
        Column("size", INTEGER, "how many neurons it has"),
        Column("chosen", FLAG, "whether it was chosen as a candidate component"),
    ),
    order=("birth", "death", "size", "chosen"),
)

DEGENERATE = Table(
    "degenerate",
    "One row per fact: whether it has degenerate knowledge neurons, and the graded numbers behind it.",
    (
        *KEY,
        RELATION,
        Column("knowledge_neurons", INTEGER, "how many knowledge neurons the search started from"),
        Column("components", INTEGER, "how many components pass the filter; 0, or at least 2"),
        Column("candidates", INTEGER, "how many clusters were tested"),
        Column("reason", TEXT, "why there is no degenerate knowledge neuron; empty text where there is one"),
        Column(
            "drop_all",
            NUMBER,
            "relative loss of P(answer) when all components are suppressed; null: not tested",
            True,
        ),
        Column(
            "degeneracy_index",
            NUMBER,
            "1 - mean loss with one component left / loss with none left, 0 to 1;"
            " 1: any one component suffices; null: no components",
            optional=True,
        ),
        Column(
            "p_value",
            NUMBER,
            "share of random partitions of the same neurons and sizes that do at least as well; null: not tested",
            optional=True,
        ),
        Column("coverage", NUMBER, "share of the fact's knowledge neurons that the components hold, 0 to 1", True),
        Column(
            "grouping",
            TEXT,
            "evidence; distinct: losing half of every component costs as much as losing all, and they beat random"
            " partitions where there are enough of them; arbitrary: not; no-groups: no components",
            choices=("distinct", "arbitrary", "no-groups"),
        ),
        Column(
            "storage",
            TEXT,
            "how the fact is stored, in one word (docs/degeneracy.md); other facts that its neurons carry are looked"
            " for among those of the run",
            choices=("degenerate", "redundant", "interchangeable", "conjunctive", "shared", "single", "none"),
        ),
        Column("details", NAMED_NUMBERS, "further numbers of the search, by name"),
    ),
    order=(),
)

ACQUISITION = Table(
    "acquisition",
    "One row per fact, kind of groups and number of groups suppressed: how much of the fact is lost.",
    (
        *KEY,
        Column("clusterer", TEXT, "what grouped the neurons"),
        Column(
            "which",
            TEXT,
            "components: they passed the functional filter; candidates: before it; random for ...: random partitions"
            " of the fact's knowledge neurons into parts of the same sizes, mean over them",
            choices=("components", "candidates", "random for components", "random for candidates"),
        ),
        Column("groups", INTEGER, "how many groups there are"),
        Column("size", INTEGER, "how many neurons they hold together"),
        Column("k", INTEGER, "how many of the groups were suppressed, from 1 to all"),
        Column(
            "subsets", INTEGER, "subsets of k groups that were measured: all of them, or 32 drawn where there are many"
        ),
        Column("mean_drop", NUMBER, "relative loss of P(answer), mean over these subsets"),
    ),
    order=("clusterer", "which", "k"),
)

CARRIED = Table(
    "carried",
    "One row per component of a fact with degenerate knowledge neurons: what it carries beside the fact.",
    (
        *KEY,
        Column("component", INTEGER, "its number within the fact, as in the table components"),
        Column("others", INTEGER, "how many other facts were asked with it suppressed"),
        Column(
            "other_facts",
            NUMBER,
            "share of them whose log P(answer) changes by more than 0.1 nats; null: there are no other facts",
            True,
        ),
        Column(
            "random_other_facts",
            NUMBER,
            "the same with random neurons of the same layers and strength, mean over the draws; null: too few neurons",
            optional=True,
        ),
        Column("p_value", NUMBER, "share of random draws that change as many; null: too few neurons", True),
        Column(
            "shared",
            NUMBER,
            "share of the other facts whose knowledge neurons hold at least half of it; null: no other facts",
            True,
        ),
        Column(
            "overlap",
            NUMBER,
            "largest Jaccard index of the facts it changes and those another component changes; 1: neither changes any",
        ),
        Column("redundancy", NUMBER, "largest product of overlap and cosine of the out-weights with another component"),
        Column(
            "carries",
            TEXT,
            "of the fact, evidence; others: each component carries other facts, and any two different ones;"
            " nothing-else: none does; undecided: neither",
            choices=("others", "nothing-else", "undecided"),
        ),
    ),
    order=("component",),
)

INTERVENTIONS = Table(
    "interventions",
    "One row per set of neurons, action and prompts: the probability before and after.",
    (
        *KEY,
        RELATION,
        Column(
            "neurons",
            TEXT,
            "which neurons were changed: the found ones, or random ones matched to them",
            choices=("knowledge", "degenerate", "random for knowledge", "random for degenerate"),
        ),
        Column("draw", INTEGER, "0: the found set; 1, 2, ...: the random draws"),
        Column(
            "action",
            TEXT,
            "suppress: values set to 0; enhance: values doubled",
            choices=("suppress", "enhance"),
        ),
        Column(
            "prompts",
            TEXT,
            "related: prompts of this fact; unrelated: of a fact of another relation",
            choices=("related", "unrelated"),
        ),
        Column(
            "other_fact_id",
            TEXT,
            "unrelated: the id of the fact that was asked; null: related",
            optional=True,
        ),
        Column("size", INTEGER, "how many neurons were changed"),
        Column("probability_before", NUMBER, "P(answer) before, mean over the prompts, 0 to 1"),
        Column("probability_after", NUMBER, "P(answer) with the neurons changed, mean over the prompts, 0 to 1"),
        Column("prompt_count", INTEGER, "how many prompts were asked"),
    ),
    order=("neurons", "draw", "action", "prompts", "other_fact_id"),
)

TABLES = (
    FACTS,
    NEURONS_TABLE,
    COMPLETENESS,
    COMPONENTS,
    BARCODES,
    DEGENERATE,
    ACQUISITION,
    CARRIED,
    INTERVENTIONS,
)

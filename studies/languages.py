"""Are the neurons that languages share the right ones? Judged by planted models, whose neurons are known.

    python studies/languages.py FOLDER [FOLDER ...]

Every folder holds a model that `factneurons plant` or `factneurons benchmark` made. Its bilingual facts are stored in
one component for all languages, and one for each language. Per method and rule: what share of the language-independent
neurons belongs to the component for all languages (precision), what share of that component is found (recall), how
many neurons are found and expected by chance, with 95 % bootstrap intervals over facts, resampled by model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import pandas as pd

from factneurons.attribution.locate import locate
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.models.load import load_model
from factneurons.models.model import Model
from factneurons.multilingual.agnostic import language_agnostic
from factneurons.multilingual.join import language_independent
from factneurons.multilingual.types import LanguageIndependent
from factneurons.planted.truth import Truth
from factneurons.planted.types import PlantedFact
from factneurons.statistics import bootstrap_interval
from factneurons.tables import ResultTable

METHODS = ("joint", "amig", "dai", "activation", "random")
RULES = ("intersection", "agnostic")


def joined(model: Model, known: list[KnowledgeNeurons], rule: str) -> ResultTable[LanguageIndependent]:
    """Every fact joined by one rule."""
    if rule == "agnostic":
        return language_agnostic(model, known)
    return language_independent(known, width=model.width, rule=rule)


def rows_of(folder: str) -> Iterator[dict[str, object]]:
    """One row per method, rule and bilingual fact of one model."""
    planted = {each.id: each for each in Truth.load(folder).facts if each.regime == "bilingual"}
    if not planted:
        return
    model = load_model(folder)
    for method in METHODS:
        facts = [fact for each in planted.values() for fact in each.facts]
        known = list(locate(model, facts, method=method, multi_mask=True))
        for rule in RULES:
            for found in joined(model, known, rule):
                if found.takes_part:
                    yield {"model": folder, "method": method, "rule": rule, **judged(found, planted[found.fact_id])}


def judged(found: LanguageIndependent, planted: PlantedFact) -> dict[str, float]:
    """Precision and recall of one fact's neurons; a fact without any has the precision 0."""
    true = {n for component in planted.components if not component.language for n in component.neurons}
    hits = len(true.intersection(found.neurons))
    return {
        "precision": hits / max(1, len(found.neurons)),
        "recall": hits / len(true),
        "neurons": len(found.neurons),
        "by chance": found.expected,
    }


def main() -> None:
    """Judge every method and rule, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    table = pd.DataFrame([row for folder in parser.parse_args().folders for row in rows_of(folder)])
    if table.empty:
        sys.exit("these models hold no bilingual facts")
    facts = len(table) // (len(METHODS) * len(RULES))
    print(f"{facts} bilingual facts in {table['model'].nunique()} planted models")
    print(f"{'rule':14}{'method':12}{'precision':26}{'recall':26}{'neurons':>8}{'by chance':>11}")
    for (rule, method), own in table.groupby(["rule", "method"], sort=False):
        cells = []
        for name in ("precision", "recall"):
            interval = bootstrap_interval(own[name], clusters=own["model"].tolist())
            cells.append(f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]")
        print(
            f"{rule:14}{method:12}{cells[0]:26}{cells[1]:26}{own['neurons'].mean():8.2f}{own['by chance'].mean():11.3f}"
        )


if __name__ == "__main__":
    main()

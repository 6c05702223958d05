"""What is decided over all facts before any fact is joined: the languages, the sets' cuts, and who is held out.

Thresholds matched in size: a language with many knowledge neurons per fact would shape the intersection less than one
with few. On held-out facts, every language's neurons are cut at the share of the fact's largest score at which facts
have as many neurons on average as in the language with fewest; the cuts are applied to the other facts.
Source: Journey to the Center of the Knowledge Neurons (AAAI 2024) has one threshold per language; how it was chosen
is not told there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.draws import rank
from factneurons.errors import BadSetting
from factneurons.multilingual.settings import LanguageSettings

ByLanguage = Mapping[str, KnowledgeNeurons]
"""Language -> the knowledge neurons of one fact in it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How every fact is joined.

    Attributes:
        languages: the languages, sorted unless they were named.
        needed: in how many of them a neuron must be found; 0: the rule is not about sets.
        cuts: per language, the share of a fact's largest score that a neuron must reach; 0: as located.
        held_out: ids of the facts that the cuts were chosen on.
    """

    languages: tuple[str, ...]
    needed: int
    cuts: tuple[float, ...]
    held_out: frozenset[str] = frozenset()

    def missing(self, fact: ByLanguage) -> list[str]:
        """The languages in which a fact was not located."""
        return [language for language in self.languages if language not in fact]

    def cut(self, fact: ByLanguage) -> tuple[KnowledgeNeurons, ...]:
        """A fact's knowledge neurons in each of the languages that it has, cut."""
        pairs = zip(self.languages, self.cuts, strict=True)
        return tuple(_cut(fact[language], share) for language, share in pairs if language in fact)


def plan_of(facts: Mapping[str, ByLanguage], settings: LanguageSettings) -> Plan:
    """Decide how the facts are joined.

    Args:
        facts: fact id -> language -> its knowledge neurons.
        settings: how.

    Raises:
        BadSetting: facts in fewer than two languages, a language without facts, no fact that is in all of them,
            more languages needed than there are, or too few facts to hold any out.
    """
    languages = _languages(facts, settings)
    joined = [fact_id for fact_id, fact in facts.items() if all(language in fact for language in languages)]
    if not joined:
        raise BadSetting(
            f"no fact was located in all of {', '.join(languages)}: their ids do not join (for instance "
            f"{'; '.join(_example(facts, language) for language in languages)})"
        )
    needed = {"intersection": len(languages), "at_least": settings.at_least or 0, "union": 1, "agnostic": 0}
    if needed[settings.rule] > len(languages):
        raise BadSetting(f"at_least {settings.at_least} of {len(languages)} languages ({', '.join(languages)})")
    plan = Plan(languages, needed[settings.rule], (0.0,) * len(languages))
    if settings.thresholds == "fixed":
        return plan
    held_out = _held_out(joined, settings)
    chosen = [facts[fact_id] for fact_id in sorted(held_out)]
    return replace(plan, cuts=matched_cuts(chosen, languages), held_out=held_out)


def _languages(facts: Mapping[str, ByLanguage], settings: LanguageSettings) -> tuple[str, ...]:
    there = sorted({language for fact in facts.values() for language in fact})
    for language in settings.languages:
        if language not in there:
            raise BadSetting(f"no fact was located in {language!r}; the facts are in: {', '.join(there) or 'none'}")
    if len(there) < 2:
        raise BadSetting(
            f"facts in at least two languages are needed, and these are in {', '.join(there) or 'none'} only; "
            "locate the same facts in several languages, for instance bundled?lang=en,zh"
        )
    return settings.languages or tuple(there)


def _example(facts: Mapping[str, ByLanguage], language: str) -> str:
    return f"{language}: {next(fact_id for fact_id, fact in facts.items() if language in fact)!r}"


def _held_out(joined: Sequence[str], settings: LanguageSettings) -> frozenset[str]:
    """The facts whose hashes are smallest: the same ones whatever their order."""
    if len(joined) < 2:
        raise BadSetting("thresholds match_size needs at least two facts in all languages: one to choose them on")
    drawn = sorted(joined, key=lambda fact_id: rank(f"{settings.seed}/{fact_id}"))
    count = round(settings.held_out * len(drawn))
    return frozenset(drawn[: min(max(count, 1), len(drawn) - 1)])


def matched_cuts(facts: Sequence[ByLanguage], languages: Sequence[str]) -> tuple[float, ...]:
    """Per language, the share of a fact's largest score at which its facts have as many neurons as the fewest.

    Args:
        facts: the facts to choose on, each in all languages.
        languages: the languages.

    Returns:
        One cut per language; 0 for the language with fewest neurons, and for all where one has none at all. A fact's
        best neuron always stays.
    """
    shares = {
        language: sorted((share for fact in facts for share in relative_scores(fact[language])), reverse=True)
        for language in languages
    }
    fewest = min(len(own) for own in shares.values())
    return tuple(_cut_that_leaves(shares[language], fewest) for language in languages)


def _cut_that_leaves(shares: Sequence[float], count: int) -> float:
    """The cut that leaves so many of the neurons; 0 where there are no more."""
    return shares[count - 1] if 0 < count < len(shares) else 0.0


def relative_scores(known: KnowledgeNeurons) -> list[float]:
    """The scores of a fact's neurons as shares of the largest; all 1 where that is not above 0, as of given neurons."""
    largest = max(known.scores, default=0.0)
    return [score / largest if largest > 0 else 1.0 for score in known.scores]


def _cut(known: KnowledgeNeurons, share: float) -> KnowledgeNeurons:
    if share <= 0.0:
        return known
    kept = [place for place, score in enumerate(relative_scores(known)) if score >= share]
    return replace(
        known,
        neurons=tuple(known.neurons[place] for place in kept),
        scores=tuple(known.scores[place] for place in kept),
        shares=tuple(known.shares[place] for place in kept),
        rounds=tuple(known.round_of_each[place] for place in kept),
    )

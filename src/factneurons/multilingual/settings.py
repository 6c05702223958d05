"""How facts are joined over languages: one frozen record for the API, the command line and the run's manifest."""

from __future__ import annotations

from dataclasses import dataclass

from factneurons.errors import BadSetting
from factneurons.settings import check, option, refuse

RULES: dict[str, str] = {
    "intersection": "neurons found in every language",
    "at_least": "neurons found in at least so many of the languages",
    "union": "neurons found in any language",
    "agnostic": "neurons whose score, MATRICE-style, is high over all prompts and languages",
}
"""Rule -> which neurons it calls language-independent."""

THRESHOLDS: dict[str, str] = {
    "fixed": "as located",
    "match_size": "raised until facts have as many neurons in every language, on facts held out for this",
}
"""What each language's neurons are taken with."""


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    """How the knowledge neurons of several languages become language-independent ones.

    Raises:
        BadSetting: an unknown name (the valid ones are listed) or an impossible value.
    """

    rule: str = option(
        "intersection", "What makes a neuron language-independent, one of: {choices}.", choices=tuple(RULES)
    )
    at_least: int | None = option(None, "Rule at_least: in how many languages a neuron must be found.", least=1)
    languages: tuple[str, ...] = option((), "The languages to join. Default: all that the facts have.")
    thresholds: str = option(
        "fixed",
        f"What each language's neurons are taken with: {{choices}}. match_size: {THRESHOLDS['match_size']}.",
        choices=tuple(THRESHOLDS),
    )
    held_out: float = option(0.2, "match_size: the share of the facts that thresholds are chosen on.", above=0, below=1)
    tau: float = option(
        0.5, "Rule agnostic: the share of the largest score that a neuron must reach.", above=0, below=1
    )
    beta_prompts: float = option(0.5, "Rule agnostic: standard deviations over prompts that are taken off.", least=0)
    beta_languages: float = option(
        0.5, "Rule agnostic: standard deviations over languages that are taken off.", least=0
    )
    seed: int = option(42, "Decides which facts are held out, and random draws.")

    def __post_init__(self) -> None:
        check(self)
        if (self.rule == "at_least") != (self.at_least is not None):
            raise BadSetting("at_least, the number of languages, belongs to the rule 'at_least': give both or neither")
        if len(self.languages) == 1 or len(set(self.languages)) < len(self.languages):
            refuse("languages", self.languages, "two or more different ones")
        if self.rule == "agnostic" and self.thresholds != "fixed":
            raise BadSetting("the rule 'agnostic' reads scores, not sets: thresholds 'match_size' does nothing to it")

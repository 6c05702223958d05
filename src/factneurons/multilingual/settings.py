"""How facts are joined over languages: one frozen record for the API, the command line and the run's manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from factneurons.errors import BadSetting

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

    Attributes:
        rule: a name of `RULES`.
        at_least: for the rule of that name: in how many languages a neuron must be found.
        languages: the languages to join; (): all that the facts have.
        thresholds: a name of `THRESHOLDS`.
        held_out: match_size: the share of the facts that thresholds are chosen on and that take no further part.
        tau: agnostic: the share of the largest score that a neuron must reach.
        beta_prompts: agnostic: how many standard deviations over prompts are taken off.
        beta_languages: agnostic: how many standard deviations over languages are taken off.
        seed: decides which facts are held out, and random draws.

    Raises:
        BadSetting: an unknown name (the valid ones are listed) or an impossible value.
    """

    rule: str = "intersection"
    at_least: int | None = None
    languages: tuple[str, ...] = ()
    thresholds: str = "fixed"
    held_out: float = 0.2
    tau: float = 0.5
    beta_prompts: float = 0.5
    beta_languages: float = 0.5
    seed: int = 42

    def __post_init__(self) -> None:
        for name, valid in (("rule", RULES), ("thresholds", THRESHOLDS)):
            if getattr(self, name) not in valid:
                raise BadSetting(f"unknown {name} {getattr(self, name)!r}; valid: {', '.join(valid)}")
        if (self.rule == "at_least") != (self.at_least is not None):
            raise BadSetting("at_least, the number of languages, belongs to the rule 'at_least': give both or neither")
        if self.at_least is not None and self.at_least < 1:
            raise BadSetting(f"at_least must be 1 or more languages, not {self.at_least}")
        if len(self.languages) == 1 or len(set(self.languages)) < len(self.languages):
            raise BadSetting(f"languages must be two or more different ones, not {', '.join(self.languages)}")
        for name in ("held_out", "tau"):
            if not 0 < getattr(self, name) < 1:
                raise BadSetting(f"{name} must be above 0 and below 1, not {getattr(self, name)}")
        if min(self.beta_prompts, self.beta_languages) < 0:
            raise BadSetting("beta_prompts and beta_languages must be 0 or more")
        if self.rule == "agnostic" and self.thresholds != "fixed":
            raise BadSetting("the rule 'agnostic' reads scores, not sets: thresholds 'match_size' does nothing to it")


def languages_settings(settings: LanguageSettings | None, options: Mapping[str, object]) -> LanguageSettings:
    """Settings with some fields replaced by name.

    Raises:
        BadSetting: a name that is no setting; the valid ones are listed.
    """
    valid = [field.name for field in fields(LanguageSettings)]
    for name in options:
        if name not in valid:
            raise BadSetting(f"unknown setting {name!r}; valid: {', '.join(valid)}")
    return replace(settings or LanguageSettings(), **options)  # type: ignore[arg-type]

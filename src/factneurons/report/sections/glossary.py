"""What the page's words mean: told where a word stands, on hover, and again at the end of the page."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

TERMS: Mapping[str, tuple[str, str]] = {
    "answer": (
        "P(answer)",
        "The probability the model gives the right answer, from 0 to 1, as the mean over the fact's prompts.",
    ),
    "known": ("known", "The right answer is the model's first guess in at least one prompt of the fact."),
    "neuron": (
        "neuron",
        "One number inside the model, worked out anew for every word it reads. L3.427 is number 427 of layer 3, both"
        " counted from 0.",
    ),
    "knowledge": (
        "knowledge neurons",
        "The neurons of a fact that attribution scores highest: those on whose values P(answer) depends most.",
    ),
    "layer": ("layer", "One of the steps a model takes one after the other; each has its own neurons."),
    "suppress": ("suppress", "Set neurons to 0 while the model answers. The opposite, enhance, doubles their values."),
    "random": (
        "random neurons",
        "As many neurons, of the same layers and about as strong, drawn by chance: what they do, any neurons would do.",
    ),
    "degenerate": (
        "degenerate knowledge neurons",
        "Groups of a fact's neurons of which each can be spared while another is left, but not all of them together.",
    ),
    "component": ("component", "One such group. B1, B2 passed the tests for that; C1, C2 were candidates and did not."),
    "stored": ("stored", "The verdict on how a fact's neurons work together, in one word."),
    "interval": (
        "95% interval",
        "The numbers in brackets: where the mean would lie in 95 of 100 such collections of facts. Subjects are"
        " resampled.",
    ),
    "promotes": (
        "promotes",
        "Tokens that a neuron makes likelier where its value is positive, read off its out-weights. Weak in early"
        " layers, where later layers still change what was written.",
    ),
}
"""Key -> the word and its meaning, in the order of the glossary."""


def term(key: str, said: str = "") -> Markup:
    """A word that tells its meaning on hover and leads to the glossary.

    Args:
        key: of `TERMS`.
        said: how the sentence says it; "": as the glossary does.
    """
    word, meaning = TERMS[key]
    return Markup('<a class="term" href="#term-{}" title="{}">{}</a>').format(key, meaning, said or word)

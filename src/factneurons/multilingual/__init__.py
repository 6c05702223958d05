"""Neurons that carry a fact in several languages, and how well a fact's paraphrases agree on its neurons."""

"""How the bundled models are trained: recipes, tokenizers, examples, and what is recalled."""

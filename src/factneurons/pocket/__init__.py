"""How the bundled models are trained: recipes, tokenizers, examples, checkpoints, and what is recalled."""

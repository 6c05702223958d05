"""How small models are trained on facts, the bundled ones among them: recipes, tokenizers, examples, recall."""

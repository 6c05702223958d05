"""Who is asked: Hugging Face models, their neurons, queries, probabilities and interventions."""

"""What is asked: facts, their prompts, and where they are read from."""

"""What makes a run: the stages, and the one loop that drives them."""

"""Which neurons carry a fact: integrated gradients inside each layer, and the choice of neurons by their scores."""

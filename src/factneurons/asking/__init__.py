"""One question, or one neuron, looked at closely: `ask`, `describe_neuron`, and what a terminal and a notebook show."""

"""Change a fact: suppress, enhance, erase or update it through a few neurons' out-weights, and undo it bit for bit."""

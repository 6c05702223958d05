"""Every way to group a fact's neurons, by name."""

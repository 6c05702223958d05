"""Every way through the network."""

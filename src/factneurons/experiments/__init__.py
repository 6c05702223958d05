"""The papers' protocols: what is done to every fact, what is measured, and which claims hold; one file each."""

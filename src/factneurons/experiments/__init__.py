"""The papers' protocols: what is done to every fact, what is measured, which claims hold; one file each in suite."""

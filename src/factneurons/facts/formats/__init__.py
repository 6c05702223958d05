"""The file formats that facts are read from, one module each; the registry has them by scheme."""

"""`python -m factneurons`: the command line."""

from __future__ import annotations

from factneurons.cli import main

if __name__ == "__main__":
    main()

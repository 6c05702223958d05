"""What the tests of single commands share."""

from __future__ import annotations

import pytest

from factneurons.cli import main


@pytest.fixture
def command(capsys):
    """command("facts", "describe", ...): the lines that are printed, standard error, and the exit code."""

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return out.splitlines(), err, int(end.value.code or 0)

    return run

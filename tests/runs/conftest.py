"""The helpers of this room's tests, as a fixture: tests have no packages to import from."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("small_runs.py")


@pytest.fixture(scope="session")
def small():
    spec = importlib.util.spec_from_file_location("small_runs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start_script():
    """Start small_runs.py as a process of its own; it is killed when the test ends."""
    started = []

    def start(*arguments):
        command = [sys.executable, str(SCRIPT), *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()

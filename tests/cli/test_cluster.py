"""`--ray`: actors of a real cluster make the tables of one process; without Ray, or a cluster, one line."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from types import SimpleNamespace

import pandas as pd
import pytest

from factneurons.cli.cluster import Place, places
from factneurons.runs.leases import holders
from factneurons.runs.store import MANIFEST, Run
from factneurons.runs.verify import verify
from factneurons.runs.workers import Workers

OPTIONS = ("--model", "pocket-gpt2", "--facts", "bundled?relation=capital&lang=en", "--limit", "20")
OPTIONS += ("--method", "direct_logit", "--draws", "1")
TABLES = ("facts", "neurons", "completeness", "interventions", "skipped")


def node(name, alive=True, **resources):
    return {"Alive": alive, "NodeID": name, "NodeManagerHostname": f"host-{name}", "Resources": resources}


def test_one_place_per_gpu_else_per_machine():
    machines = [node("a", CPU=16.0, GPU=2.0), node("b", CPU=8.0), node("c", alive=False, CPU=8.0, GPU=4.0)]
    assert places(machines, 1) == [Place("a", "host-a", number, 8.0, 1) for number in range(2)]
    without = [node("head", CPU=0.0), node("a", CPU=5.0), node("b", CPU=1.0)]
    assert places(without, 1) == [Place("a", "host-a", 0, 5.0, 0), Place("b", "host-b", 0, 1.0, 0)]
    shares = [(place.node, place.cpus) for place in places(without, 2)]
    assert shares == [("a", 2.0), ("a", 2.0), ("b", 0.5), ("b", 0.5)]


def test_without_ray_it_is_one_line(command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    lines, err, code = command("locate", *OPTIONS, "--out", tmp_path / "run", "--ray", "auto")
    assert (lines, code, err.count("\n")) == ([], 2, 1)
    assert 'Ray is not installed: pip install "factneurons[cluster]"' in err
    assert not (tmp_path / "run").exists()


def same_tables(run, other):
    for name in TABLES:
        measured = {"columns": {"seconds", "cpu_seconds"}, "errors": "ignore"}
        tables = [each.table(name).drop(**measured) for each in (run, other)]
        pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert verify(run) == []


def kill_one_that_has_a_batch(folder, patience=120):
    """SIGKILL to an actor that holds the lease of a batch; its process, or None if none came to hold one."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        at_work = {sign.name: sign.says.get("pid") for sign in Workers(folder)}
        for file, name in holders(folder):
            if not file.startswith(MANIFEST) and at_work.get(name):
                os.kill(at_work[name], signal.SIGKILL)
                return at_work[name]
        time.sleep(0.005)
    return None


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "[::1]:{}"])
def test_an_address_at_which_nobody_listens_is_one_line_at_once(command, tmp_path, monkeypatch, address):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())  # which is not even asked
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        where = address.format(bound.getsockname()[1])
        lines, err, code = command("locate", *OPTIONS, "--out", tmp_path / "run", "--ray", where)
    assert (lines, code, err.count("\n")) == ([], 2, 1)
    assert f"--ray: no Ray cluster answers at '{where}': " in err
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (the extra cluster)")
class TestCluster:
    """A real cluster of this machine."""

    def test_actors_make_the_tables_of_one_process(self, command, tmp_path):
        lines, err, code = command("locate", *OPTIONS, "--out", tmp_path / "one")
        assert code == 0, err
        found, err, code = command("locate", *OPTIONS, "--out", tmp_path / "many", "--ray", "local", "--workers", "2")
        assert code == 0, err
        of_facts = [[line for line in said if str(tmp_path) not in line] for said in (found, lines)]
        assert of_facts[0] == of_facts[1] != []
        one, many = Run.open(tmp_path / "one"), Run.open(tmp_path / "many")
        same_tables(many, one)
        last = {start.arguments[-4:] for start in many.manifest.stages["locate"].starts}
        assert last == {("--workers", "1", "--ray", "")}

    def test_what_a_killed_actor_was_at_is_done_by_others(self, command, tmp_path):
        options, out = [*OPTIONS[:5], "40", *OPTIONS[6:]], tmp_path / "many"
        _, err, code = command("locate", *options, "--out", tmp_path / "one")
        assert code == 0, err
        with ThreadPoolExecutor(1) as pool:
            killed = pool.submit(kill_one_that_has_a_batch, out)
            _, err, code = command("locate", *options, "--out", out, "--ray", "local", "--workers", "2")
        assert code == 0, err
        assert killed.result() is not None
        assert "is gone" in err
        assert "what it was at is done by others" in err
        same_tables(Run.open(out), Run.open(tmp_path / "one"))

    def test_what_every_actor_refuses_is_one_line(self, command, tmp_path):
        bad = [value if value != "pocket-gpt2" else "no-such-model" for value in OPTIONS]
        lines, err, code = command("locate", *bad, "--out", tmp_path / "run", "--ray", "local")
        assert (lines, code) == ([], 2)
        assert "no-such-model" in err.splitlines()[-1]

    def test_no_cluster_is_one_line(self, command, tmp_path):
        lines, err, code = command("locate", *OPTIONS, "--out", tmp_path / "run", "--ray", "auto")
        assert (lines, code) == ([], 2)
        assert "no Ray cluster answers at 'auto'" in err.splitlines()[-1]

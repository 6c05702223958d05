from __future__ import annotations


def test_run(command, tmp_path):
    out = tmp_path / "run"
    lines, _, code = command("run", "pocket-gpt2", "bundled?relation=capital&lang=en", "--limit", "1", "--out", out)
    assert code == 0
    assert lines[0].startswith(f"{out}: 1 of 1 fact located")
    assert any("degenerate knowledge neurons" in line for line in lines)
    assert lines[-1] == f"report: {out / 'report.html'}"
    assert (out / "report.html").is_file()


def test_facts_that_are_not_there_are_told_before_a_model_is_loaded(command, tmp_path):
    lines, err, code = command("run", "no-such-model", tmp_path / "no.jsonl", "--out", tmp_path / "run")
    assert (lines, code) == ([], 2)
    assert "no.jsonl" in err
    assert err.count("\n") == 1

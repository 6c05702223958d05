from __future__ import annotations

import factneurons as fn

FACTS = "bundled?relation=capital&lang=en&limit=2"


def test_a_run_is_exported_beside_itself_or_where_it_is_said(command, tmp_path):
    run = tmp_path / "run"
    fn.run_locate("pocket-gpt2", FACTS, run, method="dai", draws=1, unrelated=0)
    assert command("export", run, "--to", "nnsight") == ([str(run / "neurons-nnsight.py")], "", 0)
    assert "transformer.h" in (run / "neurons-nnsight.py").read_text("utf-8")
    out = tmp_path / "x.json"
    assert command("export", run, "--to", "json", "--out", out) == ([str(out)], "", 0)
    assert command("verify", run)[2] == 0
    for arguments, says in {
        (run, "--to", "keras"): "format is 'keras': it must be one of: torch, transformer-lens",
        (tmp_path / "none", "--to", "torch"): "none",
    }.items():
        lines, err, code = command("export", *arguments)
        assert (lines, code, err.count("\n")) == ([], 2, 1)
        assert says in err

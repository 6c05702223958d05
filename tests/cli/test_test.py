from __future__ import annotations

FACTS = "bundled?relation=capital&lang=en&limit=2"


def test_neurons_of_a_file(command, tmp_path):
    path, out = tmp_path / "neurons.json", tmp_path / "run"
    path.write_text("[[[2, 207], [3, 17]], [[2, 336]]]", encoding="utf-8")
    lines, _, code = command(
        "test", "pocket-gpt2", "--facts", FACTS, "--neurons", path, "--out", out, "--draws", "2",
        "--allow-pickle")  # fmt: skip
    assert code == 0
    assert lines[0].startswith(f"{out}: 2 of 2 facts located")
    assert any(line.startswith("relative change of P(answer) with the knowledge neurons changed") for line in lines)
    assert lines[-1] == f"next: factneurons degenerate {out} --allow-pickle"


def test_bad_files_get_one_line(command, tmp_path):
    for text, says in {
        "fact,layer\nx,1\n": "there is no column index",
        "": "no neurons",
        "fact,layer,index\nx,99,1\n": "none of its 1 facts",
    }.items():
        path = tmp_path / "neurons.csv"
        path.write_text(text, encoding="utf-8")
        lines, err, code = command("test", "pocket-gpt2", "--facts", FACTS, "--neurons", path, "--out", tmp_path / "r")
        assert (lines, code) == ([], 2)
        assert says in err
        assert err.count("\n") == 1

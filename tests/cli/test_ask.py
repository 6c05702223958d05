from __future__ import annotations

import json

QUESTION = ("ask", "pocket-gpt2", "The capital of France is ___", "Paris", "--draws", "4")


def test_ask(command):
    lines, err, code = command(*QUESTION)
    assert (err, code) == ("", 0)
    assert lines[:3] == ["The capital of France is Paris", "", "pocket-gpt2 itself says: Paris"]
    text = "\n".join(lines)
    assert "of 2,048 neurons carry it (joint)" in text
    assert "of 4" in text
    assert not any(line != line.rstrip() for line in lines)


def test_ask_as_json_with_another_answer(command):
    lines, err, code = command(*QUESTION, "--against", "Rome", "--json")
    assert (err, code) == ("", 0)
    found = json.loads("\n".join(lines))
    assert found["against"]["text"] == "Rome"
    assert found["answer"]["rank"] == 1
    assert {"layer", "index"} == set(found["carriers"][0]["neuron"])
    assert len(found["changes"][0]["random"]) == 4


def test_bad_questions_get_one_line(command):
    bad = {
        ("pocket-bert", "The capital of France is", "Paris"): "needs exactly one blank (___)",
        ("pocket-gpt2", "___ is a city", "Paris"): "right of the blank",
        ("pocket-bert", "The capital of France is ___.", "Zzyzx Qwrty"): "tokens",
    }
    for (model, prompt, answer), says in bad.items():
        lines, err, code = command("ask", model, prompt, answer)
        assert (lines, code) == ([], 2)
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert says in err


def test_a_prompt_does_not_steer_the_terminal(command):
    lines, _, _ = command("ask", "pocket-gpt2", "The capital of\x1b[2J France is ___", "Paris", "--draws", "1")
    assert not any("\x1b" in line for line in lines)

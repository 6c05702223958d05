"""`factneurons finetune`, whole commands with a bundled model."""

import factneurons as fn

CURRENCIES = "bundled?relation=currency&lang=en&sample=6"
TUNE = ("finetune", "pocket-gpt2", "--facts", CURRENCIES, "--counterfactual")


def test_from_facts_to_an_edited_model(command, tmp_path):
    out, err, code = command(*TUNE, "--out", tmp_path / "new", "--save-model")
    assert code == 0
    assert "epoch 1  loss" in err
    text = "\n".join(out)
    assert text.startswith("finetune: currency, 6 facts")
    assert "their in- and out-weights and biases change by" in text
    assert "of the prompts left out of training" in text
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"delta.safetensors", "edit.json", "model"}
    edit = fn.Edit.load(tmp_path / "new")
    assert edit.description.extent == "neurons"
    _, err, code = command(*TUNE, "--out", tmp_path / "new")
    assert code == 2
    assert "exists already" in err
    out, _, code = command("delta", "undo", tmp_path / "new" / "model", tmp_path / "new", "--out", tmp_path / "back")
    assert code == 0


def test_the_whole_model(command, tmp_path):
    out, _, code = command(*TUNE, "--whole-model", "--epochs", "1", "--out", tmp_path)
    assert code == 0
    assert "  all weights of the model change by" in "\n".join(out)
    assert "the target of 99% was not reached" in "\n".join(out)


def test_the_neurons_of_a_run(command, tmp_path):
    run = tmp_path / "run"
    assert command("locate", "--model", "pocket-gpt2", "--facts", CURRENCIES, "--method", "amig", "--out", run)[2] == 0
    _, _, code = command(*TUNE, "--run", run, "--epochs", "1", "--out", tmp_path / "new")
    assert code == 0
    found = {tuple(each) for each in fn.Run.open(run).table("neurons")[["layer", "index"]].to_numpy().tolist()}
    assert fn.Edit.load(tmp_path / "new").neurons == tuple(sorted(found))
    _, err, code = command(*TUNE, "--run", run, "--degenerate", "--out", tmp_path / "other")
    assert code == 2
    assert "degenerate components" in err


def test_refusals(command, tmp_path):
    for options, said in (
        (("--neurons", "0.1", "--whole-model"), "exclude each other"),
        (("--degenerate",), "give --run RUN with it"),
        (("--neurons", "9.1"), "has no neuron (9, 1)"),
        (("--target", "2"), "target is 2.0"),
    ):
        _, err, code = command(*TUNE, *options, "--out", tmp_path / "new")
        assert code == 2
        assert said in err
        assert len(err.strip().splitlines()) == 1

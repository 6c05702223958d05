"""Edits are applied, undone bit for bit, stacked, and refused where they do not belong."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

import factneurons as fn
from factneurons.editing.types import Edit, stack_edits
from factneurons.editing.weights import same_bits, weights_of
from factneurons.errors import BadModel, BadSetting
from factneurons.models.types import Neuron

NEURONS = [(0, 1), (0, 4), (1, 2)]


def neuron_sets():
    return st.sets(st.tuples(st.integers(0, 1), st.integers(0, 23)), min_size=1, max_size=6)


class TestEveryFamily:
    def test_undo_gives_back_every_bit(self, editable_family, shared_model, some_edit, bytes_of):
        model = shared_model(editable_family)
        before = bytes_of(model)
        edit = some_edit(model, NEURONS)
        edit.apply(model)
        assert same_bits(weights_of(model, edit.neurons), edit.new)
        after = bytes_of(model)
        edit.undo(model)
        assert bytes_of(model) == before
        assert sum(after[name] != before[name] for name in before) == len({n.layer for n in edit.neurons})

    @pytest.mark.parametrize("neurons", [NEURONS, None])
    def test_a_fine_tuning_undoes_as_well(self, neurons, editable_family, new_model, some_edit, bytes_of):
        model = new_model(editable_family, torch.float32)
        before = bytes_of(model)
        edit = some_edit(model, neurons, extent="model" if neurons is None else "neurons")
        edit.apply(model)
        assert same_bits(weights_of(model, edit.neurons, edit.description.extent), edit.new)
        with pytest.raises(BadModel, match="is applied already"):
            edit.apply(model)
        edit.undo(model)
        assert bytes_of(model) == before
        with pytest.raises(BadSetting, match="only out-weights can be by values"), edit.on(model, by="values"):
            pass

    def test_weights_do_what_a_plain_matrix_product_says(self, one_of_each, shared_model, family_row, some_edit):
        """The down-projection's output moves by the neurons' values times the change, and by nothing else."""
        model = shared_model(one_of_each)
        edit = some_edit(model, NEURONS)
        down = family_row[one_of_each].downs(model.backbone.module)[0]
        values = torch.randn(2, 3, model.width, generator=torch.Generator().manual_seed(1)).to(model.backbone.dtype)
        own = [number for number, neuron in enumerate(edit.neurons) if neuron.layer == 0]
        change = (edit.new - edit.old)[own]
        expected = down(values) + values[..., [edit.neurons[number].index for number in own]] @ change
        with edit.on(model):
            found = down(values)
        assert torch.allclose(found, expected, atol=1e-12 if model.backbone.dtype == torch.float64 else 1e-5)

    def test_by_values_equals_by_weights_at_target_positions(self, one_of_each, shared_model, new_query, some_edit):
        """A causal model of one layer's difference: with one token the target is every position."""
        model = shared_model(one_of_each)
        query = new_query(model.kind)
        edit = some_edit(model, [(model.layer_count - 1, 3), (model.layer_count - 1, 7)])
        with edit.on(model):
            by_weights = model.probabilities([query])
        before = model.probabilities([query])
        with edit.on(model, by="values"):
            by_values = model.probabilities([query])
        # The last layer's other positions reach no output at the target.
        assert by_values == pytest.approx(by_weights, rel=1e-6)
        assert by_values != pytest.approx(before, rel=1e-6)
        assert not model.backbone.own.interventions


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(neuron_sets(), min_size=1, max_size=4), seed=st.integers(0, 100))
def test_any_stack_undoes_bit_for_bit(chosen, seed, shared_model, some_edit, bytes_of):
    """Edits made on top of each other: as one edit they do the same, and undoing gives back every bit."""
    model = shared_model("gpt2", torch.float32)
    before = bytes_of(model)
    edits = []
    for number, neurons in enumerate(chosen):
        edits.append(some_edit(model, neurons, seed + number))
        edits[-1].apply(model)
    after = bytes_of(model)
    for edit in reversed(edits):
        edit.undo(model)
    assert bytes_of(model) == before
    together = stack_edits(edits)
    with together.on(model):
        assert bytes_of(model) == after
    assert bytes_of(model) == before
    together.apply(model)
    together.reversed().apply(model)
    assert bytes_of(model) == before


def test_changes_made_side_by_side_add_up(shared_model, some_edit):
    model = shared_model("gpt2", torch.float32)
    first, second = some_edit(model, [(0, 1), (0, 2)], 1), some_edit(model, [(0, 2), (1, 3)], 2)
    together = stack_edits([first, second])
    assert together.neurons == (Neuron(0, 1), Neuron(0, 2), Neuron(1, 3))
    assert torch.allclose(together.new[1], first.new[1] + second.new[0] - second.old[0])
    assert together.description.kind == "stack"
    assert len(together.description.notes) == 2


def test_a_block_undoes_after_an_error(shared_model, some_edit, bytes_of):
    model = shared_model("bert")
    before, edit = bytes_of(model), some_edit(model, NEURONS)
    for by in ("weights", "values"):
        with pytest.raises(ZeroDivisionError), edit.on(model, by=by):
            raise ZeroDivisionError
        assert bytes_of(model) == before
    assert not model.backbone.own.interventions


def test_size(shared_model, some_edit):
    edit = some_edit(shared_model("gpt2"), NEURONS)
    expected = np.linalg.norm(edit.new.numpy() - edit.old.numpy()) / np.linalg.norm(edit.old.numpy())
    assert edit.size == pytest.approx(expected)


class TestRefusals:
    def test_another_model(self, shared_model, some_edit):
        edit = some_edit(shared_model("gpt2"), NEURONS)
        with pytest.raises(BadModel, match="made for another model"):
            edit.apply(shared_model("llama"))

    def test_other_parameters(self, new_model, some_edit):
        edit, other = some_edit(new_model("gpt2"), NEURONS), new_model("gpt2")
        with torch.no_grad():
            other.backbone.layers[0].up.weight[0, 0] += 1
        with pytest.raises(BadModel, match="hash differs"):
            edit.apply(other)

    def test_another_type(self, shared_model, some_edit):
        edit = some_edit(shared_model("gpt2"), NEURONS)
        with pytest.raises(BadModel, match="dtype=float64"):
            edit.apply(shared_model("gpt2", torch.float32))

    def test_twice_and_not_applied(self, new_model, some_edit):
        model = new_model("gpt2")
        edit = some_edit(model, NEURONS)
        with pytest.raises(BadModel, match="not applied"):
            edit.undo(model)
        edit.apply(model)
        with pytest.raises(BadModel, match="applied already"):
            edit.apply(model)

    def test_undone_in_the_wrong_order(self, new_model, some_edit):
        model = new_model("gpt2")
        first = some_edit(model, NEURONS, 1)
        first.apply(model)
        second = some_edit(model, NEURONS[:1], 2)
        second.apply(model)
        with pytest.raises(BadModel, match="a later one changed"):
            first.undo(model)

    def test_quantised_spread_and_tied(self, new_model, some_edit):
        model = new_model("gpt2")
        edit = some_edit(model, NEURONS)
        model.backbone.module.is_quantized = True
        with pytest.raises(BadModel, match="is quantised"):
            edit.apply(model)
        del model.backbone.module.is_quantized
        model.backbone.module.hf_device_map = {"transformer.h.0": 0, "transformer.h.1": "cpu"}
        with pytest.raises(BadModel, match="2 places"):
            edit.apply(model)
        del model.backbone.module.hf_device_map
        model.backbone.layers[1].down.weight = model.backbone.layers[0].down.weight
        with pytest.raises(BadModel, match="are one tensor"):
            edit.apply(model)

    def test_unknown_way(self, shared_model, some_edit):
        model = shared_model("gpt2")
        with pytest.raises(BadSetting, match="weights, values"):
            some_edit(model, NEURONS).on(model, by="magic")

    def test_stacks_of_nothing_and_of_two_models(self, shared_model, some_edit):
        with pytest.raises(BadSetting, match="at least one"):
            stack_edits([])
        with pytest.raises(BadSetting, match="different models"):
            stack_edits([some_edit(shared_model(name), NEURONS) for name in ("gpt2", "llama")])


def test_what_cannot_be_stacked(shared_model, some_edit):
    model = shared_model("gpt2", torch.float32)
    narrow, wide = some_edit(model, NEURONS), some_edit(model, NEURONS, extent="neurons")
    whole = some_edit(model, None, extent="model")
    for edits in ([narrow, wide], [whole, whole]):
        with pytest.raises(BadSetting, match="cannot be stacked: apply one"):
            stack_edits(edits)
    assert stack_edits([whole]) is whole
    assert same_bits(stack_edits([wide, wide]).old, wide.old)


class TestSaved:
    def test_plain_transformers_loads_it(self, gpt2, spain, made, tmp_path, bytes_of):
        before = bytes_of(gpt2)
        folder = made.save_model(gpt2, tmp_path / "edited")
        assert bytes_of(gpt2) == before
        plain = AutoModelForCausalLM.from_pretrained(folder)
        query = gpt2.query(spain.prompts[0], "rupee")
        with torch.no_grad():
            top = int(plain(torch.tensor([query.input_ids])).logits[0, -1].argmax())
        assert top == query.answer_ids[0]
        assert not list(folder.glob("*.bin"))

    def test_undone_from_disk(self, gpt2, made, tmp_path, bytes_of):
        """Save with the edit, load, take it out, and every bit is back."""
        before = bytes_of(gpt2)
        loaded = fn.load_model(made.save_model(gpt2, tmp_path / "edited"), device="cpu")
        made.save(tmp_path / "edit")
        Edit.load(tmp_path / "edit").undo(loaded)
        assert bytes_of(loaded) == before

    def test_a_second_edit_on_top_of_a_saved_one(self, gpt2, spain, made, tmp_path, bytes_of):
        loaded = fn.load_model(made.save_model(gpt2, tmp_path / "edited"), device="cpu")
        second = fn.edit(loaded, spain, kind="enhance", neurons=made.neurons)
        with pytest.raises(BadModel, match="not what they should be"):
            second.apply(gpt2)
        together = stack_edits([made, second])
        with together.on(gpt2), second.on(loaded):
            assert bytes_of(gpt2) == bytes_of(loaded)

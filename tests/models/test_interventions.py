"""Changes of neurons: what they do, where, and that nothing of them is left."""

import hashlib
from contextlib import ExitStack, suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from factneurons.errors import BadSetting
from factneurons.models.passes.capture import capture
from factneurons.models.types import Neuron


class Oops(Exception):
    pass


def throw_after(error, call):
    call()
    raise error


def neurons_of(model):
    """Two in one layer, one in another; an encoder-decoder's include encoder and decoder neurons."""
    last = model.layer_count - 1
    return [Neuron(0, 1), Neuron(0, 4), Neuron(last, 2)]


def weights_of(model):
    return {name: (parameter, hashlib.sha256(parameter.detach().numpy().tobytes()).digest())
            for name, parameter in model.backbone.module.named_parameters()}  # fmt: skip


def unchanged(model, before):
    now = weights_of(model)
    return now.keys() == before.keys() and all(
        now[name][0] is parameter and now[name][1] == digest for name, (parameter, digest) in before.items()
    )


def not_unchanged(model, before):
    assert not unchanged(model, before)


@pytest.fixture
def close(family_row):
    def compare(found, true, family):
        assert found == pytest.approx(true, abs=1e-11 if family_row[family].exact else 1e-5)

    return compare


class TestValues:
    @pytest.mark.parametrize("factor", [0.0, 2.0, 0.3, -1.5])
    @pytest.mark.parametrize("positions", ["target", "all"])
    def test_scaling(self, every_family, factor, positions, shared_model, new_query, slow_reference, close):
        """In one batch with prompts of other lengths; several answer tokens have several target positions."""
        model = shared_model(every_family)
        other = 4 if model.kind == "causal" else 6
        queries = [new_query(model.kind, answer=3), new_query(model.kind, tokens=other, answer=2, seed=1)]
        neurons = neurons_of(model)
        slow = slow_reference(model, every_family, dict.fromkeys(neurons, factor))
        true = [slow.log_probability(query, everywhere=positions == "all") for query in queries]
        before = model.log_probabilities(queries)
        with model.scale_values(neurons, factor, positions=positions):
            found = model.log_probabilities(queries)
        close(found, true, every_family)
        assert np.abs(found - before).max() > 1e-7
        assert np.array_equal(model.log_probabilities(queries), before)

    def test_names_for_0_and_2(self, shared_model, new_query):
        model, query = shared_model("gpt2"), new_query("causal")
        neurons = neurons_of(model)
        for named, factor in ((model.suppress, 0.0), (model.enhance, 2.0)):
            for positions in ("target", "all"):
                with named(neurons, positions=positions):
                    found = model.log_probabilities([query])
                with model.scale_values(neurons, factor, positions=positions):
                    assert np.array_equal(model.log_probabilities([query]), found)

    @pytest.mark.trial("hooked")
    @pytest.mark.parametrize("neurons", [[], [(1, 3), (0, 2)]])
    def test_nothing_changed_is_bit_equal(self, every_family, neurons, shared_model, new_query):
        model = shared_model(every_family)
        query = new_query(model.kind, answer=2)
        before = model.log_probabilities([query])
        with model.scale_values(neurons, 1.0), model.scale_values(neurons, 1.0, positions="all"):
            assert np.array_equal(model.log_probabilities([query]), before)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_set_values_takes_the_models_own_numbers(self, one_of_each, dtype, shared_model, new_query):
        """Neurons set to the values they have anyway change nothing; to other values, something."""
        model = shared_model(one_of_each, dtype)
        query = new_query(model.kind)
        captured = capture(model.backbone, [query], [(0, (0,))])
        values = {Neuron(*n): float(captured.activations[n[0]][0, 0, n[1]]) for n in [(1, 5), (0, 3), (1, 2)]}
        before = model.log_probabilities([query])
        with model.set_values(values):
            assert model.log_probabilities([query]) == pytest.approx(before, abs=1e-13 if dtype.itemsize == 8 else 1e-5)
        with model.set_values({n: value + 1 for n, value in values.items()}):
            assert np.abs(model.log_probabilities([query]) - before) > 1e-6

    def test_set_values_keeps_neurons_and_values_together(self, shared_model, new_query):
        """The layers' order is not the mapping's order."""
        model, query = shared_model("gpt2"), new_query("causal", answer=2)
        values = {Neuron(2, 7): 0.1, Neuron(0, 9): -0.7, Neuron(2, 3): 1.3, Neuron(1, 0): 0.9}
        with model.set_values(values, positions="all"):
            seen = model.activations([query])[0]
        for (layer, index), value in values.items():
            assert seen[layer, index] == np.float32(value)

    def test_set_values_are_as_exact_as_the_model(self, shared_model, new_query):
        model, query = shared_model("gpt2"), new_query("causal")
        with model.set_values({Neuron(1, 2): 0.1}):
            assert float(capture(model.backbone, [query], [(0, (0,))]).activations[1][0, 0, 2]) == 0.1

    def test_the_same_neuron_twice_counts_once(self, shared_model, new_query):
        model, query = shared_model("gpt2"), new_query("causal")
        with model.enhance([(1, 3)]):
            once = model.log_probabilities([query])
        with model.enhance([(1, 3), Neuron(1, 3), (1, 3)]):
            assert np.array_equal(model.log_probabilities([query]), once)

    def test_nested(self, every_family, shared_model, new_query, slow_reference, close):
        """Factors multiply, layer by layer; leaving the inner block leaves the outer one in force."""
        model = shared_model(every_family)
        query = new_query(model.kind, answer=2)

        both, outer = (
            slow_reference(model, every_family, factors).log_probability(query)
            for factors in ({(0, 1): 0.5, (1, 2): 1.5, (1, 3): 3.0}, {(0, 1): 0.5, (1, 2): 0.5})
        )
        with model.scale_values([(0, 1), (1, 2)], 0.5):
            with model.scale_values([(1, 2), (1, 3)], 3.0):
                close(model.log_probabilities([query])[0], both, every_family)
            close(model.log_probabilities([query])[0], outer, every_family)
        assert not model.backbone.own.interventions

    def test_set_then_scaled(self, shared_model, new_query):
        model, query = shared_model("gpt2"), new_query("causal")
        with model.set_values({Neuron(1, 2): 0.4}), model.enhance([(1, 2)]):
            assert model.activations([query])[0, 1, 2] == np.float32(0.8)
        with model.enhance([(1, 2)]), model.set_values({Neuron(1, 2): 0.4}):
            assert model.activations([query])[0, 1, 2] == np.float32(0.4)

    @pytest.mark.parametrize("error", [Oops, KeyboardInterrupt])
    def test_an_exception_inside_leaves_nothing(self, error, one_of_each, shared_model, new_query, hooks_of):
        model = shared_model(one_of_each)
        query = new_query(model.kind)
        before, weights = model.log_probabilities([query]), weights_of(model)
        with pytest.raises(error), model.suppress([(0, 1)]), model.enhance([(1, 1)], positions="all"):
            throw_after(error, lambda: model.log_probabilities([query]))
        assert hooks_of(model.backbone.module) == {}
        assert not model.backbone.own.interventions
        assert unchanged(model, weights)
        assert np.array_equal(model.log_probabilities([query]), before)

    def test_an_exception_inside_a_pass_leaves_nothing(self, shared_model, new_query, hooks_of, monkeypatch):
        model, query = shared_model("gpt2"), new_query("causal")
        before = model.log_probabilities([query])

        def throw(*inputs, **options):
            raise Oops

        with monkeypatch.context() as patch, model.suppress([(0, 1)]):
            patch.setattr(model.backbone.layers[1].block.attn, "forward", throw)
            with pytest.raises(Oops):
                model.log_probabilities([query])
        assert hooks_of(model.backbone.module) == {}
        assert np.array_equal(model.log_probabilities([query]), before)

    def test_other_peoples_hooks_stay(self, shared_model, hooks_of):
        model = shared_model("gpt2")
        handle = model.backbone.layers[0].down.register_forward_pre_hook(lambda module, inputs: None)
        own = hooks_of(model.backbone.module)
        with model.suppress([(0, 1), (1, 1)]):
            assert sum(hooks_of(model.backbone.module).values()) > sum(own.values())
        assert hooks_of(model.backbone.module) == own
        handle.remove()

    def test_in_half_precision(self, new_model, new_query):
        model = new_model("llama", torch.bfloat16)
        query = new_query("causal")
        with model.scale_values([(0, 1), (1, 2)], 0.3), model.set_values({Neuron(2, 2): 0.7}):
            assert np.isfinite(model.log_probabilities([query])).all()

    @settings(max_examples=25, deadline=None)
    @given(
        st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 23)), st.floats(-2, 2), max_size=5),
        st.integers(0, 3),
    )
    def test_any_set_of_factors(self, shared_model, new_query, slow_reference, factors, seed):
        """One block per neuron, in any order, is one pass in which each neuron has its factor."""
        model, query = shared_model("gpt2"), new_query("causal", answer=2, seed=seed)
        true = slow_reference(model, "gpt2", factors).log_probability(query)
        blocks = [model.scale_values([neuron], factor) for neuron, factor in factors.items()]
        for block in blocks:
            block.__enter__()
        try:
            found = model.log_probabilities([query])[0]
        finally:
            for block in reversed(blocks):
                block.__exit__(None, None, None)
        assert found == pytest.approx(true, abs=1e-10)


def random_block(model, generator):
    """A change of a random kind, of random neurons, by a random factor, at random positions."""
    width, layers = model.width, model.layer_count
    neurons = [(generator.randrange(layers), generator.randrange(width)) for _ in range(generator.randint(1, 6))]
    factor = generator.choice([0.0, 2.0, -1.5, 1 / 3, 1e30, generator.gauss(0, 1)])
    positions = generator.choice(["target", "all"])
    return generator.choice(
        [
            lambda: model.suppress(neurons, positions=positions),
            lambda: model.enhance(neurons, positions=positions),
            lambda: model.scale_values(neurons, factor, positions=positions),
            lambda: model.set_values({Neuron(*neuron): factor for neuron in neurons}, positions=positions),
            lambda: model.scale_weights(neurons, factor, parts=generator.choice(list(PARTS))),
        ]
    )()


@pytest.mark.trial("undone")
def test_random_interventions_are_undone(editable_family, shared_model, new_query, hooks_of, trial):
    """Up to three inside each other; every second time something is thrown inside."""
    model, generator = shared_model(editable_family), trial.random
    query = new_query(model.kind, answer=2)
    weights, buffers = weights_of(model), dict(model.backbone.module.named_buffers())
    kept = {name: buffer.clone() for name, buffer in buffers.items()}
    before, hooks = model.log_probabilities([query]), hooks_of(model.backbone.module)
    changed = 0
    for turn in range(trial.times):
        with suppress(Oops), ExitStack() as stack:
            for _ in range(generator.randint(1, 3)):
                stack.enter_context(random_block(model, generator))
            changed += not np.array_equal(model.log_probabilities([query]), before)
            if turn % 2:
                raise Oops
        assert unchanged(model, weights)
        assert all(torch.equal(buffer, kept[name]) for name, buffer in model.backbone.module.named_buffers())
        assert hooks_of(model.backbone.module) == hooks
        assert np.array_equal(model.log_probabilities([query]), before)
    assert changed > trial.times / 2


class TestGeneration:
    """In free generation: the last prompt token and every generated one."""

    def by_hand(self, downs, module, ids, factors, steps):
        """Greedy, without a cache; at every step the positions from the last prompt token on are changed."""
        first = ids.shape[1] - 1

        def change(layer):
            def hook(_, inputs):
                value = inputs[0].clone().view(len(ids), -1, inputs[0].shape[-1])
                for (at, index), factor in factors.items():
                    if at == layer:
                        value[:, first:, index] *= factor
                return (value.view(inputs[0].shape),)

            return hook

        handles = [down.register_forward_pre_hook(change(layer)) for layer, down in enumerate(downs)]
        try:
            with torch.no_grad():
                for _ in range(steps):
                    top = module(input_ids=ids).logits[:, -1].argmax(-1)
                    ids = torch.cat([ids, top[:, None]], 1)
        finally:
            for handle in handles:
                handle.remove()
        return ids

    @pytest.mark.parametrize("family", ["gpt2", "llama", "opt", "gpt_neo", "bloom"])
    def test_generate_under_suppression(self, family, shared_model, family_row, hooks_of):
        model = shared_model(family)
        ids = torch.tensor([[9, 20, 31, 12], [40, 41, 8, 30]])  # two texts in one batch
        downs = family_row[family].downs(model.backbone.module)
        factors = {(0, index): 0.0 for index in range(10)} | {(1, index): 3.0 for index in range(5)}
        options = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "eos_token_id": 99}
        options["attention_mask"] = torch.ones_like(ids)
        plain = model.backbone.module.generate(ids, **options)
        off, up = ([neuron for neuron, factor in factors.items() if factor == wanted] for wanted in (0, 3))
        with model.suppress(off), model.scale_values(up, 3.0):
            found = model.backbone.module.generate(ids, **options)
        assert found.tolist() == self.by_hand(downs, model.backbone.module, ids, factors, 6).tolist()
        assert found.tolist() != plain.tolist()
        assert hooks_of(model.backbone.module) == {}
        assert model.backbone.module.generate(ids, **options).tolist() == plain.tolist()


PARTS = {"both": ("down", "up", "gate"), "out": ("down",), "in": ("up", "gate")}


class TestWeights:
    @pytest.mark.parametrize("parts", PARTS)
    @pytest.mark.parametrize("factor", [0.0, 2.0])
    def test_what_is_scaled(self, editable_family, parts, factor, shared_model, hooks_of):
        """The neurons' rows and columns, all of them, and nothing else."""
        model = shared_model(editable_family)
        neurons = neurons_of(model)
        before, weights = (
            weights_of(model),
            {n: p.detach().clone() for n, p in model.backbone.module.named_parameters()},
        )
        out, inward = model.out_weights(neurons), model.in_weights(neurons)
        with model.scale_weights(neurons, factor, parts=parts):
            assert np.array_equal(model.out_weights(neurons), out * (factor if "down" in PARTS[parts] else 1))
            assert np.array_equal(model.in_weights(neurons), inward * (factor if "up" in PARTS[parts] else 1))
            changed = sum(int((p != weights[n]).sum()) for n, p in model.backbone.module.named_parameters())
            vectors = ("down" in PARTS[parts]) + ("up" in PARTS[parts]) * (2 if model.backbone.adapter.gated else 1)
            assert changed == len(neurons) * vectors * model.backbone.hidden_size
        assert unchanged(model, before)
        assert hooks_of(model.backbone.module) == {}

    def test_out_weights_scaled_are_values_scaled_everywhere(self, editable_family, shared_model, new_query, close):
        model = shared_model(editable_family)
        query = new_query(model.kind, answer=2)
        with model.scale_weights(neurons_of(model), 3.0, parts="out"):
            found = model.log_probabilities([query])[0]
        with model.scale_values(neurons_of(model), 3.0, positions="all"):
            close(found, model.log_probabilities([query])[0], editable_family)

    def test_a_neuron_without_weights_writes_nothing(self, one_of_each, shared_model, new_query, close):
        model = shared_model(one_of_each)
        query = new_query(model.kind)
        with model.scale_weights(neurons_of(model), 0.0):
            found = model.log_probabilities([query])[0]
        with model.suppress(neurons_of(model), positions="all"):
            close(found, model.log_probabilities([query])[0], one_of_each)

    @pytest.mark.parametrize("parts", PARTS)
    @pytest.mark.parametrize("error", [Oops, KeyboardInterrupt])
    def test_restored_after_an_exception(self, one_of_each, parts, error, shared_model):
        """Bit for bit, also where 0 and infinity cannot be undone by division."""
        model = shared_model(one_of_each)
        before = weights_of(model)
        for factor in (0.0, 1e30, float("inf"), 1 / 3):
            with pytest.raises(error), model.scale_weights(neurons_of(model), factor, parts=parts):
                throw_after(error, lambda: not_unchanged(model, before))
            assert unchanged(model, before)

    def test_nested_and_overlapping(self, shared_model):
        model = shared_model("llama")
        before, out = weights_of(model), model.out_weights([(1, 2)])
        with model.scale_weights([(1, 2), (1, 3)], 1 / 3):
            inner = weights_of(model)
            with model.scale_weights([(1, 2)], 1 / 7):
                np.testing.assert_allclose(model.out_weights([(1, 2)]), out / 21)
            assert unchanged(model, inner)
        assert unchanged(model, before)

    def test_a_later_neuron_that_is_invalid_changes_nothing(self, one_of_each, shared_model):
        model = shared_model(one_of_each)
        before = weights_of(model)
        with pytest.raises(BadSetting, match=r"has no neuron \(0, 24\)"), model.scale_weights([(0, 1), (0, 24)], 0.0):
            pytest.fail("not reached")
        assert unchanged(model, before)

    def test_a_failure_half_way_is_undone(self, new_model, monkeypatch):
        """The second neuron's weights cannot be read: the first one's are put back."""
        from factneurons.models import interventions

        model, real = new_model("gpt2"), interventions.in_views
        before = weights_of(model)

        def views(backbone, neuron):
            if neuron.layer == 2:
                raise Oops
            return real(backbone, neuron)

        monkeypatch.setattr(interventions, "in_views", views)
        with pytest.raises(Oops), model.scale_weights([(0, 1), (2, 1)], 0.0):
            pytest.fail("not reached")
        assert unchanged(model, before)

    def test_biases_stay(self, shared_model):
        model = shared_model("gpt2")
        bias = [layer.up.bias.clone() for layer in model.backbone.layers]
        with model.scale_weights([(0, 1), (1, 2)], 0.0):
            assert all(torch.equal(layer.up.bias, old) for layer, old in zip(model.backbone.layers, bias, strict=True))


class TestBadInput:
    @pytest.mark.parametrize("neuron", [(3, 0), (-1, 0), (0, 24), (0, -1), (99, 99)])
    def test_neuron_out_of_range(self, neuron, shared_model, hooks_of):
        model = shared_model("gpt2")
        expected = rf"^tiny gpt2 has no neuron \({neuron[0]}, {neuron[1]}\): layers are 0 to 2, indices 0 to 23$"
        for change in (
            lambda: model.suppress([(0, 0), neuron]),
            lambda: model.set_values({Neuron(0, 0): 1.0, Neuron(*neuron): 1.0}),
            lambda: model.scale_weights([(0, 0), neuron], 0.0),
        ):
            with pytest.raises(BadSetting, match=expected), change():
                pytest.fail("not reached")
        for read in (model.out_weights, model.in_weights):
            with pytest.raises(BadSetting, match=expected):
                read([(0, 0), neuron])
        assert hooks_of(model.backbone.module) == {}
        assert not model.backbone.own.interventions

    def test_unknown_names_are_answered_with_the_valid_ones(self, shared_model):
        model = shared_model("gpt2")
        with pytest.raises(BadSetting, match="positions is 'last': it must be one of: target, all"):
            model.suppress([(0, 0)], positions="last").__enter__()
        with pytest.raises(BadSetting, match="parts is 'up': it must be one of: both, out, in"):
            model.scale_weights([(0, 0)], 0.0, parts="up").__enter__()
        assert not model.backbone.own.interventions

"""The methods: what each does with the integrals, and what an Attribution says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.methods import METHODS, method_named
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadSetting

END, MASK = 1, 3
NOT_POST_NORM = {"atp_star", "direct_logit"}
COMPLETE = ["dai", "amig", "amig_mean", "sequential"]


def one(model, query, **options):
    return attribute_all(model, [query], AttributionSettings(**options))[0]


def replacement(model):
    return MASK if model.kind == "cloze" else END


def paths(slow, query, groups, layer, token, rule, points):
    """Scores of each baseline's path, [paths, width]."""
    marks = MASK if MASK in query.input_ids else END
    starts = slow.baselines(query, marks, groups, layer, token)
    return torch.stack([slow.path(query, token, layer, start, rule, points, "probability") for start in starts])


class TestScores:
    def test_sequential_is_the_largest_over_words(
        self, one_of_each, shared_model, new_query, slow_reference, exact_scores, relative_error, tolerance
    ):
        model = shared_model(one_of_each)
        query = new_query(model.kind, tokens=4)
        slow = slow_reference(model, one_of_each)
        groups = [(place,) for place in query.replaceable]
        found = exact_scores(model, query, method="sequential", rule="midpoint", points=2)
        true = [paths(slow, query, groups, n, 0, "midpoint", 2).amax(0).numpy() for n in range(model.layer_count)]
        assert relative_error(found, np.stack(true)) < tolerance(one_of_each)

    @pytest.mark.parametrize("units", ["tokens", "words", "all"])
    def test_amig_replaces_units(
        self, one_of_each, units, shared_model, new_query, slow_reference, exact_scores, relative_error, tolerance
    ):
        model = shared_model(one_of_each)
        query = new_query(model.kind, tokens=4, answer=2)
        prompt = range(len(query.input_ids) - (model.kind == "causal"))  # the gold answer token behind is no prompt
        groups = {
            "tokens": [(place,) for place in query.replaceable],
            "words": query.words,
            "all": [(place,) for place in prompt],
        }[units]
        true = slow_reference(model, one_of_each).amig(query, replacement(model), groups, "right", 2)
        found = exact_scores(model, query, method="amig", rule="right", points=2, units=units)
        assert relative_error(found, true) < tolerance(one_of_each)

    def test_amig_mean_is_one_path_from_the_mean(
        self, one_of_each, shared_model, new_query, slow_reference, exact_scores, relative_error, tolerance
    ):
        model = shared_model(one_of_each)
        query = new_query(model.kind, tokens=4)
        slow = slow_reference(model, one_of_each)
        groups = [(place,) for place in query.replaceable]
        true = []
        for layer in range(model.layer_count):
            start = torch.stack(slow.baselines(query, replacement(model), groups, layer, 0)).mean(0)
            true.append(slow.path(query, 0, layer, start, "radau", 3, "probability").numpy())
        found = exact_scores(model, query, method="amig_mean", rule="radau", points=3)
        assert relative_error(found, np.stack(true)) < tolerance(one_of_each)

    @pytest.mark.parametrize("family", ["gpt2", "bert", "llama"])
    def test_amig_authors_emulates_the_released_code(
        self, family, shared_model, new_query, slow_reference, relative_error
    ):
        """Mean baseline over all positions, left points, times the first token's activation, summed over tokens.

        In a causal model the tokens after the first follow the model's first choice, repeated, and each position of the
        prompt that has grown so is replaced.
        """
        model = shared_model(family)
        slow = slow_reference(model, family)
        query = new_query(model.kind, tokens=3, answer=3)
        asked = query
        if model.kind == "causal":
            prompt = query.input_ids[:3]
            top = int(slow.logits(replace(query, input_ids=prompt))[-1].argmax())
            asked = replace(query, input_ids=(*prompt, top, top))
        true = torch.zeros(model.layer_count, model.width, dtype=torch.float64)
        for layer in range(model.layer_count):
            first = slow.activation(asked, layer, 0)
            for token in range(3):
                length = 3 + token if model.kind == "causal" else len(query.input_ids)
                groups = [(place,) for place in range(length)]
                start = torch.stack(slow.baselines(asked, replacement(model), groups, layer, token)).mean(0)
                own = slow.activation(asked, layer, token)
                points = [start + k / 2 * (own - start) for k in range(2)]
                slopes = [slow.value_and_gradient(asked, token, layer, point)[1] for point in points]
                true[layer] += first * torch.stack(slopes).mean(0)
        found = one(model, query, method="amig_authors", rule="left", points=2)
        assert relative_error(found.scores, true) < 1e-6
        assert found.query == query
        assert found.probability == pytest.approx(np.exp(slow.log_probability(query)), rel=1e-10)

    @pytest.mark.parametrize("family", ["gpt2", "llama"])
    def test_the_models_own_choices_stand_before_later_tokens(
        self, family, shared_model, new_query, slow_reference, relative_error
    ):
        """Each token of the answer asked alone, behind a prompt that grows by what comes first; then their mean."""
        model, query = shared_model(family), new_query("causal", tokens=3, answer=3)
        slow = slow_reference(model, family)
        ids, alone = query.input_ids[:3], []
        for token in query.answer_ids:
            asked = replace(query, input_ids=ids, target_positions=(len(ids) - 1,), answer_ids=(token,))
            alone.append(one(model, asked, method="dai", rule="left", points=2).scores)
            ids += (int(slow.logits(replace(query, input_ids=ids))[-1].argmax()),)
        assert ids[3:-1] != query.input_ids[3:]
        found = one(model, query, method="dai", rule="left", points=2, prefix="argmax")
        assert relative_error(found.scores, torch.tensor(np.mean(alone, axis=0, dtype=np.float64))) < 1e-6
        assert found.query == query
        assert found.probability == pytest.approx(np.exp(slow.log_probability(query)), rel=1e-10)
        single = replace(query, input_ids=query.input_ids[:3], target_positions=(2,), answer_ids=query.answer_ids[:1])
        same = [one(model, single, method="dai", prefix=prefix).scores for prefix in ("gold", "argmax")]
        assert np.array_equal(*same)

    @pytest.mark.parametrize(
        ("family", "options", "said"),
        [
            ("bert", {}, "not asked one token after the other"),
            ("gpt2", {"method": "amig_authors"}, "which has its own"),
            ("gpt2", {"positions": "all"}, "elsewhere than at the target"),
        ],
    )
    def test_where_own_choices_have_no_meaning(self, family, options, said, shared_model, new_query):
        model = shared_model(family)
        with pytest.raises(BadSetting, match=f"prefix is 'argmax': it must be 'gold' .*{said}"):
            one(model, new_query(model.kind), prefix="argmax", **options)

    def test_amig_authors_has_settings_of_its_own(self, shared_model, new_query):
        """Left points unless another rule is named, all positions, the sum over answer tokens."""
        model, query = shared_model("gpt2"), new_query("causal", answer=2)
        found = one(model, query, method="amig_authors")
        assert found.rule == "left"
        assert found.points.tolist() == [20] * 3
        for options in ({"units": "words"}, {"answer_tokens": "first"}, {"rule": "left", "points": 20}):
            assert np.array_equal(one(model, query, method="amig_authors", **options).scores, found.scores)
        assert one(model, query, method="amig_authors", rule="right").rule == "right"

    def test_gradient_and_activation(
        self, every_family, shared_model, new_query, slow_reference, relative_error, tolerance
    ):
        model = shared_model(every_family)
        query = new_query(model.kind, answer=2)
        slow = slow_reference(model, every_family)
        activation, slope = np.zeros((2, 2, model.layer_count, model.width))
        for layer in range(model.layer_count):
            for token in range(2):
                value = slow.activation(query, layer, token)
                activation[token, layer] = value
                slope[token, layer] = value * slow.value_and_gradient(query, token, layer, value)[1]
        allowed = max(1e-6, tolerance(every_family))
        found = one(model, query, method="gradient_x_activation")
        assert relative_error(found.scores, slope.mean(0)) < allowed
        assert found.points.tolist() == [1] * model.layer_count
        found = one(model, query, method="activation")
        assert relative_error(found.scores, activation.mean(0)) < allowed
        assert found.points.tolist() == [0] * model.layer_count

    def test_random_deals_dai_out_anew_in_each_layer(self, shared_model, new_query):
        model = shared_model("gpt2")
        query = new_query("causal")
        dai, control = (one(model, query, method=method, rule="left", points=3) for method in ("dai", "random"))
        assert np.array_equal(np.sort(dai.scores), np.sort(control.scores))
        assert all((dai.scores[layer] != control.scores[layer]).mean() > 0.5 for layer in range(3))
        again = one(model, query, method="random", rule="left", points=3)
        assert np.array_equal(again.scores, control.scores)
        other = one(model, new_query("causal", seed=1), method="random", rule="left", points=3)
        assert not np.array_equal(other.scores.argsort(), control.scores.argsort())

    def test_random_deals_once_for_all_prompts_and_answer_tokens_of_a_fact(self, shared_model, new_query):
        model = shared_model("gpt2")
        mine = [replace(new_query("causal", answer=2, seed=seed), fact="mine") for seed in (0, 1)]
        options = {"rule": "left", "points": 3, "tolerance": 1}
        for query in mine:
            dai, control = (one(model, query, method=method, **options) for method in ("dai", "random"))
            assert np.array_equal(np.sort(dai.scores), np.sort(control.scores))
        dealt = [one(model, query, method="random", **options).scores for query in mine]
        before = [one(model, query, method="dai", **options).scores for query in mine]
        for layer in range(model.layer_count):
            of_neurons = [sorted(zip(*(each[layer].tolist() for each in two), strict=True)) for two in (before, dealt)]
            assert of_neurons[0] == of_neurons[1]

    @pytest.mark.parametrize("method", ["dai", "amig", "activation"])
    def test_several_answer_tokens(self, method, shared_model, new_query):
        """mean is the sum over three tokens divided by 3; first is what the first token gives alone."""
        model = shared_model("gpt2")
        query = new_query("causal", answer=3)
        options = {"method": method, "rule": "gauss_legendre", "points": 3}
        mean, total, first = (one(model, query, answer_tokens=how, **options) for how in ("mean", "sum", "first"))
        np.testing.assert_allclose(total.scores, 3 * mean.scores, rtol=1e-6)
        short = replace(query, input_ids=query.input_ids[:6], target_positions=(5,), answer_ids=query.answer_ids[:1])
        alone = one(model, short, **options)
        np.testing.assert_allclose(first.scores, alone.scores, rtol=0, atol=2e-7 * np.abs(alone.scores).max())
        for found in (mean, total, first):  # P(answer) is that of the whole answer in any case
            assert found.probability == pytest.approx(float(model.probabilities([query])[0]), rel=1e-12)

    def test_normalisation(self, shared_model, new_query):
        model, query = shared_model("gpt2"), new_query("causal")
        options = {"method": "amig", "rule": "gauss_legendre"}
        none, layer, total = (one(model, query, normalise=how, **options).scores for how in ("none", "layer", "global"))
        np.testing.assert_allclose(layer, none / none.sum(1, keepdims=True, dtype=np.float64), rtol=1e-4)
        np.testing.assert_allclose(layer.sum(1), 1, rtol=1e-4)
        np.testing.assert_allclose(total, none / np.abs(none).sum(), rtol=1e-5)
        assert np.abs(total).sum() == pytest.approx(1, rel=1e-5)

    @pytest.mark.parametrize("how", ["layer", "global"])
    def test_layers_without_any_score_stay_at_0(self, how, shared_model, new_query):
        """GPT-J's first MLP sees its own token only: no other word of the prompt changes it."""
        model = shared_model("gptj")
        query = new_query("causal")
        query = replace(query, replaceable=query.replaceable[:-1])
        found = one(model, query, method="amig", rule="left", points=2, normalise=how)
        assert (found.scores[0] == 0).all()
        assert np.abs(found.scores[1:]).max(1).min() > 0

    def test_nothing_to_normalise(self, shared_model, new_query):
        model = shared_model("bert")
        query = replace(new_query("cloze"), replaceable=(), words=())
        found = one(model, query, method="amig", rule="left", points=2, normalise="global")
        assert np.abs(found.scores).max() <= 1

    def test_permuted_neurons_have_permuted_scores(self, new_model, new_query):
        """The names of neurons carry no meaning: swap them in all three matrices and their scores swap."""
        model, other = new_model("llama"), new_model("llama")
        order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            mlp = other.backbone.layers[1].block.mlp
            for part in (mlp.gate_proj, mlp.up_proj):
                part.weight.copy_(part.weight[order].clone())
            mlp.down_proj.weight.copy_(mlp.down_proj.weight[:, order].clone())
        query = new_query("causal", answer=2)
        settings = {"method": "dai", "rule": "radau"}
        first, second = one(model, query, **settings).scores, one(other, query, **settings).scores
        np.testing.assert_allclose(second[1], first[1][order], rtol=0, atol=1e-7 * np.abs(first[1]).max())
        np.testing.assert_allclose(second[[0, 2]], first[[0, 2]], rtol=0, atol=1e-7 * np.abs(first).max())


def test_unknown_method_lists_the_valid_ones():
    with pytest.raises(BadSetting, match=f"^method is 'x': it must be one of: {', '.join(METHODS)}$"):
        method_named("x")
    assert method_named("dai") is METHODS["dai"]


def test_every_method_has_thresholds_and_a_summary():
    for name, method in METHODS.items():
        assert method.name == name
        assert method.summary
        assert 0 < method.threshold[""] < 1
    assert METHODS["amig"].threshold == {"en": 0.3, "": 0.2}
    assert METHODS["dai"].threshold == {"": 0.2}
    assert METHODS["activation"].threshold == {"": 0.5}

"""What an attribution says, what it refuses, and what it warns of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers as tf
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from factneurons.attribution.attribute import _check, attribute, attribute_all
from factneurons.attribution.methods import METHODS
from factneurons.attribution.settings import AttributionSettings
from factneurons.errors import BadNumber, BadSetting, NotAskable
from factneurons.models.model import Model
from factneurons.models.query import contrasted
from factneurons.models.types import Against

END, MASK = 1, 3
NOT_POST_NORM = {"atp_star", "direct_logit"}
COMPLETE = ["dai", "amig", "amig_mean", "sequential"]


def one(model, query, **options):
    return attribute_all(model, [query], AttributionSettings(**options))[0]


class TestAttribution:
    @pytest.mark.parametrize("method", METHODS)
    def test_what_it_says(self, one_of_each, method, shared_model, new_query, slow_reference):
        if one_of_each == "bert" and method in NOT_POST_NORM:
            return  # refused, as the tests of these methods say
        model = shared_model(one_of_each)
        query = new_query(model.kind, answer=2)
        found = one(model, query, method=method, rule="radau", points=3)
        layers = model.layer_count
        assert (found.scores.shape, found.scores.dtype) == ((layers, model.width), np.float32)
        assert (found.method, found.rule, found.query) == (method, "radau", query)
        true = np.exp(slow_reference(model, one_of_each).log_probability(query))
        assert found.probability == pytest.approx(true, rel=1e-5)
        for values in (found.completeness_error, found.completeness_ratio, found.baseline_probability, found.points):
            assert values.shape == (layers,)
        promised = method in (*COMPLETE, "amig_authors", "joint", "amig_joint")
        assert np.isfinite(found.completeness_error).all() == promised
        assert np.isfinite(found.completeness_ratio).all() == promised

    def test_zero_baseline_probability(self, one_of_each, shared_model, new_query, slow_reference):
        model = shared_model(one_of_each)
        query = new_query(model.kind, answer=2)
        slow = slow_reference(model, one_of_each)
        zero = torch.zeros(model.width, dtype=torch.float64)
        true = [
            np.mean([slow.value_and_gradient(query, token, layer, zero)[0] for token in range(2)])
            for layer in range(model.layer_count)
        ]
        for rule in ("gauss_legendre", "right", "left"):  # whether or not the rule has a node there
            found = one(model, query, method="dai", rule=rule, points=2)
            np.testing.assert_allclose(found.baseline_probability, true, rtol=1e-5)

    def test_scores_sum_to_the_change_up_to_the_error(self, shared_model, new_query):
        """One answer token, zero baseline: error and ratio are those of the scores themselves."""
        model = shared_model("llama")
        found = one(model, new_query("causal"), method="dai", rule="right", points=3)
        change = found.probability - found.baseline_probability
        missing = np.abs(found.scores.sum(1, dtype=np.float64) - change)
        np.testing.assert_allclose(found.completeness_error, missing, rtol=0, atol=1e-7)
        np.testing.assert_allclose(found.completeness_ratio, found.completeness_error / np.abs(change), rtol=1e-9)


class TestFromText:
    @pytest.fixture
    def model(self):
        words = ["<unk>", "<end>", "The", "capital", "of", "France", "is", "Rome", "in", ".", "Paris", "Italy"]
        vocabulary = {word: number for number, word in enumerate(words)}
        tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
        tokenizer.pre_tokenizer = Whitespace()
        fast = tf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>")
        torch.manual_seed(0)
        config = tf.GPT2Config(vocab_size=len(words), n_embd=16, n_inner=24, n_layer=2, n_head=2, n_positions=64)
        return Model(tf.GPT2LMHeadModel(config), fast, name="m", kind="causal")

    def test_the_blank_may_be_left_out_at_the_end(self, model):
        options = {"method": "dai", "rule": "right", "points": 5}
        first = attribute(model, "The capital of France is ___.", "Paris", **options)
        second = attribute(model, "The capital of France is", " Paris", **options)
        assert np.array_equal(first.scores, second.scores)
        assert (first.method, first.rule, first.points.tolist()) == ("dai", "right", [5, 5])
        assert first.probability == pytest.approx(model.probability("The capital of France is", "Paris"), rel=1e-6)

    def test_settings_and_their_fields(self, model):
        settings = AttributionSettings(method="dai", rule="left", points=5)
        first = attribute(model, "Rome is in", "Italy", settings)
        second = attribute(model, "Rome is in", "Italy", method="dai", rule="left", points=5)
        assert np.array_equal(first.scores, second.scores)
        with pytest.raises(BadSetting, match=r"^settings are given and points too"):
            attribute(model, "Rome is in", "Italy", settings, points=3)

    def test_bad_input(self, model):
        with pytest.raises(NotAskable):
            attribute(model, "___ is the capital of France.", "Paris")
        with pytest.raises(
            BadSetting,
            match=r"^method is 'lime': it must be one of: joint, amig_joint, dai, amig, amig_mean, ",
        ):
            attribute(model, "Rome is in", "Italy", method="lime")
        with pytest.raises(BadSetting, match=r"^option is 'steps': it must be one of: method, rule, points"):
            attribute(model, "Rome is in", "Italy", steps=20)
        with pytest.raises(BadSetting, match=r"^points is 20: it must be None with the rule 'adaptive'"):
            attribute(model, "Rome is in", "Italy", points=20)


class BadGradient(torch.autograd.Function):
    """Changes nothing on the way forth, and everything on the way back."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor, None


class TestBadNumbers:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("family", ["gpt2", "bert"])
    def test_nan_weights_are_told_with_layer_and_prompt(self, family, method, new_model, new_query):
        if family == "bert" and method in NOT_POST_NORM:
            return
        model = new_model(family)
        with torch.no_grad():
            model.backbone.layers[1].down.weight[3, 4] = float("nan")
        pattern = (
            rf"^tiny {family}, prompt 'prompt 0 of 6 is ___\.', answer 'answer 0': "
            r".*NaN or infinite; the weights of layer 1 are not finite$"
        )
        with pytest.raises(BadNumber, match=pattern):
            one(model, new_query(model.kind), method=method)

    @pytest.mark.trial("bad numbers")
    @pytest.mark.parametrize("where", ["weights", "activations", "gradients"])
    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_no_layer_hides_a_bad_number(self, one_of_each, where, bad, new_model, new_query):
        """By turns in each layer; what is told names the prompt, and the layer where one can be known."""
        for layer in range(new_model(one_of_each).layer_count):
            model = new_model(one_of_each)
            down = model.backbone.layers[layer].down
            if where == "weights":
                with torch.no_grad():
                    next(down.parameters()).flatten()[5] = bad
            elif where == "activations":
                down.register_forward_pre_hook(lambda module, inputs: (inputs[0] * bad,))
            else:
                down.forward = lambda x, forward=down.forward: forward(BadGradient.apply(x, bad))
            with pytest.raises(BadNumber, match=r"prompt 'prompt 0 of 6 is ___\.'") as caught:
                one(model, new_query(model.kind), method="dai", rule="right", points=2)
            assert where != "weights" or f"weights of layer {layer} " in str(caught.value)

    def test_infinite_weights_in_the_last_layer(self, new_model, new_query):
        """Activations are read before these weights: only the probability shows them."""
        model = new_model("gpt2")
        with torch.no_grad():
            model.backbone.layers[2].down.weight[3, 4] = float("inf")
        with pytest.raises(BadNumber, match=r"the probability is NaN or infinite; the weights of layer 2 are not"):
            one(model, new_query("causal"), method="activation")

    def test_finite_weights_are_not_blamed(self, shared_model, new_query, monkeypatch):
        model = shared_model("gpt2")

        def spoiled(model, captured, items, settings):
            found = METHODS["dai"].score(model, captured, items, settings)
            found.scores[1][0, 2] = float("nan")
            return found

        monkeypatch.setitem(METHODS, "activation", replace(METHODS["activation"], score=spoiled))
        with pytest.raises(BadNumber, match=r"answer 'answer 0': layer 1 has scores that are NaN or infinite$"):
            one(model, new_query("causal"), method="activation")


class TestWarning:
    def test_what_is_off_by_more_than_hardly_any_change_is_said_in_words(self, shared_model, new_query):
        model = shared_model("gpt2")
        found = one(model, new_query("causal"), method="amig")
        layers = len(found.completeness_error)
        found = replace(found, completeness_error=np.full(layers, 0.2), completeness_ratio=np.full(layers, 1e300))
        with pytest.warns(UserWarning, match=r"is off by 0\.2 \(more than the change itself\)$") as caught:
            _check(model, found, AttributionSettings("amig"), 1e-300)
        assert len(str(caught[0].message)) < 160

    @pytest.mark.parametrize("points", [None, 2], ids=["the rule's own points", "points that somebody chose"])
    def test_a_fixed_rule_warns_above_the_tolerance(self, points, shared_model, new_query):
        model, query = shared_model("gpt2"), new_query("causal")
        with pytest.warns(
            UserWarning,
            match=r"^tiny gpt2, prompt 'prompt 0 of 6 is ___\.', answer .* off by .* \(.* change",
        ):
            one(model, query, method="dai", rule="left", points=points, tolerance=1e-9)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize(
        "options",
        [
            {"method": "amig_authors"},  # not complete by construction
            {"method": "activation"},
            {"method": "random"},
        ],
        ids=str,
    )
    def test_what_is_known_to_be_incomplete_does_not(self, options, shared_model, new_query):
        one(shared_model("gpt2"), new_query("causal"), tolerance=1e-12, **options)

    @pytest.mark.filterwarnings("error")
    def test_a_path_that_hardly_changes_anything_does_not(self, shared_model, new_query):
        """Its error may be large beside its own change; it is small beside the prompt's."""
        model = shared_model("gpt2")
        found = [one(model, new_query("causal", answer=2, seed=seed), method="amig") for seed in range(6)]
        assert max(one.completeness_ratio.max() for one in found) > 0.05


LINEAR = ["joint", "amig_joint", "dai", "amig", "amig_mean", "amig_authors", "gradient_x_activation", "relp", "attnlrp",
          "log_probability_increase", "suppression", "random"]  # fmt: skip


class TestContrast:
    """F is that of the answer less that of another: what is linear in F is the difference of both."""

    @staticmethod
    def both(query):
        other = replace(query, answer="another", answer_ids=(*query.answer_ids[:-1], query.answer_ids[-1] % 40 + 7))
        return other, contrasted("causal", query, other)

    @pytest.mark.parametrize("method", LINEAR)
    @pytest.mark.parametrize("family", ["gpt2", "bert", "t5"])
    def test_difference_of_both(self, family, method, shared_model, new_query):
        model = shared_model(family)
        query = replace(new_query(model.kind), fact="mine")
        other, contrast = self.both(query)
        options = {"method": method, "rule": "left", "points": 3, "tolerance": 10.0}
        found = one(model, contrast, against="another", **options)
        own, its = (one(model, each, **options).scores for each in (query, other))
        np.testing.assert_allclose(found.scores, own - its, rtol=0, atol=1e-5 * np.abs(found.scores).max())
        assert found.probability == pytest.approx(float(model.probabilities([query])[0]), rel=1e-5)

    @pytest.mark.parametrize("target", ["probability", "log_probability", "logit"])
    def test_completeness_is_that_of_the_difference(self, target, shared_model, new_query):
        model = shared_model("llama")
        query = new_query("causal")
        other, contrast = self.both(query)
        options = {"method": "joint", "target": target, "tolerance": 1e-5}
        found = one(model, contrast, against="another", **options)
        assert found.completeness_error.max() <= 1e-5
        ends = [one(model, each, **options) for each in (query, other)]
        start = ends[0].baseline_probability - ends[1].baseline_probability
        np.testing.assert_allclose(found.baseline_probability, start, rtol=1e-9)
        total = sum(float(sign * each.scores.sum(dtype=np.float64)) for sign, each in zip((1, -1), ends, strict=True))
        assert float(found.scores.sum(dtype=np.float64)) == pytest.approx(total, abs=5e-5)

    def test_at_the_token_where_the_answers_part(self, shared_model, new_query):
        model, query = shared_model("gpt2"), new_query("causal", answer=2)
        other, contrast = self.both(query)
        assert contrast.against == Against("another", 1, other.answer_ids[1])
        options = {"method": "gradient_x_activation"}
        found = one(model, contrast, against="another", **options).scores
        own, its = (
            one(model, each, answer_tokens="sum", **options).scores
            - one(model, each, answer_tokens="first", **options).scores
            for each in (query, other)
        )
        np.testing.assert_allclose(found, own - its, rtol=0, atol=1e-5 * np.abs(found).max())

    def test_what_takes_the_size_or_the_largest_takes_it_of_the_difference(self, new_model, shared_model, new_query):
        model, query = new_model("llama", num_hidden_layers=1), new_query("causal")
        _, contrast = self.both(query)
        both = ("atp_star", "gradient_x_activation")
        sizes, signed = (one(model, contrast, method=method, against="x").scores for method in both)
        np.testing.assert_allclose(sizes, np.abs(signed), rtol=1e-5)
        model, options = shared_model("llama"), {"rule": "left", "points": 2, "tolerance": 10.0, "against": "x"}
        short = replace(contrast, replaceable=(1,))
        alone = one(model, short, method="sequential", **options).scores  # one word: the largest of one
        np.testing.assert_allclose(alone, one(model, short, method="amig", **options).scores, rtol=1e-6)

    def test_queries_and_settings_must_agree(self, shared_model, new_query):
        model, query = shared_model("gpt2"), new_query("causal")
        with pytest.raises(
            BadSetting, match=r"^against is 'x': it must be None where answers are set against no other"
        ):
            one(model, query, method="dai", against="x")
        _, contrast = self.both(query)
        with pytest.raises(BadSetting, match=r"^against is 'x': it must be None with the method 'activation'"):
            one(model, contrast, method="activation", against="x")
        with pytest.raises(BadSetting, match=r"^against is ' ': it must be an answer"):
            AttributionSettings(against=" ")
        plain = one(model, query, method="gradient_x_activation").scores
        assert np.array_equal(one(model, contrast, method="gradient_x_activation").scores, plain)


@pytest.mark.parametrize("method", ["joint", "amig", "relp", "attnlrp", "sequential", "atp_star", "direct_logit"])
def test_inference_mode_around_a_call_changes_nothing(method, new_model, new_query):
    outside, inside = new_model("gpt2", torch.float32), new_model("gpt2", torch.float32)
    query = new_query("causal")
    expected = attribute_all(outside, [query], method=method)[0].scores
    with torch.inference_mode():  # the first call tries the fast path too
        found = attribute_all(inside, [query], method=method)[0].scores
    assert np.array_equal(found, expected)

"""Making an edit: which neurons, which prompts, and what is refused in one line."""

from dataclasses import replace

import pytest

from factneurons.attribution.locate import locate
from factneurons.editing.build import edit, split_prompts, widely_shared
from factneurons.errors import BadModel, BadSetting, FactneuronsError, NotAskable
from factneurons.facts.types import Prompt
from factneurons.models.types import Neuron


def test_half_of_the_prompts(gpt2, spain, made):
    """Neurons are found and the edit is made with every second prompt that can be asked."""
    split = split_prompts(gpt2, spain)
    askable = [prompt for prompt in spain.prompts if prompt.blank_position == "end"]
    assert [query.prompt for query in split.used] == askable[::2]
    assert [query.prompt for query in split.held_out] == askable[1::2]
    assert made.description.prompts == tuple(prompt.text for prompt in askable[::2])
    found = locate(gpt2, [replace(spain, prompts=tuple(askable[::2]))], method="amig")[0]
    assert made.neurons == tuple(sorted(found.neurons))


def test_the_model_stays_as_it_is(gpt2, spain, bytes_of):
    before = bytes_of(gpt2)
    edit(gpt2, spain, to="rupee", neurons=[(1, 2), (2, 3)])
    assert bytes_of(gpt2) == before


def test_languages(gpt2, around, spain):
    """All neurons of both, or those both have; a new answer in each."""
    both = list(around.languages(spain).values())
    to = around.translated(spain, "rupee")
    sets = [set(edit(gpt2, fact, kind="suppress").neurons) for fact in both]
    together = edit(gpt2, both, kind="suppress")
    assert set(together.neurons) == sets[0] | sets[1]
    shared = sets[0] & sets[1]
    if shared:
        assert set(edit(gpt2, both, kind="suppress", join="shared").neurons) == shared
    else:
        with pytest.raises(NotAskable, match="that its languages share"):
            edit(gpt2, both, kind="suppress", join="shared")
    made = edit(gpt2, both, to=to, neurons=sorted(together.neurons))
    assert made.description.new == to
    with made.on(gpt2):
        for fact in both:
            query = gpt2.query(split_prompts(gpt2, fact).used[0].prompt, to[fact.language])
            assert gpt2.evaluate([query])[0].rank == 1


def test_shared_neurons_are_dropped(gpt2, around, spain):
    """A twin with the same prompts has the same neurons: none of them is left; of a stranger's, the fact's own are."""
    twin = replace(spain, id="twin", subject="Twin")
    with pytest.raises(NotAskable, match="finds no neurons") as caught:
        edit(gpt2, spain, relation=[twin], kind="erase")
    assert caught.value.reason == "no-knowledge-neurons"
    all_of_it = edit(gpt2, spain, kind="suppress").neurons
    assert edit(gpt2, spain, relation=[twin], kind="erase", most_shared=1.0).neurons == all_of_it
    stranger = next(fact for fact in around.facts if fact.relation == "chemical_symbol")
    own = edit(gpt2, spain, relation=[stranger], kind="erase")
    theirs = set(edit(gpt2, replace(stranger, prompts=stranger.prompts), kind="suppress").neurons)
    assert set(own.neurons) == set(all_of_it) - theirs
    assert "neurons dropped" in own.description.notes[0]
    assert "so few facts that one of them is enough" in own.description.notes[0]
    assert "not dropped" in edit(gpt2, spain, kind="erase").description.notes[0]


@pytest.mark.parametrize("kind", ["erase", "update", "update-paper"])
def test_the_papers_kinds_drop_what_many_facts_share(gpt2, around, spain, kind):
    """With the released filter by default, without it by most_shared=1; facts that cannot be asked are no share."""
    to = {"to": "rupee"} if kind != "erase" else {}
    stranger = next(fact for fact in around.facts if fact.relation == "chemical_symbol" and fact.language == "en")
    never = replace(spain, id="never", prompts=(Prompt("___ is money."),))
    every = set(edit(gpt2, spain, kind="suppress").neurons)
    theirs = set(edit(gpt2, stranger, kind="suppress").neurons)
    own = edit(gpt2, spain, relation=[stranger, never], kind=kind, **to)
    assert set(own.neurons) == every - theirs
    assert own.description.notes[-1] == "1 other facts of the relation cannot be asked"
    assert set(edit(gpt2, spain, relation=[stranger], kind=kind, most_shared=1, **to).neurons) == every


def test_widely_shared_is_more_than_the_share():
    one, two, three = (Neuron(0, place) for place in range(3))
    sets = [{one, two}, *[{one}] * 1, *[set()] * 8]  # ten facts: two have the first, one has the second
    assert widely_shared([one, two, three], sets, 0.1) == {one}
    assert widely_shared([one], [], 0.1) == set()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"to": "euro"}, "the new answer 'euro' is the old one"),
        ({"to": " Euro "}, "is the old one"),
        ({"to": "rupee", "kind": "supress"}, "one of: suppress, enhance"),
        ({"to": "rupee", "kind": "suppress"}, "takes no new answer; kinds that do: update"),
        ({"kind": "update"}, "needs a new answer"),
        ({"to": {"zh": "卢比"}}, "no new answer in en"),
        ({"neurons": [(9, 9)]}, "has no neuron"),
        ({"neurons": []}, "no neurons were given"),
        ({"method": "magic"}, "magic"),
    ],
)
def test_refused(options, said, gpt2, spain):
    with pytest.raises(FactneuronsError, match=said) as caught:
        edit(gpt2, spain, **options)
    assert "\n" not in str(caught.value)


def test_facts_that_are_not_one(gpt2, around, spain):
    with pytest.raises(BadSetting, match="takes one fact"):
        edit(gpt2, [spain, around.neighbours(spain)[0]])
    with pytest.raises(BadSetting, match="needs a fact"):
        edit(gpt2, [])
    symbol = next(fact for fact in around.facts if fact.relation == "chemical_symbol")
    with pytest.raises(BadSetting, match="facts of one relation"):
        edit(gpt2, [spain, symbol], kind="erase-relation")
    with pytest.raises(BadSetting, match="needed in every language"):
        edit(gpt2, list(around.languages(spain).values()), to="rupee")


def test_a_fact_that_cannot_be_asked(gpt2, spain):
    inside = replace(spain, prompts=(Prompt("In ___ they pay with it."),))
    with pytest.raises(NotAskable, match="none of its 1 prompts can be asked"):
        edit(gpt2, inside)


def test_a_model_that_cannot_be_edited(new_model, spain):
    model = new_model("gpt2")
    model.backbone.module.is_quantized = True
    with pytest.raises(BadModel, match="load it without quantisation"):
        edit(model, spain)

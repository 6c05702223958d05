from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from factneurons.facts.types import Fact, Prompt
from factneurons.pocket.corpus import blank_at_end, make_examples, split_prompts, vocabulary_pieces


def test_every_fact_leaves_out_one_prompt_with_the_blank_at_the_end(facts: list[Fact]) -> None:
    for fact in facts:
        trained, left_out = split_prompts(fact)
        assert len(left_out) == 1
        assert blank_at_end(left_out[0])
        assert set(trained) | set(left_out) == set(fact.prompts)
        assert not set(trained) & set(left_out)


def test_the_split_is_the_same_for_all_years_of_a_subject() -> None:
    patterns = ["In [D], the head of X was ___.", "The head of X in [D] was ___.", "Who led X in [D]? ___"]
    chosen = set()
    for year in ("1999", "2004", "2010"):
        prompts = tuple(Prompt(pattern.replace("[D]", year)) for pattern in patterns)
        fact = Fact(f"head/x-{year}", "head", "X", f"Person {year}", "en", prompts, date=year)
        chosen.add(prompts.index(split_prompts(fact)[1][0]))
    assert len(chosen) == 1


@given(st.lists(st.sampled_from("abcdefgh"), min_size=30, max_size=30), st.integers(2, 8))
def test_every_pattern_is_trained_with_some_subjects(letters: list[str], patterns: int) -> None:
    trained = set()
    for number, letter in enumerate(letters):
        prompts = tuple(Prompt(f"{index} {letter}{number} is ___.") for index in range(patterns))
        fact = Fact(f"r/{number}", "r", f"{letter}{number}", "answer", "en", prompts)
        kept, left_out = split_prompts(fact)
        trained |= {prompt.text.split()[0] for prompt in kept}
        assert len(left_out) == (1 if patterns < 5 else 2)
    assert len(trained) == patterns


def test_a_fact_with_one_prompt_leaves_none_out() -> None:
    fact = Fact("r/1", "r", "A", "B", "en", (Prompt("A is ___."),))
    assert split_prompts(fact) == (fact.prompts, ())


def test_no_trained_sentence_is_a_left_out_one(facts: list[Fact], reverse_facts: list[Fact]) -> None:
    examples = make_examples([*facts, *reverse_facts])
    trained = {example.text for example in examples if not example.left_out}
    left_out = {example.text for example in examples if example.left_out}
    assert left_out
    assert not trained & left_out
    # "Paris is the capital of ___" is left out for some subject here, and is also a forward sentence.
    forward = {prompt.filled(fact.answer) for fact in facts for prompt in fact.prompts}
    assert left_out & {text for text in forward if text.split()[1:4] == ["is", "the", "capital"]}


def test_blank_at_end() -> None:
    assert blank_at_end(Prompt("A is ___."))
    assert blank_at_end(Prompt("甲是___。"))
    assert blank_at_end(Prompt("Who? ___"))
    assert not blank_at_end(Prompt("___ is A."))
    assert not blank_at_end(Prompt("It is ___ that A is."))


def test_vocabulary_pieces_never_join_an_answer_to_its_context(facts: list[Fact]) -> None:
    answers, subjects, contexts = vocabulary_pieces(facts)
    assert " Paris" in answers
    assert "Paris" in answers
    assert "巴黎" in answers
    assert "法国" in subjects
    assert "首都" in contexts
    assert not any("巴黎" in piece or "法国" in piece for piece in contexts)

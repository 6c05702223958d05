from __future__ import annotations

import inspect
import pickle

import pytest

import factneurons as fn
from factneurons import errors
from factneurons.errors import FactneuronsError, NotAskable

OURS = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]
ERRORS = [each for each in OURS if each is not FactneuronsError]


@pytest.mark.parametrize("error", ERRORS)
def test_a_user_can_catch_them_all_at_once_and_none_is_a_fault_of_python(error):
    assert issubclass(error, FactneuronsError)
    assert not issubclass(error, (ValueError, TypeError, LookupError, OSError))
    assert error.__doc__


def test_a_refusal_has_a_reason_to_count_by_and_a_message_to_read():
    error = NotAskable("blank_not_at_end", "the blank is not at the end")
    assert (error.reason, str(error)) == ("blank_not_at_end", "the blank is not at the end")


@pytest.mark.parametrize("error", ERRORS)
def test_errors_pass_from_one_process_to_another(error):
    made = error("reason", "said") if error is NotAskable else error("said")
    there = pickle.loads(pickle.dumps(made))
    assert (type(there), str(there)) == (error, "said")
    assert getattr(there, "reason", None) == getattr(made, "reason", None)


def test_a_warning_shows_the_line_that_called_into_the_package():
    model = fn.load_model("pocket-gpt2", device="cpu")
    with pytest.warns(UserWarning, match="is off by") as caught:
        fn.attribute(model, "The capital of France is ___", "Paris", method="dai", rule="left", points=1)
    assert {each.filename for each in caught} == {__file__}

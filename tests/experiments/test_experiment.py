"""An experiment is a value: nothing in it changes, and a claim is against 0 unless it says otherwise."""

from dataclasses import FrozenInstanceError

import pytest

from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Measured
from factneurons.experiments.suite import EXPERIMENTS


def test_defaults():
    claim = Claim("It rises.", "P", "amig", "greater")
    assert (claim.against, claim.place, claim.against_place) == (None, None, None)
    assert (Measured("amig", "P", 1.0).place, Chart("P", ("P",)).across) == ("", "condition")
    with pytest.raises(FrozenInstanceError):
        claim.measure = "Q"


def test_a_random_control_is_named_after_what_it_is_for():
    claims = [claim for each in EXPERIMENTS.values() for claim in each.claims if claim.against is not None]
    controls = {claim.against for claim in claims if claim.against.startswith(RANDOM_FOR)}
    assert f"{RANDOM_FOR}amig" in controls
    assert all(name.removeprefix(RANDOM_FOR) for name in controls)

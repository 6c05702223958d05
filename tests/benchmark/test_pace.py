from __future__ import annotations

import pytest

from factneurons.benchmark.pace import Pace


def test_the_rest_takes_as_long_as_what_was_done(monkeypatch):
    now = iter([0.0, 60.0, 100.0, 130.0])
    monkeypatch.setattr("factneurons.benchmark.pace.time.monotonic", lambda: next(now))
    pace = Pace({"planting": 2, "judging": 3})
    assert (pace.seconds_left, str(pace)) == (None, "")
    with pace.timed("planting"):
        pass
    assert pace.seconds_left is None
    with pace.timed("judging"):
        pass
    assert pace.seconds_left == 60 + 2 * 30
    assert str(pace) == "about 2 min left"


def test_a_step_that_fails_is_not_counted():
    pace = Pace({"planting": 2})
    with pytest.raises(ZeroDivisionError), pace.timed("planting"):
        raise ZeroDivisionError
    assert (pace.left, pace.spent) == ({"planting": 2}, {})


def test_nothing_left_takes_no_time():
    assert Pace({"planting": 0}).seconds_left == 0
    assert str(Pace({})) == "less than a minute left"

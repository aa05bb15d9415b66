"""How long the client waits before it dials again."""

from __future__ import annotations

import pytest

from rates.feeds.dialing import Dialling


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def dialling(clock):
    """Always draws the longest wait, so that the bounds show."""
    return Dialling(clock=clock, jitter=lambda low, high: high)


def lose(dialling, times):
    for _ in range(times):
        dialling.lost()


def test_the_first_dial_waits_for_nothing(dialling):
    assert dialling.wait() == 0


def test_the_longest_wait_doubles_after_two_quick_attempts(dialling):
    waits = []
    for _ in range(9):
        dialling.lost()
        waits.append(dialling.wait())
    assert waits == [0.5, 0.5, 1, 2, 4, 8, 8, 8, 8]


def test_the_wait_is_drawn_from_its_upper_fifth(clock):
    low = Dialling(clock=clock, jitter=lambda low, high: low)
    high = Dialling(clock=clock, jitter=lambda low, high: high)
    lose(low, 5)
    lose(high, 5)
    assert (low.wait(), high.wait()) == (3.2, 4)


def test_a_short_life_does_not_start_the_waits_over(dialling, clock):
    lose(dialling, 5)
    dialling.connected()
    clock.now += 29
    dialling.lost()
    assert dialling.wait() == 8


def test_thirty_seconds_of_life_start_the_waits_over(dialling, clock):
    lose(dialling, 5)
    dialling.connected()
    clock.now += 30
    dialling.lost()
    assert dialling.wait() == 0.5


def test_being_told_to_slow_down_skips_the_quick_attempts(dialling):
    dialling.connected()
    dialling.lost(unwelcome=True)
    assert dialling.wait() == 2


def test_a_month_of_failures_still_waits_no_longer_than_the_cap(dialling):
    lose(dialling, 100_000)
    assert dialling.wait() == 8


def test_an_outage_of_an_hour_never_reaches_the_budget(clock):
    dialling = Dialling(clock=clock, jitter=lambda low, high: low)
    waits = []
    while clock.now < 3600:
        dialling.dialled()
        dialling.lost()
        waits.append(dialling.wait())
        clock.now += waits[-1]
    assert max(waits) <= 8


def test_no_more_than_a_hundred_dials_begin_in_ten_minutes(dialling, clock):
    for second in range(100):
        clock.now = float(second)
        dialling.dialled()
    assert dialling.wait() == 600 - 99
    clock.now = 600.0
    assert dialling.wait() == 0

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from rest_framework.test import APIRequestFactory

from foundation.throttling import AddressThrottle

LIMIT, PERIOD = 10, 60


class Ten(AddressThrottle):
    rate = f"{LIMIT}/min"


@pytest.fixture
def clock(monkeypatch):
    """The start of a period; moved by calling it."""
    now = [PERIOD * 1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])

    def move(seconds):
        now[0] += seconds

    return move


def come(address="10.0.0.1"):
    throttle = Ten()
    request = APIRequestFactory().get("/", REMOTE_ADDR=address)
    return throttle.allow_request(request, None), throttle


def let_in(count=LIMIT * 2):
    return sum(come()[0] for _ in range(count))


def test_requests_at_once_are_each_counted(clock):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: come()[0], range(80)))
    assert answers.count(True) == LIMIT


def test_one_address_does_not_use_up_what_another_may(clock):
    let_in()
    assert come("10.0.0.2")[0]


def test_no_window_as_long_as_the_period_holds_more_than_the_limit(clock):
    clock(PERIOD * 0.75)
    assert let_in() == LIMIT
    clock(PERIOD * 0.5)  # a quarter into the next period: three quarters of the last one count
    assert let_in() == 2
    clock(PERIOD)
    assert let_in() == 8


@pytest.mark.parametrize("begin", [0.0, 12.5, 59.9])
def test_who_waits_as_long_as_was_said_is_let_in(clock, begin):
    clock(begin)
    let_in()
    clock(PERIOD * 0.6)
    let_in()
    allowed, throttle = come()
    assert not allowed
    clock(throttle.wait() - 0.01)
    assert not come()[0]
    clock(0.02)
    assert come()[0]


def test_refused_requests_do_not_keep_anybody_out(clock):
    let_in(LIMIT * 50)
    clock(PERIOD * 2)
    assert let_in() == LIMIT


def test_a_limit_of_nothing_is_never_over(clock, monkeypatch):
    monkeypatch.setattr(Ten, "rate", "0/min")
    allowed, throttle = come()
    assert (allowed, throttle.wait()) == (False, None)


def test_the_turn_of_a_period_lets_nobody_in_who_was_one_too_many(clock):
    clock(PERIOD - 0.001)
    let_in()
    clock(0.002)
    assert not come()[0]

"""When a source may be asked again."""

from datetime import UTC, datetime, timedelta

import pytest

from rates.coins import policies
from rates.coins.sources.listing import Kind

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("kind", [Kind.KEY, Kind.PAYMENT, Kind.PLAN])
def test_what_only_a_person_can_change_is_not_tried_again_soon(kind):
    assert policies.next_attempt(kind, NOW) - NOW == timedelta(hours=24)


@pytest.mark.parametrize("kind", [Kind.KEY, Kind.PAYMENT, Kind.PLAN])
def test_without_a_key_nothing_is_to_be_changed_and_it_is_tried_again(kind):
    assert policies.next_attempt(kind, NOW, keyed=False) - NOW == timedelta(minutes=2)


def test_a_day_ends_at_midnight_and_a_month_on_the_first():
    assert policies.next_attempt(Kind.DAY, NOW) == datetime(2026, 11, 22, tzinfo=UTC)
    assert policies.next_attempt(Kind.MONTH, NOW) == datetime(2026, 12, 1, tzinfo=UTC)
    december = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert policies.next_attempt(Kind.MONTH, december) == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", [Kind.SERVER, Kind.TIMEOUT, Kind.UNREACHABLE, Kind.SHRUNKEN])
def test_what_passes_by_itself_is_tried_in_the_next_period(kind):
    assert policies.next_attempt(kind, NOW) - NOW < timedelta(seconds=60)


@pytest.mark.parametrize("kind", [Kind.SERVER, Kind.TIMEOUT, Kind.UNREACHABLE, Kind.NOT_JSON])
def test_a_source_that_never_answered_is_tried_sooner(kind):
    assert policies.next_attempt(kind, NOW, first=True) - NOW == timedelta(seconds=10)


@pytest.mark.parametrize("kind", [Kind.KEY, Kind.MINUTE, Kind.ADDRESS, Kind.MONTH])
def test_a_source_that_said_when_to_come_back_is_not(kind):
    first = policies.next_attempt(kind, NOW, first=True)
    assert first == policies.next_attempt(kind, NOW)


def test_the_wait_that_is_asked_for_is_kept_within_reason():
    minute = policies.next_attempt(Kind.MINUTE, NOW, retry_after=90) - NOW
    endless = policies.next_attempt(Kind.MINUTE, NOW, retry_after=10**6) - NOW
    assert (minute, endless) == (timedelta(seconds=90), timedelta(hours=1))


def test_credits_are_made_to_last_to_the_end_of_the_month():
    first = datetime(2026, 11, 1, tzinfo=UTC)
    pause = policies.interval(first, cost=1, allowance=15_000, used=0)
    assert pause == timedelta(days=30) / 15_000  # 172.8 s
    assert policies.interval(first, cost=1, allowance=10**6, used=0) == timedelta(seconds=60)
    assert policies.interval(first, cost=3, allowance=15_000, used=14_998) is None
    assert policies.interval(first, cost=3, allowance=None, used=10**9) == timedelta(seconds=60)

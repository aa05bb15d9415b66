"""Two operators at once, on real connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection

from foundation.errors import Conflict, PreconditionFailed, QuaysideError
from rates.models import PairHalt, SpreadRule
from rates.services import halts, spread_table, spreads
from rates.tests.desk import make_house_default, make_operator, make_pair

pytestmark = pytest.mark.django_db(transaction=True)


def race(work, people):
    """Run ``work`` for each person at the same moment; return results and refusals."""
    start = Barrier(len(people))

    def run(person):
        try:
            start.wait(10)
            return work(person)
        except QuaysideError as problem:
            return problem
        finally:
            connection.close()

    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(run, people))


@pytest.fixture
def people():
    return [make_operator(f"operator{number}") for number in range(4)]


def edit(pair, person, expected=None):
    return spreads.set_spread(
        pair=pair,
        unit="bps",
        buy=Decimal(50),
        sell=Decimal(-50),
        reason=f"by {person}",
        by=person,
        origin="admin",
        expected_version=expected,
    )


def test_of_two_operators_who_saw_the_same_version_one_wins_and_the_others_are_told(people):
    pair, seen = make_pair(), make_house_default().version
    outcomes = race(lambda person: edit(pair, person, seen), people)
    (winner,) = (o for o in outcomes if isinstance(o, SpreadRule))
    losers = [o for o in outcomes if isinstance(o, PreconditionFailed)]
    assert len(losers) == len(people) - 1
    assert all(f"set by {winner.created_by}" in loser.message for loser in losers)


def test_without_an_expected_version_all_are_stored_and_one_is_open(people):
    pair = make_pair()
    outcomes = race(lambda person: edit(pair, person), people * 3)
    assert all(isinstance(outcome, SpreadRule) for outcome in outcomes)
    newest = SpreadRule.objects.open().get()
    assert newest.version == max(outcome.version for outcome in outcomes)
    assert spread_table.resolve()["version"] == newest.version


def test_version_numbers_rise_in_the_order_of_moments(people):
    pair = make_pair()
    race(lambda person: edit(pair, person), people * 3)
    by_version = SpreadRule.objects.order_by("version").values_list("effective_from", flat=True)
    assert list(by_version) == sorted(by_version)


def test_a_pair_is_halted_once(people):
    pair = make_pair()
    outcomes = race(lambda person: halts.halt(pair=pair, reason="x", by=person), people)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == len(people) - 1
    assert PairHalt.objects.count() == 1

"""Halting and resuming a pair."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, InternalError

from foundation.errors import Conflict, Forbidden, InvalidInput
from rates.models import PairHalt
from rates.services import halts
from rates.tests.desk import make_operator, make_pair

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair():
    return make_pair()


@pytest.fixture
def operator():
    return make_operator()


def test_the_newest_row_holds(pair, operator):
    halts.halt(pair=pair, reason="bad data", by=operator)
    standing = halts.current(pair)
    assert standing is not None
    assert standing.reason == "bad data"
    halts.resume(pair=pair, reason="fixed", by=operator)
    assert halts.current(pair) is None


def test_one_person_is_enough_even_under_four_eyes(pair, operator, settings):
    settings.RATES_FOUR_EYES = "always"
    assert halts.halt(pair=pair, reason="bad data", by=operator).action == "halt"


def test_a_halted_pair_is_not_halted_again(pair, operator):
    halts.halt(pair=pair, reason="bad data", by=operator)
    with pytest.raises(Conflict, match="was halted by operator: bad data"):
        halts.halt(pair=pair, reason="again", by=operator)


def test_what_runs_is_not_resumed(pair, operator):
    with pytest.raises(Conflict, match="is not halted"):
        halts.resume(pair=pair, reason="x", by=operator)


def test_a_reason_is_required(pair, operator):
    with pytest.raises(InvalidInput):
        halts.halt(pair=pair, reason=" ", by=operator)


def test_the_right_is_required(pair):
    with pytest.raises(Forbidden):
        halts.halt(pair=pair, reason="x", by=make_operator("guest", edit=False))


@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_database_refuses_to_rewrite_it(pair, operator, change):
    halts.halt(pair=pair, reason="bad data", by=operator)
    rows = PairHalt.objects.all()
    with pytest.raises((InternalError, IntegrityError), match="never"):
        rows.update(reason="other") if change == "update" else rows.delete()

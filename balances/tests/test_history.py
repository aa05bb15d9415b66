"""What an address held: inside what was followed it is told, outside it is asked for or unknown."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from balances.constants import MAX_UINT256
from balances.models import BackfillJob, BalancePoint, Block, Chain, Coverage, RpcEndpoint, Token
from balances.services import readings_wanted
from balances.services.changes import changes, series
from balances.services.history import balances_at, current
from balances.services.holdings import Reason, State
from balances.signals import work_queued
from balances.tests import ledger
from balances.tests.people import signed_in
from foundation.errors import InvalidInput, NotFound
from rates.coins.tests.market import put

pytestmark = pytest.mark.django_db

HEAD = 200


@pytest.fixture
def chain():
    return ledger.make_chain(head=HEAD)


@pytest.fixture
def coin(chain):
    return ledger.native(chain)


@pytest.fixture
def address():
    return ledger.make_address()


def archive(chain, depth: int | None = 0):
    return RpcEndpoint.objects.create(chain=chain, name="node", url_http="x", archive_from=depth)


def told(found):
    """The one holding that was asked for, as ``(value, state, reason)``."""
    (holding,) = found
    return holding.value, holding.state, holding.reason


# --- At a block ---------------------------------------------------------


def test_inside_what_was_followed_the_last_change_holds(address, coin):
    ledger.make_history(address, coin, {10: 5, 20: 7, 30: 0})
    values = {n: balances_at(address, block=n)[0].value for n in (10, 19, 20, 29, 30, HEAD)}
    assert values == {10: 5, 19: 5, 20: 7, 29: 7, 30: 0, HEAD: 0}


def test_a_value_says_the_block_and_the_time_that_it_is_true_for(address, chain, coin):
    ledger.make_history(address, coin, {10: 5})
    (holding,) = balances_at(address, block=15)
    assert (holding.block_number, holding.at) == (15, ledger.at(15))
    assert holding.block_hash == ledger.block_hash(chain.id, 15)
    assert (holding.state, holding.source) == (State.EXACT, "multicall")


def test_before_what_was_followed_nothing_is_known(address, coin):
    ledger.make_history(address, coin, {50: 5})
    assert told(balances_at(address, block=49)) == (None, State.UNKNOWN, Reason.NO_ARCHIVE)


def test_after_what_was_followed_nothing_is_known_either(address, coin):
    ledger.cover(address, coin, 10, 20)
    ledger.point(address, coin, 10, 5)
    assert balances_at(address, block=20)[0].value == 5
    assert balances_at(address, block=21)[0].value is None


def test_open_coverage_reaches_no_further_than_the_unbroken_run(address, coin):
    chain = ledger.make_chain(2)
    coin = ledger.native(chain)
    ledger.make_blocks(chain, [*range(10), *range(50, 60)])
    ledger.span(chain, 0, 9)
    ledger.span(chain, 50, 59)
    ledger.make_history(address, coin, {5: 1, 50: 2})
    values = [balances_at(address, block=n, chain=chain)[0].value for n in (9, 10, 49, 50, 59)]
    assert values == [1, None, None, 2, 2]


def test_a_reading_in_a_hole_says_nothing_of_what_came_after_the_hole(address):
    chain = ledger.make_chain(2)
    coin = ledger.native(chain)
    ledger.make_blocks(chain, [*range(10), *range(50, 60)])
    ledger.span(chain, 0, 9)
    ledger.span(chain, 50, 59)
    # After the hole the value was read, and was the same as before it.
    ledger.make_history(address, coin, {5: 1})
    ledger.point(address, coin, 30, 99, source=BalancePoint.Source.ARCHIVE)
    assert balances_at(address, block=30, chain=chain)[0].value == 99
    assert balances_at(address, block=31, chain=chain)[0].value is None
    assert balances_at(address, block=55, chain=chain)[0].value == 1


def test_where_changes_may_have_cancelled_out_a_value_is_sampled(address, coin):
    ledger.cover(address, coin, 10, complete=False)
    ledger.point(address, coin, 10, 5, kind="sampled")
    assert told(balances_at(address, block=15)) == (5, State.SAMPLED, Reason.SAMPLED)
    assert told(balances_at(address, block=10)) == (5, State.EXACT, None)


def test_a_token_whose_events_lie_is_sampled(address, chain):
    token = ledger.make_token(chain, bugged_events=True)
    ledger.make_history(address, token, {10: 5})
    holdings = {h.token.pk: h for h in balances_at(address, block=15)}
    assert holdings[token.pk].state == State.SAMPLED
    assert holdings[token.pk].reason == Reason.TOKEN_LIES


def test_the_past_of_one_address_is_not_that_of_another(address, coin):
    ledger.make_history(address, coin, {10: 5})
    other = ledger.make_address(2)
    assert balances_at(other, block=15)[0].value is None


def test_the_largest_amount_comes_back_to_the_last_digit(address, coin):
    ledger.make_history(address, coin, {10: MAX_UINT256})
    (holding,) = balances_at(address, block=11)
    assert holding.value == MAX_UINT256
    assert holding.amount == f"{MAX_UINT256 // 10**18}.{MAX_UINT256 % 10**18:018d}"


# --- What can still be read ---------------------------------------------------------


def test_a_block_that_a_node_still_knows_is_queued_once_and_shown_as_loading(
    address, chain, coin, django_capture_on_commit_callbacks
):
    archive(chain)
    heard = []
    work_queued.connect(lambda **kwargs: heard.append(1), weak=False, dispatch_uid="test")
    try:
        with django_capture_on_commit_callbacks(execute=True):
            for _ in range(2):
                found = told(balances_at(address, block=7))
                assert found == (None, State.LOADING, Reason.READING)
    finally:
        work_queued.disconnect(dispatch_uid="test")
    job = BackfillJob.objects.get()
    assert (job.kind, job.from_block, job.to_block, job.address) == ("read", 7, 7, address)
    assert heard == [1]


def test_when_it_was_read_it_is_there_without_any_coverage(address, chain, coin):
    archive(chain)
    ledger.point(address, coin, 7, 3, source=BalancePoint.Source.ARCHIVE)
    assert told(balances_at(address, block=7)) == (3, State.EXACT, None)
    assert told(balances_at(address, block=8))[1] == State.LOADING


def test_the_newest_blocks_are_asked_of_any_node(address, chain, coin):
    archive(chain, None)
    assert told(balances_at(address, block=HEAD - 1))[1] == State.LOADING
    assert told(balances_at(address, block=1))[2] == Reason.NO_ARCHIVE


def test_what_the_nodes_have_dropped_is_not_asked_for(address, chain, coin):
    archive(chain, 60)
    assert told(balances_at(address, block=59)) == (None, State.UNKNOWN, Reason.PRUNED)
    assert told(balances_at(address, block=60))[1] == State.LOADING


@pytest.mark.parametrize(
    ("error", "reason"),
    [("no_archive", "no_archive"), ("before_token", "before_token"), ("odd", "failed")],
)
def test_what_was_tried_in_vain_is_not_asked_for_again(address, chain, coin, error, reason):
    archive(chain)
    balances_at(address, block=7)
    BackfillJob.objects.update(state="parked", error=error)
    assert told(balances_at(address, block=7)) == (None, State.UNKNOWN, reason)
    assert BackfillJob.objects.count() == 1


@pytest.mark.parametrize(
    ("error", "minutes", "reason"),
    [
        ("no_archive", 11, Reason.READING),
        ("odd", 11, Reason.READING),
        ("odd", 9, Reason.FAILED),
        ("before_token", 11, Reason.BEFORE_TOKEN),
    ],
)
def test_what_failed_a_while_ago_is_asked_for_anew(address, chain, coin, error, minutes, reason):
    archive(chain)
    balances_at(address, block=7)
    ended = timezone.now() - timedelta(minutes=minutes)
    BackfillJob.objects.update(state="parked", error=error, done_at=ended)
    assert told(balances_at(address, block=7))[2] == reason
    assert told(balances_at(address, block=7))[2] == reason
    waiting = BackfillJob.objects.waiting().count()
    assert waiting == (1 if reason == Reason.READING else 0)


def test_one_user_cannot_fill_the_queue_that_all_share(address, chain, coin, monkeypatch):
    archive(chain)
    monkeypatch.setattr(readings_wanted, "QUESTIONS_AN_HOUR", 2)
    ann, ben = signed_in("ann"), signed_in("ben")
    api, page = f"/api/v1/balances/{address}?block=", f"/balances/{address}/?block="

    def why(client, block):
        return client.get(f"{api}{block}").json()["holdings"][0]["reason"]

    assert why(ann, 1) == Reason.READING
    # What waits already is no new question.
    assert why(ann, 1) == Reason.READING
    assert ann.get(f"{page}2").status_code == 200
    assert why(ann, 3) == Reason.BUSY
    assert ann.get(f"{page}4").status_code == 200
    assert why(ben, 3) == Reason.READING
    assert set(BackfillJob.objects.values_list("from_block", flat=True)) == {1, 2, 3}


def test_one_user_cannot_fill_the_times_that_are_looked_for(address, chain, coin, monkeypatch):
    archive(chain)
    monkeypatch.setattr(readings_wanted, "QUESTIONS_AN_HOUR", 1)
    Block.objects.filter(chain=chain, number__range=(50, 60)).delete()
    moments = [ledger.at(number) for number in (55, 55, 56)]
    found = [balances_at(address, at=moment, by=7)[0].reason for moment in moments]
    assert found == [Reason.LOCATING, Reason.LOCATING, Reason.BUSY]
    assert balances_at(address, at=ledger.at(56), by=8)[0].reason == Reason.LOCATING


def test_too_many_readings_at_once_are_refused_not_queued(address, chain, coin, monkeypatch):
    archive(chain)
    monkeypatch.setattr(readings_wanted, "MAX_WAITING", 2)
    assert [told(balances_at(address, block=n))[2] for n in (1, 2, 3)] == [
        Reason.READING,
        Reason.READING,
        Reason.BUSY,
    ]


# --- At a time ---------------------------------------------------------


def test_a_time_means_the_last_block_until_then(address, coin):
    ledger.make_history(address, coin, {10: 5, 11: 6})
    moments = {5: ledger.at(10), 6: ledger.at(11)}
    assert {balances_at(address, at=m)[0].value for m in [moments[5]]} == {5}
    just_before = ledger.at(11) - timedelta(milliseconds=1)
    assert balances_at(address, at=just_before)[0].block_number == 10
    assert balances_at(address, at=moments[6])[0].value == 6


def test_a_time_after_the_newest_block_means_that_block(address, coin):
    ledger.make_history(address, coin, {10: 5})
    assert balances_at(address, at=timezone.now())[0].block_number == HEAD


def test_a_chain_that_stands_still_does_not_answer_for_later_times(address, chain, coin):
    ledger.make_history(address, coin, {10: 5})
    archive(chain)
    Chain.objects.update(head_seen_at=timezone.now() - timedelta(minutes=20))
    late = balances_at(address, at=timezone.now() - timedelta(minutes=10))
    assert told(late) == (None, State.UNKNOWN, Reason.CHAIN_BEHIND)
    assert balances_at(address, at=ledger.at(HEAD))[0].block_number == HEAD
    just_before = ledger.at(HEAD) - timedelta(seconds=1)
    assert balances_at(address, at=just_before)[0].block_number == HEAD - 1


def test_a_time_inside_a_hole_is_unknown(address, coin, chain):
    ledger.make_history(address, coin, {10: 5})
    Block.objects.filter(chain=chain, number__range=(50, 60)).delete()
    found = balances_at(address, at=ledger.at(55))
    assert told(found) == (None, State.UNKNOWN, Reason.NOT_COVERED)
    assert balances_at(address, at=ledger.at(49))[0].value is None
    assert balances_at(address, at=ledger.at(48))[0].value == 5


def test_a_time_before_the_first_block_is_an_error(address, coin):
    with pytest.raises(NotFound) as refused:
        balances_at(address, at=ledger.GENESIS - timedelta(seconds=1))
    assert (refused.value.code, list(refused.value.fields)) == ("before_genesis", ["at"])


def test_a_time_to_come_is_an_error(address, coin):
    with pytest.raises(InvalidInput) as refused:
        balances_at(address, at=timezone.now() + timedelta(hours=1))
    assert refused.value.code == "time_in_future"


def test_a_time_is_asked_of_every_chain(address, coin, chain):
    other = ledger.make_chain(1, head=5)
    ledger.make_history(address, coin, {10: 5})
    ledger.make_history(address, ledger.native(other), {0: 9})
    found = {h.token.chain_id: h.value for h in balances_at(address, at=ledger.at(20))}
    assert found == {chain.id: 5, other.id: 9}
    assert len(balances_at(address, at=ledger.at(20), chain=other)) == 1


@pytest.mark.parametrize(
    ("block", "code"),
    [(-1, "bad_block"), (2**63, "bad_block"), (HEAD + 1, "block_in_future")],
)
def test_a_block_that_cannot_be_is_an_error(address, coin, block, code):
    with pytest.raises((InvalidInput, NotFound)) as refused:
        balances_at(address, block=block)
    assert (refused.value.code, list(refused.value.fields)) == (code, ["block"])


def test_a_block_needs_a_chain_where_there_are_several(address, coin):
    ledger.make_chain(1)
    with pytest.raises(InvalidInput) as refused:
        balances_at(address, block=1)
    assert refused.value.code == "chain_needed"


def test_a_block_and_a_time_at_once_are_an_error(address, coin):
    with pytest.raises(InvalidInput):
        balances_at(address, block=1, at=ledger.at(1))


# --- Now ---------------------------------------------------------


def test_what_is_held_says_at_which_block_it_was_read(address, chain, coin):
    ledger.make_history(address, coin, {10: 5})
    (holding,) = current(address)
    assert (holding.value, holding.block_number, holding.state) == (5, 10, State.EXACT)


def test_a_coin_that_was_never_read_is_loading_while_somebody_reads_it(address, chain, coin):
    assert told(current(address)) == (None, State.UNKNOWN, Reason.NOT_COVERED)
    BackfillJob.objects.create(chain=chain, kind="seed", address=address)
    assert told(current(address)) == (None, State.LOADING, Reason.SEEDING)


def test_a_failed_reading_is_never_zero(address, chain, coin):
    ledger.hold(address, coin, None)
    assert told(current(address)) == (None, State.UNKNOWN, Reason.FAILED)


def test_a_value_in_doubt_is_shown_with_its_age_as_sampled(address, coin):
    ledger.make_history(address, coin, {10: 5})
    address.balances.update(stale=True)
    assert told(current(address)) == (5, State.SAMPLED, Reason.REREADING)


def test_what_a_chain_that_is_switched_off_held_is_not_shown(address, chain, coin):
    ledger.make_history(address, coin, {10: 5})
    type(chain).objects.update(enabled=False)
    assert current(address) == []


def test_reading_costs_the_same_however_much_is_held(
    address, chain, coin, django_assert_num_queries
):
    ledger.make_history(address, coin, {10: 5})
    for number in range(20):
        ledger.make_history(address, ledger.make_token(chain, 0xC0 + number), {10: 1})
    # Without a list of coins it is looked for anew each second.
    put("XYZ")
    with django_assert_num_queries(5):
        assert len(current(address)) == 21
    with django_assert_num_queries(6):
        assert len(balances_at(address, block=15)) == 21
    with django_assert_num_queries(4):
        changes(address, coin)
    with django_assert_num_queries(4):
        series(address, coin)


# --- How it came about ---------------------------------------------------------


def test_changes_come_newest_first_with_what_each_changed(address, coin):
    ledger.make_history(address, coin, {10: 5, 20: 7, 30: 0})
    found = changes(address, coin)
    assert [(row.block_number, row.value, row.delta) for row in found.rows] == [
        (30, 0, -7),
        (20, 7, 2),
        (10, 5, None),
    ]
    assert (found.before, found.rows[0].at) == (None, ledger.at(30))


def test_pages_of_changes_join_without_a_gap(address, coin):
    ledger.make_history(address, coin, {n: n * n for n in range(10, 30)})
    whole, pages, before = changes(address, coin).rows, [], None
    while True:
        page = changes(address, coin, before=before, limit=7)
        pages += page.rows
        before = page.before
        if before is None:
            break
    assert pages == whole


def test_a_chart_has_every_change_where_there_are_few(address, coin):
    ledger.make_history(address, coin, {10: 5, 20: 7, 30: 0})
    assert [(s.block_number, s.value) for s in series(address, coin)] == [(10, 5), (20, 7), (30, 0)]


def test_a_chart_of_many_changes_keeps_its_ends_and_stays_small(address, coin):
    ledger.make_history(address, coin, {n: n for n in range(10, HEAD + 1)})
    found = series(address, coin, steps=20)
    assert 20 <= len(found) <= 23
    assert found[-1].value == HEAD
    assert [s.block_number for s in found] == sorted({s.block_number for s in found})


def test_a_stretch_of_a_chart_begins_with_what_held_then(address, coin):
    ledger.make_history(address, coin, {10: 5, 20: 7, 30: 0})
    found = series(address, coin, first=15, last=25)
    assert [(s.block_number, s.value) for s in found] == [(10, 5), (20, 7)]


def test_a_chart_says_where_nobody_knows_what_came_after(address, chain, coin):
    ledger.cover(address, coin, 10, 24)
    ledger.cover(address, coin, 30)
    for number, value in {10: 5, 20: 7, 30: 4, 40: 6}.items():
        ledger.point(address, coin, number, value)
    found = [(s.block_number, s.value, s.kind) for s in series(address, coin)]
    assert found == [
        (10, 5, "exact"), (20, 7, "exact"), (24, None, "unknown"), (30, 4, "exact"),
        (40, 6, "exact"),
    ]  # fmt: skip
    assert series(address, coin)[2].at == ledger.at(24)


def test_a_stretch_of_a_chart_that_begins_in_a_hole_says_since_when_nothing_is_known(address, coin):
    ledger.cover(address, coin, 10, 24)
    ledger.cover(address, coin, 30)
    for number, value in {10: 5, 30: 4}.items():
        ledger.point(address, coin, number, value)
    found = [(s.block_number, s.value) for s in series(address, coin, first=27, last=35)]
    assert found == [(10, 5), (24, None), (30, 4)]


def test_a_single_reading_of_a_chart_holds_for_its_own_block_only(address, coin):
    for number in (10, 50):
        ledger.point(address, coin, number, number)
        ledger.cover(address, coin, number, number)
    found = [(s.block_number, s.value, s.at) for s in series(address, coin)]
    assert found == [
        (n, value, ledger.at(n)) for n in (10, 50) for value in (n, None)
    ]  # fmt: skip


def test_a_chart_of_many_changes_keeps_the_ends_of_what_is_known(address, coin):
    ledger.cover(address, coin, 10, 87)
    ledger.cover(address, coin, 93, 191)
    for number in [*range(10, 88), *range(93, 192)]:
        ledger.point(address, coin, number, number)
    found = series(address, coin, steps=10)
    gaps = [s.block_number for s in found if s.value is None]
    assert gaps == [87, 191]
    assert [s.block_number for s in found][-1] == 191
    following = {a.block_number: b.block_number for a, b in pairwise(found)}
    assert following[87] == 93


def test_what_is_still_followed_is_known_inside_unbroken_runs_only(address):
    chain = ledger.make_chain(2)
    coin = ledger.native(chain)
    ledger.make_blocks(chain, [*range(10), *range(50, 60)])
    ledger.span(chain, 0, 9)
    ledger.span(chain, 50, 59)
    ledger.make_history(address, coin, {5: 1, 55: 2})
    found = [(s.block_number, s.value) for s in series(address, coin)]
    assert found == [(5, 1), (9, None), (55, 2)]
    rows = [(row.block_number, row.delta, row.known_to) for row in changes(address, coin).rows]
    assert rows == [(55, None, None), (5, None, 9)]


# --- Against a naive model ---------------------------------------------------------


class Naive(TestCase):
    """The rules once more, a block at a time, over random records."""

    @settings(max_examples=8, deadline=None)
    @given(
        points=st.dictionaries(st.integers(0, 30), st.integers(0, MAX_UINT256), max_size=8),
        spans=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=3),
        cover=st.lists(
            st.tuples(st.integers(0, 30), st.one_of(st.none(), st.integers(0, 30))), max_size=3
        ),
    )
    def test_every_block_is_told_as_the_record_says(self, points, spans, cover):
        chain = ledger.make_chain(id=Token.objects.count() + 1)
        address, coin = ledger.make_address(), ledger.native(chain)
        ledger.make_blocks(chain, range(31))
        spans = {a: max(a, b) for a, b in spans}
        cover = {a: None if b is None else max(a, b) for a, b in cover}
        for number, value in points.items():
            ledger.point(address, coin, number, value)
        for first, last in spans.items():
            ledger.span(chain, first, last)
        for first, last in cover.items():
            ledger.cover(address, coin, first, last)
        for block in range(31):
            expected = self.naive(block, points, spans, cover)
            (holding,) = balances_at(address, block=block, chain=chain)
            assert holding.value in expected, (block, holding)

    def naive(self, block, points, spans, cover):
        """What may be answered at ``block``: of several runs of points each may speak."""

        def followed(number):
            return any(first <= number <= last for first, last in spans.items())

        if block in points:
            return {points[block]}
        answers = set()
        for first, last in cover.items():
            inside = first <= block and (followed(block) if last is None else block <= last)
            known = [n for n in points if first <= n <= block and (last is not None or followed(n))]
            if inside and known:
                answers.add(points[max(known)])
        return answers or {None}


def test_a_change_tells_until_when_it_is_known(chain, coin, address):
    ledger.cover(address, coin, 10, 24)
    ledger.cover(address, coin, 30, 45)
    for number, value in {10: 5, 20: 7, 30: 4, 40: 6}.items():
        ledger.point(address, coin, number, value)
    rows = [(row.block_number, row.known_to) for row in changes(address, coin).rows]
    assert rows == [(40, 45), (30, None), (20, 24), (10, None)]
    # A page that begins anywhere says the same.
    rows = [(row.block_number, row.known_to) for row in changes(address, coin, before=22).rows]
    assert rows == [(20, 24), (10, None)]


def test_a_change_over_a_hole_has_no_delta(chain, coin, address):
    ledger.make_history(address, coin, {10: 5, 20: 7, 30: 4, 40: 6})
    Coverage.objects.filter(address=address).update(to_block=24)
    Coverage.objects.create(address=address, token=coin, from_block=30)
    rows = changes(address, coin).rows
    assert [(row.block_number, row.delta) for row in rows] == [
        (40, 2), (30, None), (20, 2), (10, None),
    ]  # fmt: skip

"""The running day's totals: exact at every commit, told four times a second at most, to who may."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.tests.people import make_user
from foundation import valkey
from live import topics
from live.board import Board
from live.messages import ALIVE, NORMAL, decode
from live.tests.conftest import Running, eventually
from orgs import routing, tasks
from orgs.constants import MailKind
from orgs.models import Tally
from orgs.services import ids, ingest, live_figures
from orgs.services.batches import Batch
from orgs.services.copying import WORTH_COPYING
from orgs.services.group_commit import plain_columns
from orgs.services.singles import Single
from orgs.tests.companies import make_desk_manager
from orgs.tests.events import count_action

pytestmark = pytest.mark.django_db(transaction=True)


def counts():
    found = live_figures.today()
    return (found.actions, found.mail, found.orgs, found.users)


def count_mail(number, at=None):
    batch = Batch()
    ts = (at or timezone.now()).isoformat()
    for _ in range(number):
        batch.add_mail(ids.new_id(), ts, MailKind.DELIVERED, "a.example")
    ingest.store(batch)
    return batch


def test_totals_count_events_and_who_acted_for_the_first_time_that_day():
    assert counts() == (0, 0, 0, 0)
    for org, user in [(1, 1), (1, 2), (2, 1), (1, 1)]:
        count_action(org, user)
    assert counts() == (4, 0, 2, 2)
    batch = count_mail(3)
    ingest.store(batch)
    assert counts() == (4, 3, 2, 2)
    ingest.count_one("b.example", MailKind.BOUNCED)
    assert counts() == (4, 4, 2, 2)
    assert live_figures.today().events == 8


def test_what_is_copied_is_counted_on_its_own_days():
    now = timezone.now()
    batch = Batch()
    for number in range(2 * WORTH_COPYING):
        ts = (now - timedelta(days=number % 2)).isoformat()
        batch.add_mail(ids.new_id(), ts, MailKind.BOUNCED, f"{number % 7}.example")
        batch.add_action(ids.new_id(), ts, number % 5 + 1, number % 11 + 1, "seen")
    assert ingest.store(batch).accepted == 4 * WORTH_COPYING
    assert counts() == (WORTH_COPYING, WORTH_COPYING, 5, 11)
    assert ingest.store(batch).accepted == 0
    assert counts() == (WORTH_COPYING, WORTH_COPYING, 5, 11)


def test_a_group_of_single_events_is_counted_whole():
    events = [Single(f"d{number % 3}.example", MailKind.DELIVERED) for number in range(10)]
    ingest._execute(*plain_columns(events))
    assert counts() == (0, 10, 0, 0)


def test_events_of_yesterday_are_yesterdays():
    yesterday = timezone.now() - timedelta(days=1)
    count_action(1, 1, yesterday)
    count_mail(2, yesterday)
    assert counts() == (0, 0, 0, 0)
    day = yesterday.astimezone(UTC).date()
    assert sorted(Tally.objects.filter(day=day).values_list("kind", "events")) == [(0, 1), (1, 2)]


def test_what_a_transaction_takes_back_is_not_in_the_totals():
    batch = Batch()
    batch.add_mail(ids.new_id(), timezone.now().isoformat(), MailKind.DELIVERED, "a.example")
    batch.add_action(ids.new_id(), "no time", 1, 1, "")
    with pytest.raises(Exception, match="invalid input"):
        ingest.store(batch)
    assert counts() == (0, 0, 0, 0)


def test_many_writers_at_once_lose_nothing_and_do_not_deadlock(monkeypatch):
    monkeypatch.setattr(ingest, "ATTEMPTS", 1)

    def write(number):
        try:
            for turn in range(10):
                batch = Batch()
                now = timezone.now()
                for days in (0, 1):
                    ts = (now - timedelta(days=days)).isoformat()
                    batch.add_mail(ids.new_id(), ts, MailKind.BOUNCED, f"{turn % 3}.example")
                    batch.add_action(ids.new_id(), ts, turn % 5 + 1, number + 1, "")
                ingest.store(batch)
                ingest.count_one(f"{turn % 3}.example", MailKind.DELIVERED)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(8)))
    assert counts() == (80, 160, 5, 8)


def test_old_days_are_forgotten():
    count_action(1, 1)
    Tally.objects.create(day=timezone.now().date() - timedelta(days=30), kind=0, slot=1)
    tasks.keep_event_partitions()
    assert Tally.objects.count() == 1


# --- The topic ---------------------------------------------------------------------------------


def test_it_is_heard_by_who_sees_the_desks_figures(settings):
    settings.OPEN_ENDPOINTS = []
    assert routing.may_hear(make_desk_manager(), routing.NAME)
    assert not routing.may_hear(make_user("eve"), routing.NAME)
    assert not routing.may_hear(AnonymousUser(), routing.NAME)
    settings.OPEN_ENDPOINTS = ["metrics"]
    assert routing.may_hear(AnonymousUser(), routing.NAME)


def test_there_is_one_topic_of_organisations_and_no_other():
    assert topics.make("orgs:live") is routing.TOPIC
    assert topics.make("orgs:dead") is None


def test_a_turn_is_one_processes_and_ends_by_itself():
    assert live_figures.take_turn()
    assert not live_figures.take_turn()
    assert 0 < valkey.client().pttl(live_figures.TURN) <= live_figures.TURN_MS
    assert eventually(live_figures.take_turn)


def heard(subscription):
    while True:
        found = subscription.get_message(timeout=5)
        assert found is not None, "nothing was told"
        if found["type"] == "message":
            return decode(found["data"])


def test_totals_are_told_when_they_changed_and_else_a_sign_of_life():
    subscription = valkey.client().pubsub()
    subscription.subscribe(routing.NAME)
    told = live_figures.tell(routing.TOPIC, None)
    assert heard(subscription).flag == NORMAL
    assert live_figures.tell(routing.TOPIC, told) == told
    assert heard(subscription).flag == ALIVE
    count_action(1, 1)
    live_figures.tell(routing.TOPIC, told)
    assert json.loads(heard(subscription).data)["actions"] == 1
    subscription.close()


def test_a_reader_that_was_overtaken_takes_no_page_back():
    older = live_figures.message(live_figures.today())
    count_action(1, 1)
    newer = live_figures.message(live_figures.today())
    board = Board(routing.TOPIC)
    assert board.hear(newer)
    assert not board.hear(older)


def test_after_five_seconds_without_a_word_the_totals_are_marked():
    now = [0.0]
    board = Board(routing.TOPIC, clock=lambda: now[0])
    board.hear(live_figures.message(live_figures.today()))
    now[0] = routing.SILENCE + 1
    assert board.check_silence()
    assert '"state":"stale"' in board.events(board.everything)[0].text


@pytest.fixture
def served(settings, transactional_db):
    """A real web process, open to everybody."""
    settings.OPEN_ENDPOINTS = ["metrics"]
    running = Running(routing.TOPIC)
    # Heard only while somebody listens, as in a real process.
    running.hub = type(running.hub)([])
    running.start()
    yield running
    running.stop()


def total(frame):
    return frame["data"]["today"]["events"]


def test_an_open_page_hears_what_was_committed_without_asking_again(served):
    count_action(1, 1)
    browser = served.open()
    browser.ask(op="subscribe", topic="orgs:live")
    assert total(browser.next()) == 1
    count_action(1, 2)
    count_mail(5)
    deadline = time.monotonic() + 15
    while total(browser.next()) != 7:
        assert time.monotonic() < deadline


def test_who_may_not_hear_it_is_told_so(served, settings):
    settings.OPEN_ENDPOINTS = []
    browser = served.open()
    browser.ask(op="subscribe", topic="orgs:live")
    assert browser.next()["error"]["code"] == "not_signed_in"


def test_with_nobody_listening_nobody_asks(served):
    assert not valkey.client().exists(live_figures.TURN)
    assert routing.NAME not in served.hub.fans


def test_pages_show_the_totals_without_a_script(settings):
    settings.OPEN_ENDPOINTS = ["metrics"]
    count_action(1, 1)
    count_action(1, 2)
    count_mail(1200)
    for address in ("/orgs/", "/orgs/metrics/"):
        page = Client().get(address).content.decode()
        assert 'data-figure="events">1,202<' in page
        assert 'data-figure="mail">1,200<' in page

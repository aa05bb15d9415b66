"""What members do on the desk is counted for their organisations, once, and costs no page."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as configured
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.services import acts
from accounts.signals import wallet_linked
from accounts.tests.people import make_user, sign_in
from balances.tests import ledger
from orgs import tasks
from orgs.models import Event, Membership, OrgDay, OrgRole, OwnAction, Stat
from orgs.services import ids, own_actions, recount
from orgs.tests.companies import make_member, make_org
from rates.tests.desk import make_house_default, make_pair
from rates.tests.quotes import message, publish

pytestmark = pytest.mark.django_db(transaction=True)
DEADLINE = 20.0


@pytest.fixture(autouse=True)
def _new_process(monkeypatch):
    """Nothing is remembered of the acts of an earlier test."""
    monkeypatch.setattr(own_actions, "_noted", own_actions._Minute())


@pytest.fixture
def org():
    return make_org("Acme Harbour")


@pytest.fixture
def ann(org):
    return make_member(org, OrgRole.MEMBER, "ann")


def browser(user):
    client = Client()
    client.force_login(user)
    OwnAction.objects.all().delete()
    return client


def waiting():
    return sorted(OwnAction.objects.values_list("name", "about"))


def counted():
    return sorted(Event.objects.values_list("org_id", "user_id", "name"))


def test_a_sign_in_is_counted_for_each_organisation_of_the_user(org, ann):
    other = make_org("Other Quay")
    Membership.objects.create(org=other, user=ann, role=OrgRole.OWNER)
    sign_in(ann)
    assert tasks.count_own_actions() == 2
    assert counted() == sorted([(org.pk, ann.pk, "signed.in"), (other.pk, ann.pk, "signed.in")])
    today = timezone.now().astimezone(UTC).date()
    assert OrgDay.objects.get(org_id=org.pk, day=today).dau == 1
    assert recount.differences(today) == []
    assert not OwnAction.objects.exists()


def test_who_belongs_to_no_organisation_leaves_nothing(org):
    sign_in(make_user("stranger"))
    acts.note(make_user("eve"), "quote.viewed", "BTC_USD")
    assert waiting() == []


def test_pages_and_the_api_tell_which_quote_was_viewed(ann):
    make_house_default()
    make_pair("BTC_USD")
    publish(message("BTC_USD"))
    client = browser(ann)
    assert client.get("/api/v1/rates/BTC_USD").status_code == 200
    assert client.get(reverse("rates:pair", args=["BTC_USD"])).status_code == 200
    assert client.get(reverse("rates:board")).status_code == 200
    assert waiting() == [("quote.viewed", ""), ("quote.viewed", "BTC_USD")]
    assert client.get("/api/v1/rates/NO_SUCH").status_code == 404
    assert len(waiting()) == 2


def test_a_look_at_an_address_is_an_act_by_page_and_by_api(ann):
    ledger.make_chain()
    client = browser(ann)
    for address in (f"/balances/{ledger.text(1)}/", f"/api/v1/balances/{ledger.text(2)}"):
        assert client.get(address).status_code == 200
    assert [name for name, _ in waiting()] == ["balance.looked_up"] * 2


def test_a_linked_wallet_is_an_act(ann):
    wallet_linked.send(sender=None, user_id=ann.pk, address=ledger.text(1), chain_id=1)
    assert waiting() == [("wallet.linked", ledger.text(1))]


def test_nobody_in_particular_is_not_counted(org, ann):
    ledger.make_chain()
    make_house_default()
    make_pair("BTC_USD")
    assert Client().get(reverse("rates:pair", args=["BTC_USD"])).status_code == 200
    assert waiting() == []


def test_a_repeat_within_the_minute_writes_nothing_and_another_process_counts_it_once(
    ann, monkeypatch
):
    for about in ("BTC_USD", "BTC_USD", "ETH_USD"):
        acts.note(ann, "quote.viewed", about)
    assert len(waiting()) == 2
    own_actions.count_waiting()
    monkeypatch.setattr(own_actions, "_noted", own_actions._Minute())
    OwnAction.objects.bulk_create(
        OwnAction(org_id=org_id, user_id=user_id, name=name, about="BTC_USD", ts=ts)
        for org_id, user_id, name, ts in Event.objects.values_list(
            "org_id", "user_id", "name", "ts"
        )
    )
    own_actions.count_waiting()
    assert len(counted()) == 2


def test_the_next_minute_counts_again(org, ann):
    minute = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=5)
    for seconds in (0, 59, 60, 61):
        ts = minute + timedelta(seconds=seconds)
        OwnAction.objects.create(org_id=org.pk, user_id=ann.pk, name="a", about="b", ts=ts)
    own_actions.count_waiting()
    assert len(counted()) == 2
    assert Stat.objects.get(org_id=org.pk).actions == 2


def test_the_same_facts_have_the_same_id_which_tells_their_minute(settings):
    at = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    made = ids.derived_id(at, "1\n2\nseen")
    assert made == ids.derived_id(at, "1\n2\nseen") != ids.derived_id(at, "1\n3\nseen")
    assert ids.is_id(made)
    assert ids.moment_of(made) == at
    # Who knows the facts alone cannot send an event of this id first.
    settings.SECRET_KEY = "another" * 10
    assert ids.derived_id(at, "1\n2\nseen") != made


def test_what_a_transaction_takes_back_was_never_done(ann):
    with transaction.atomic():
        acts.note(ann, "quote.viewed", "BTC_USD")
        transaction.set_rollback(True)
    assert waiting() == []
    acts.note(ann, "quote.viewed", "BTC_USD")
    assert len(waiting()) == 1


def test_a_failure_to_note_costs_neither_the_page_nor_its_transaction(ann, monkeypatch):
    client = browser(ann)

    def broken(facts):
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column")

    monkeypatch.setattr(own_actions, "_insert", broken)
    assert client.get(reverse("rates:board")).status_code == 200
    sign_in(ann)
    with transaction.atomic():
        acts.note(ann, "quote.viewed", "BTC_USD")
        assert Membership.objects.count() == 1


def test_with_nobody_to_count_pages_stop_writing(ann, monkeypatch):
    monkeypatch.setattr(own_actions, "MAX_WAITING", 3)
    for number in range(20):
        acts.note(ann, "quote.viewed", f"P{number}_USD")
    assert len(waiting()) == 4
    own_actions.count_waiting()
    acts.note(ann, "quote.viewed", "BTC_USD")
    assert len(waiting()) == 1


def test_what_has_waited_for_longer_than_events_are_taken_is_dropped(org, ann):
    for days in (0, 30):
        ts = timezone.now() - timedelta(days=days)
        OwnAction.objects.create(org_id=org.pk, user_id=ann.pk, name="a", about="", ts=ts)
    assert own_actions.count_waiting() == 2
    assert len(counted()) == 1


def test_two_movers_at_once_count_each_act_once(org, ann, monkeypatch):
    monkeypatch.setattr(own_actions, "MAX_ACTIONS", 50)
    for number in range(1000):
        OwnAction.objects.create(
            org_id=org.pk, user_id=ann.pk, name="a", about=str(number % 800), ts=timezone.now()
        )

    def move(_):
        try:
            return own_actions.count_waiting()
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(move, range(3))) == 1000
    assert 800 <= len(counted()) <= 1000  # two minutes at most
    assert Stat.objects.get(org_id=org.pk).actions == len(counted())


def test_a_mover_killed_in_the_middle_has_moved_all_of_a_batch_or_nothing(org, ann):
    now = timezone.now().replace(second=1)
    OwnAction.objects.bulk_create(
        OwnAction(org_id=org.pk, user_id=ann.pk, name="a", about=str(number), ts=now)
        for number in range(20)
    )
    with transaction.atomic():
        # Whoever counts for this organisation waits here, in the middle of its transaction.
        Stat.objects.select_for_update().get(org_id=org.pk)
        mover = another_process()
        try:
            until_somebody_waits(mover)
        finally:
            mover.kill()
            mover.wait(DEADLINE)
    until_taken_back()
    assert len(waiting()) == 20
    assert counted() == []
    assert own_actions.count_waiting() == 20
    assert len(counted()) == Stat.objects.get(org_id=org.pk).actions == 20


def another_process():
    facts = connection.settings_dict
    who = f"{facts['USER']}:{facts['PASSWORD']}@{facts['HOST']}:{facts['PORT']}"
    env = os.environ | {
        "DATABASE_URL": f"postgresql://{who}/{facts['NAME']}",
        "DATABASE_POOL_SIZE": "0",
    }
    code = "from orgs.services import own_actions; own_actions.count_waiting()"
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    return subprocess.Popen(command, cwd=configured.BASE_DIR, env=env)


# Unlike the activity, which a transaction sees as it was when it first looked.
LOCKED_OUT = "SELECT count(*) FROM pg_locks WHERE NOT granted"
COUNTING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
AND pid <> pg_backend_pid() AND query LIKE '%orgs_event%'
"""


def until_somebody_waits(mover):
    deadline = time.monotonic() + DEADLINE
    while not asked(LOCKED_OUT):
        assert mover.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline, "nobody came to count"
        time.sleep(0.02)


def until_taken_back():
    deadline = time.monotonic() + DEADLINE
    while asked(COUNTING):
        assert time.monotonic() < deadline, "its session never ended"
        time.sleep(0.02)


def asked(question):
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]

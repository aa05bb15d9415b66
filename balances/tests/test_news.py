"""What balances do on the news of others, and what they tell the API's description."""

from __future__ import annotations

import pytest
import yaml
from django.contrib.admin.models import LogEntry
from kombu.exceptions import OperationalError

from accounts.models import User
from accounts.services import deletion
from accounts.services.export import export
from accounts.tests.people import make_user
from balances import tasks
from balances.models import BackfillJob, TokenPreference, Watch
from balances.services import lookup, watches
from balances.tests import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def woken(monkeypatch):
    """The messages that workers were sent."""
    sent = []
    monkeypatch.setattr(tasks.read_at_block, "apply_async", lambda **given: sent.append(given))
    return sent


def test_who_opens_an_unknown_address_wakes_a_worker_and_its_message_expires(
    woken, django_capture_on_commit_callbacks
):
    ledger.make_chain()
    with django_capture_on_commit_callbacks(execute=True):
        lookup.look_up(ledger.text(1))
    assert woken == [{"expires": 30, "retry": False}]
    with django_capture_on_commit_callbacks(execute=True):
        lookup.look_up(ledger.text(1))
    assert len(woken) == 1
    assert BackfillJob.objects.get().priority == lookup.OPENED


def test_a_lost_broker_costs_the_wake_up_only(monkeypatch, django_capture_on_commit_callbacks):
    def lost(**given):
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.read_at_block, "apply_async", lost)
    ledger.make_chain()
    with django_capture_on_commit_callbacks(execute=True):
        lookup.look_up(ledger.text(1))
    assert BackfillJob.objects.count() == 1


def test_what_a_user_watches_is_in_their_download_and_nobody_elses_is():
    ann, bob = make_user("ann"), make_user("bob")
    watches.add(ann, ledger.text(1), label="Till")
    watches.add(bob, ledger.text(2), label="secret")
    (row,) = export(ann)["watches"]
    assert (row["address"], row["label"], row["chain_id"]) == (ledger.text(1), "Till", None)


@pytest.mark.parametrize("audited", [True, False])
def test_a_closed_account_leaves_no_trace_of_what_it_watched(audited):
    ann = make_user("ann")
    watches.add(ann, ledger.text(1), label="Till")
    token = ledger.make_token(ledger.make_chain())
    TokenPreference.objects.create(owner=ann, token=token, shown=True)
    if audited:
        # What somebody did in the admin keeps their row, blotted out.
        LogEntry.objects.create(user=ann, action_flag=1, object_repr="x")
    deletion.close(ann)
    assert User.objects.exists() is audited
    assert not Watch.objects.exists()
    assert not TokenPreference.objects.exists()


def test_every_task_is_kept_short_and_safe_to_lose():
    names = [name for name in dir(tasks) if hasattr(getattr(tasks, name), "apply_async")]
    for name in names:
        task = getattr(tasks, name)
        assert task.name == f"balances.{name}"
        assert task.acks_late
        assert task.soft_time_limit < task.time_limit <= 660
    assert len(names) == 9


def test_the_description_of_the_api_names_every_address(client):
    document = yaml.safe_load(client.get("/api/schema").content)
    paths = document["paths"]
    assert set(paths) >= {
        "/api/v1/chains",
        "/api/v1/blocks",
        "/api/v1/transactions",
        "/api/v1/balances/{address}",
        "/api/v1/balances/{address}/history",
        "/api/v1/balances/{address}/transfers",
        "/api/v1/watches",
        "/api/v1/watches/{watch_id}",
    }
    assert {} in paths["/api/v1/chains"]["get"]["security"]
    balances = paths["/api/v1/balances/{address}"]["get"]
    assert balances["security"] == [{"apiToken": ["read"]}, {"cookieAuth": []}]
    assert set(balances["responses"]["200"]["content"]) == {"application/json", "text/csv"}
    assert paths["/api/v1/watches"]["post"]["security"] == [{"cookieAuth": []}]

"""How a chain fares is told alike by pages, by the API, and to who begins to listen."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone
from redis.exceptions import RedisError

from balances.constants import alive_key
from balances.models import Chain
from balances.services import chain_state, snapshots
from balances.tests import ledger
from foundation import valkey

pytestmark = pytest.mark.django_db

LONG_AGO = {"head_seen_at": timezone.now() - timedelta(hours=1)}


@pytest.fixture
def chain():
    return ledger.make_chain(head=5)


def told(client):
    """By the page, the API and the topic, each as ``(state, reason)``."""
    page = client.get("/chain/").content.decode()
    shown = re.search(r'data-state="(\w+)" data-chain-state(?: title="([^"]*)")?', page)
    assert shown is not None
    (row,) = client.get("/api/v1/chains").json()["chains"]
    state = json.loads(next(iter(snapshots.of_chain(ledger.LOCAL))).data)
    return {
        (shown[1], (shown[2] or "").replace(" ", "_").lower()),
        (row["state"], row["reason"] or ""),
        (state["state"], state["reason"]),
    }


@pytest.mark.parametrize(
    ("facts", "heard", "expected"),
    [
        ({}, True, ("live", "")),
        ({}, False, ("stale", "follower_silent")),
        (LONG_AGO, True, ("stale", "no_new_block")),
        (LONG_AGO, False, ("stale", "follower_silent")),
        ({"state": "lagging"}, True, ("stale", "lagging")),
        ({"state": "lagging"}, False, ("stale", "follower_silent")),
        # What it said last is why it is silent.
        ({"state": "down", "state_reason": "no_node"}, False, ("down", "no_node")),
        ({"state": "halted", "state_reason": "wrong_chain"}, False, ("halted", "wrong_chain")),
    ],
)
def test_page_api_and_topic_say_the_same(client, chain, facts, heard, expected):
    Chain.objects.update(**facts)
    if not heard:
        valkey.client().delete(alive_key(chain.pk))
    assert told(client) == {expected}


def test_a_sign_of_life_holds_for_some_seconds(chain):
    chain_state.sign(chain.pk)
    assert 0 < valkey.client().pttl(alive_key(chain.pk)) <= 5000


def test_while_valkey_is_away_nobody_is_called_silent(chain, monkeypatch):
    def away():
        raise RedisError("away")

    monkeypatch.setattr(valkey, "client", away)
    assert [state.name for state in chain_state.states_of([chain])] == ["live"]

"""Looking up addresses that nobody follows yet is work for the nodes, and has an end."""

from __future__ import annotations

import pytest
from django.test import Client

from balances.models import Address, BackfillJob
from balances.services import lookup
from balances.tests import ledger
from balances.tests.people import refused, signed_in
from rates.tests.test_pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def few(monkeypatch):
    ledger.make_chain(head=3)
    monkeypatch.setattr(lookup, "NEW_AN_HOUR", 2)


def page(number):
    return f"/balances/{ledger.text(number)}/"


def test_new_addresses_beyond_the_limit_are_refused_and_known_ones_are_not(few):
    ann = signed_in("ann")
    assert [ann.get(page(number)).status_code for number in (1, 2, 3, 1)] == [200, 200, 429, 200]
    assert Address.objects.count() == 2
    assert BackfillJob.objects.count() == 2
    answer = ann.get(page(3))
    assert 0 < int(answer["Retry-After"]) <= 7200
    assert "that nobody here knew" in text_of(answer)


def test_pages_and_the_api_share_one_count_which_is_each_users_own(few):
    ann, ben = signed_in("ann"), signed_in("ben")
    ann.get(page(1))
    assert ann.get(f"/api/v1/balances/{ledger.text(2)}").status_code == 200
    for part in ("", "/history", "/transfers"):
        answer = ann.get(f"/api/v1/balances/{ledger.text(3)}{part}")
        assert refused(answer) == (429, "rate_limited", [])
        assert int(answer["Retry-After"]) > 0
    assert ben.get(page(3)).status_code == 200
    # Ben's address is known now.
    assert ann.get(page(3)).status_code == 200


def test_a_stranger_is_asked_to_sign_in_and_counts_for_nothing(few):
    assert Client().get(page(1)).status_code == 302
    assert not Address.objects.exists()


def test_watching_is_no_way_around_the_limit(few, monkeypatch):
    monkeypatch.setattr(lookup, "NEW_A_DAY", 2)
    ann, ben = signed_in("ann"), signed_in("ben")

    def watch(client, number):
        body = {"address": ledger.text(number)}
        return client.post("/api/v1/watches", body, content_type="application/json")

    first = watch(ann, 1).json()["id"]
    assert ann.delete(f"/api/v1/watches/{first}").status_code == 204
    # Whoever is known costs nothing, and taking one out gives nothing back.
    assert [watch(ann, number).status_code for number in (1, 2, 3)] == [201, 201, 429]
    answer = watch(ann, 3)
    assert refused(answer) == (429, "rate_limited", [])
    assert 0 < int(answer["Retry-After"]) <= 2 * 86_400
    page = ann.post("/balances/", {"address": ledger.text(3)})
    assert (page.status_code, int(page["Retry-After"]) > 0) == (429, True)
    assert "that nobody here knew" in text_of(page)
    assert not Address.objects.filter(raw=ledger.raw(3)).exists()
    assert watch(ben, 3).status_code == 201

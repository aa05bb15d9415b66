"""Removing a wallet: never the last way in, and its sessions go with it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db import connection

from accounts.ethereum.tests.desk import (
    PASSWORD,
    Visitor,
    account_of,
    link,
    nothing_changes,
)
from accounts.models import User
from accounts.services import wallets
from accounts.services.wallets import LastCredential

pytestmark = pytest.mark.django_db(transaction=True)


def test_28_the_last_way_in_stays(visitor, wallet):
    user = visitor.sign_in(wallet)
    with nothing_changes(visitor), pytest.raises(LastCredential) as problem:
        wallets.unlink(user=user, wallet_id=account_of(wallet).pk)
    assert (problem.value.status, problem.value.code) == (400, "no_password")


def test_28_a_password_without_a_confirmed_address_is_no_way_in(visitor, wallet):
    user = visitor.sign_in(wallet)
    user.set_password(PASSWORD)
    user.save()
    with pytest.raises(LastCredential):
        wallets.unlink(user=user, wallet_id=account_of(wallet).pk)


def test_28_with_password_and_address_the_last_wallet_may_go(visitor, wallet):
    user = visitor.sign_in(wallet)
    user.set_password(PASSWORD)
    user.save()
    EmailAddress.objects.create(user=user, email="a@example.com", verified=True, primary=True)
    wallets.unlink(user=user, wallet_id=account_of(wallet).pk)
    assert not SocialAccount.objects.exists()


def test_28_of_two_unlinks_of_the_last_two_wallets_at_once_one_fails(visitor, wallet, second):
    user = visitor.sign_in(wallet)
    link(visitor, wallet, second)
    rows = list(SocialAccount.objects.values_list("pk", flat=True))
    for _ in range(10):
        barrier = threading.Barrier(2)

        def run(row, barrier=barrier):
            try:
                barrier.wait(timeout=60)
                wallets.unlink(user=user, wallet_id=row)
                return "gone"
            except LastCredential:
                return "stays"
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(run, rows)) == ["gone", "stays"]
        missing = wallet if not SocialAccount.objects.filter(uid=wallet.address) else second
        kept = second if missing is wallet else wallet
        again = Visitor(address="10.0.0.1")
        again.sign_in(kept)
        SocialAccount.objects.create(
            user=user,
            provider="ethereum",
            uid=missing.address,
            extra_data={"address": missing.address, "chain_id": 1, "kind": "eoa"},
        )
        rows = list(SocialAccount.objects.values_list("pk", flat=True))


def test_28_allauths_own_doors_keep_the_last_way_in_too(visitor, wallet):
    visitor.sign_in(wallet)
    visitor.prove(wallet, "reauth")
    body = {"provider": "ethereum", "account": wallet.address}
    with nothing_changes(visitor):
        answer = visitor.client.delete(
            "/_allauth/browser/v1/account/providers", body, content_type="application/json"
        )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "no_password"


def test_28_the_admin_cannot_remove_the_last_way_in(visitor, wallet, admin_client):
    visitor.sign_in(wallet)
    row = account_of(wallet).pk
    answer = admin_client.post(f"/admin/socialaccount/socialaccount/{row}/delete/", {"post": "yes"})
    assert answer.status_code == 403
    assert SocialAccount.objects.filter(pk=row).exists()


def test_27_allauths_own_doors_ask_a_wallet_user_for_proof_too(visitor, wallet, second):
    visitor.sign_in(wallet)
    link(visitor, wallet, second)
    fresh = Visitor()
    fresh.sign_in(wallet)
    body = {"provider": "ethereum", "account": second.address}
    answer = fresh.client.delete(
        "/_allauth/browser/v1/account/providers", body, content_type="application/json"
    )
    assert answer.status_code == 401
    assert SocialAccount.objects.count() == 2


def test_allauths_token_door_is_closed_to_wallets(visitor, wallet):
    body = {"provider": "ethereum", "process": "login", "token": {"access_token": "a"}}
    answer = visitor.client.post(
        "/_allauth/browser/v1/auth/provider/token", body, content_type="application/json"
    )
    assert answer.status_code == 400
    assert not User.objects.exists()


def test_36_unlinking_ends_the_sessions_that_came_through_the_wallet(visitor, wallet, second):
    user = visitor.sign_in(wallet)
    link(visitor, wallet, second)
    other = Visitor()
    other.sign_in(second)
    wallets.unlink(user=user, wallet_id=account_of(second).pk)
    assert (visitor.signed_in, other.signed_in) == (True, False)
    assert [row.session_key for row in UserSession.objects.all()] == [visitor.session_key]


def test_36_a_session_that_only_proved_presence_by_the_wallet_goes_on(visitor, wallet, second):
    user = visitor.sign_in(wallet)
    link(visitor, wallet, second)
    visitor.prove(second, "reauth")
    wallets.unlink(user=user, wallet_id=account_of(second).pk)
    assert visitor.signed_in


def test_36_unlinking_in_its_own_session_signs_out_there(visitor, wallet, second):
    visitor.sign_in(wallet)
    link(visitor, wallet, second)
    visitor.prove(second, "reauth")
    body = {"provider": "ethereum", "account": wallet.address}
    answer = visitor.client.delete(
        "/_allauth/browser/v1/account/providers", body, content_type="application/json"
    )
    assert answer.status_code == 200
    assert not visitor.signed_in
    assert not SocialAccount.objects.filter(uid=wallet.address).exists()
    assert not UserSession.objects.exists()

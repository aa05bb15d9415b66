"""Several wallets on one account: linking, proving presence again, naming, unlinking."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.socialaccount.models import SocialAccount
from django.db import connection

from accounts.ethereum.tests.desk import (
    PASSWORD,
    KeyWallet,
    Visitor,
    account_of,
    burned,
    link,
    nothing_changes,
    refused,
    render,
    with_password,
)
from accounts.models import User, WalletLabel
from accounts.services import wallets
from foundation.errors import InvalidInput, NotFound

pytestmark = pytest.mark.django_db(transaction=True)


# --- Linking ---------------------------------------------------------------------------------


def test_a_second_wallet_joins_the_account_and_signs_in(visitor, wallet, second):
    user = visitor.sign_in(wallet)
    link(visitor, wallet, second)
    assert Visitor().sign_in(second) == user
    assert User.objects.count() == 1


@pytest.mark.parametrize("purpose", ["connect", "reauth"])
def test_linking_and_proving_need_a_signed_in_user(visitor, wallet, purpose):
    answer = visitor.client.get(f"/api/v1/auth/wallet/nonce?purpose={purpose}")
    assert refused(answer, 401, "not_authenticated")
    text = render(visitor.fields(wallet))
    assert refused(visitor.post(text, wallet.sign(text), purpose), 401, "not_authenticated")


def test_27_linking_without_recent_proof_is_refused(visitor, wallet, second):
    visitor.sign_in(wallet)
    fields = visitor.fields(second, "connect")
    text = render(fields)
    with nothing_changes(visitor):
        answer = visitor.post(text, second.sign(text), "connect")
        assert refused(answer, 401, "reauthentication_required")
    assert burned(fields["nonce"])


def test_27_a_proof_is_good_for_five_minutes(visitor, wallet, second):
    visitor.sign_in(wallet)
    visitor.prove(wallet, "reauth")
    session = visitor.client.session
    records = session["account_authentication_methods"]
    records[-1]["at"] = time.time() - 301
    session["account_authentication_methods"] = records
    session.save()
    answer = visitor.prove(second, "connect")
    assert refused(answer, 401, "reauthentication_required")
    assert SocialAccount.objects.count() == 1


def test_27_a_user_with_a_password_is_asked_too_and_a_wallet_is_proof(visitor, second):
    user = with_password(visitor)
    answer = visitor.prove(second, "connect")
    assert refused(answer, 401, "reauthentication_required")
    visitor.client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert visitor.prove(second, "connect").status_code == 200
    assert account_of(second).user == user


def test_27_another_users_proof_in_the_same_browser_is_worth_nothing(visitor, wallet, second):
    visitor.sign_in(wallet)
    visitor.prove(wallet, "reauth")
    visitor.sign_in(second)
    answer = visitor.prove(KeyWallet(), "connect")
    assert refused(answer, 401, "reauthentication_required")


def test_a_proof_by_a_wallet_of_somebody_else_is_refused(visitor, wallet, second):
    Visitor().sign_in(second)
    visitor.sign_in(wallet)
    for stranger in (second, KeyWallet()):
        text = render(visitor.fields(stranger, "reauth"))
        with nothing_changes(visitor):
            answer = visitor.post(text, stranger.sign(text), "reauth")
            assert refused(answer, 401, "reauthentication_required")


def test_26_linking_another_users_wallet_moves_nothing(visitor, wallet, second):
    Visitor().sign_in(second)
    visitor.sign_in(wallet)
    visitor.prove(wallet, "reauth")
    fields = visitor.fields(second, "connect", chainId=11155111)
    text = render(fields)
    with nothing_changes(visitor):
        assert refused(visitor.post(text, second.sign(text), "connect"), 409, "connected_other")
    assert burned(fields["nonce"])


def test_linking_a_wallet_twice_is_no_error(visitor, wallet, second):
    visitor.sign_in(wallet)
    link(visitor, wallet, second)
    link(visitor, wallet, second)
    assert SocialAccount.objects.count() == 2


def test_two_users_who_link_one_wallet_at_once_get_one_yes_and_one_conflict(second):
    jobs = []
    for number in range(2):
        visitor = Visitor(address=f"10.0.0.{number}")
        visitor.sign_in(wallet := KeyWallet())
        visitor.prove(wallet, "reauth")
        text = render(visitor.fields(second, "connect"))
        jobs.append((visitor, text))
    barrier = threading.Barrier(2)

    def run(job):
        visitor, text = job
        try:
            barrier.wait(timeout=60)
            return visitor.post(text, second.sign(text), "connect").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(run, jobs)) == [200, 409]
    assert SocialAccount.objects.filter(uid=second.address).count() == 1


# --- What others hear ------------------------------------------------------------------------


def test_both_doors_announce_a_new_wallet_once_and_unlinking_too(visitor, wallet, second, heard):
    user = visitor.sign_in(wallet)
    link(visitor, wallet, second)
    Visitor().sign_in(second)
    wallets.unlink(user=user, wallet_id=account_of(second).pk)
    assert heard == [
        ("linked", wallet.address),
        ("linked", second.address),
        ("unlinked", second.address),
    ]


def test_deleting_a_user_announces_the_wallets_that_go(visitor, wallet, heard):
    visitor.sign_in(wallet).delete()
    assert heard == [("linked", wallet.address), ("unlinked", wallet.address)]


# --- Listing and naming ----------------------------------------------------------------------


def test_wallets_are_listed_with_name_chain_and_last_use(visitor, wallet, second):
    user = visitor.sign_in(wallet)
    assert [row.removable for row in wallets.wallets_of(user)] == [False]
    link(visitor, wallet, second)
    wallets.rename(user=user, wallet_id=account_of(second).pk, label=" Ledger ")
    Visitor().prove(second, chainId=11155111)
    first, other = wallets.wallets_of(user)
    assert (first.address, first.label, first.chain_id) == (wallet.address, "", 1)
    assert (other.address, other.label, other.chain_id) == (second.address, "Ledger", 11155111)
    assert other.last_used_at > other.linked_at
    assert first.removable
    assert other.removable


def test_a_name_is_taken_away_by_an_empty_one(visitor, wallet):
    user = visitor.sign_in(wallet)
    for label in ("Ledger", "Trezor", ""):
        wallets.rename(user=user, wallet_id=account_of(wallet).pk, label=label)
    assert not WalletLabel.objects.exists()


@pytest.mark.parametrize("label", ["a" * 51, "a\x00b", "a\u202eb", "a\nb"])
def test_a_bad_name_is_refused(visitor, wallet, label):
    user = visitor.sign_in(wallet)
    with pytest.raises(InvalidInput) as problem:
        wallets.rename(user=user, wallet_id=account_of(wallet).pk, label=label)
    assert "label" in problem.value.fields
    assert not WalletLabel.objects.exists()


def test_nobody_names_or_unlinks_another_users_wallet(visitor, wallet, second):
    user = visitor.sign_in(wallet)
    Visitor().sign_in(second)
    theirs = account_of(second).pk
    with pytest.raises(NotFound):
        wallets.rename(user=user, wallet_id=theirs, label="mine")
    with pytest.raises(NotFound):
        wallets.unlink(user=user, wallet_id=theirs)
    assert SocialAccount.objects.count() == 2

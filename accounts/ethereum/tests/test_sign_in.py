"""Signing in with a wallet, from the nonce to signing out."""

from __future__ import annotations

import re

import pytest
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.urls import reverse

from accounts.ethereum.models import WalletNonce
from accounts.ethereum.tests.desk import BASE, KeyWallet, Visitor, nothing_changes, refused, render
from accounts.models import User

pytestmark = pytest.mark.django_db


def test_a_nonce_comes_with_all_the_message_needs(visitor):
    answer = visitor.client.get(f"{BASE}nonce")
    body = answer.json()
    assert re.fullmatch("[0-9a-f]{32}", body.pop("nonce"))
    assert body.pop("issuedAt") < body.pop("expirationTime")
    assert body == {
        "domain": "desk.example",
        "uri": "https://desk.example/login",
        "statement": "Sign in with this wallet. This costs nothing and sends no transaction.",
        "version": "1",
        "chainIds": [1, 11155111],
        "user": None,
        "reauthenticate": False,
    }
    assert answer["Cache-Control"] == "no-store"
    assert "csrftoken" in answer.cookies


def test_the_first_sign_in_makes_one_user_without_an_address(visitor, wallet):
    user = visitor.sign_in(wallet)
    assert re.fullmatch(r"eth-[0-9a-f]{10}", user.username)
    assert (user.email, user.has_usable_password()) == ("", False)
    assert not EmailAddress.objects.exists()
    account = SocialAccount.objects.get()
    assert (account.user, account.provider, account.uid) == (user, "ethereum", wallet.address)
    assert account.extra_data == {"address": wallet.address, "chain_id": 1, "kind": "eoa"}


def test_the_answer_names_user_wallet_and_chain(visitor, wallet):
    answer = visitor.prove(wallet, chainId=11155111)
    user = User.objects.get()
    assert answer.json() == {
        "ok": True,
        "user": {"id": user.pk, "username": user.username},
        "address": wallet.address,
        "chainId": 11155111,
    }


def test_the_second_sign_in_finds_the_same_user_on_any_chain(visitor, wallet):
    user = visitor.sign_in(wallet)
    other = Visitor()
    assert other.prove(wallet, chainId=11155111).json()["user"]["id"] == user.pk
    assert User.objects.count() == 1


def test_signing_in_changes_the_session_key(visitor, wallet):
    visitor.nonce()
    before = visitor.session_key
    visitor.sign_in(wallet)
    assert visitor.session_key not in (None, before)


def test_a_session_key_that_the_visitor_made_up_is_not_used(visitor):
    visitor.client.cookies["sessionid"] = "a" * 32
    visitor.nonce()
    assert visitor.session_key != "a" * 32


def test_a_visitors_session_is_short_and_a_users_is_not(visitor, wallet, settings):
    visitor.nonce()
    assert visitor.client.session.get_expiry_age() <= 15 * 60
    visitor.sign_in(wallet)
    assert visitor.client.session.get_expiry_age() > settings.SESSION_COOKIE_AGE - 60


def test_me_tells_the_wallet_of_this_session(visitor, wallet):
    user = visitor.sign_in(wallet)
    Visitor().prove(wallet, chainId=11155111)
    assert visitor.client.get(f"{BASE}me").json() == {
        "address": wallet.address,
        "chainId": 1,
        "user": {"id": user.pk, "username": user.username},
    }


def test_me_is_closed_to_visitors_and_to_other_ways_in(visitor):
    assert refused(visitor.client.get(f"{BASE}me"), 401, "not_authenticated")
    visitor.client.force_login(User.objects.create_user("somebody"))
    assert refused(visitor.client.get(f"{BASE}me"), 401, "not_authenticated")


def test_signing_out_ends_the_session_and_may_be_repeated(visitor, wallet):
    visitor.sign_in(wallet)
    for _ in range(2):
        assert visitor.client.post(f"{BASE}logout").json() == {"ok": True}
    assert not visitor.signed_in


@pytest.mark.parametrize(("door", "method"), [("logout", "get"), ("verify", "get"), ("me", "post")])
def test_a_wrong_method_is_refused(visitor, wallet, door, method):
    visitor.sign_in(wallet)
    answer = getattr(visitor.client, method)(f"{BASE}{door}")
    assert refused(answer, 405, "method_not_allowed")
    assert answer["Allow"]
    assert visitor.signed_in


def test_an_expired_nonce_is_purged_and_a_fresh_one_stays(visitor):
    from accounts.ethereum.tasks import purge_expired

    fresh, old = visitor.nonce()["nonce"], visitor.nonce()["nonce"]
    WalletNonce.objects.filter(nonce=old).update(expires_at="2020-01-01T00:00:00Z")
    assert purge_expired() == 1
    assert [row.nonce for row in WalletNonce.objects.all()] == [fresh]


def test_a_nonce_row_does_not_hold_the_session_key(visitor):
    visitor.nonce()
    assert visitor.session_key not in str(list(WalletNonce.objects.values()))


def test_signing_in_as_somebody_else_leaves_the_first_user(visitor, wallet):
    visitor.sign_in(wallet)
    second = KeyWallet()
    user = visitor.sign_in(second)
    assert visitor.client.get(f"{BASE}me").json()["user"]["id"] == user.pk
    assert User.objects.count() == 2


def test_without_a_domain_wallet_sign_in_is_off(visitor, wallet, settings):
    text = render(visitor.fields(wallet))
    settings.SIWE_DOMAIN = ""
    assert refused(visitor.client.get(f"{BASE}nonce"), 404, "not_found")
    assert refused(visitor.post(text, wallet.sign(text)), 404, "not_found")


@pytest.mark.parametrize("name", ["account_login", "account_signup", "socialaccount_connections"])
def test_allauths_pages_render_beside_the_provider(visitor, wallet, name):
    if name == "socialaccount_connections":
        visitor.sign_in(wallet)
    answer = visitor.client.get(reverse(name))
    assert answer.status_code == 200


def test_the_admin_lists_nonces_without_their_values(visitor, admin_client):
    nonce = visitor.nonce()["nonce"]
    page = admin_client.get("/admin/accounts_ethereum/walletnonce/")
    assert page.status_code == 200
    assert nonce not in page.content.decode()


def test_closed_sign_up_refuses_new_wallets_and_lets_known_ones_in(
    visitor, wallet, second, monkeypatch
):
    Visitor().sign_in(wallet)
    monkeypatch.setattr(type(get_adapter()), "is_open_for_signup", lambda self, request: False)
    visitor.sign_in(wallet)
    text = render(visitor.fields(second))
    with nothing_changes(visitor):
        assert refused(visitor.post(text, second.sign(text)), 403, "signup_closed")
    assert visitor.signed_in

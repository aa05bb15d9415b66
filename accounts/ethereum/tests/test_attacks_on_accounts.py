"""Attack rows 23 to 36: sessions, accounts, limits. The numbers are the design's."""

from __future__ import annotations

import json

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache

from accounts.ethereum.services.proofs import ProvenWallet
from accounts.ethereum.tests.desk import (
    BASE,
    KeyWallet,
    Visitor,
    burned,
    nothing_changes,
    refuse,
    refused,
    render,
    standing,
)
from accounts.models import User

pytestmark = pytest.mark.django_db


# --- 23 to 31: sessions and accounts ---------------------------------------------------------


def test_23_a_session_key_known_before_signing_in_is_worth_nothing_after(visitor, wallet):
    visitor.nonce()
    planted = visitor.session_key
    visitor.sign_in(wallet)
    attacker = Visitor()
    attacker.client.cookies["sessionid"] = planted
    assert not attacker.signed_in


def test_24_without_the_csrf_token_nothing_happens(wallet):
    visitor = Visitor(enforce_csrf_checks=True)
    fields = visitor.fields(wallet)
    text = render(fields)
    with nothing_changes(visitor):
        answer = visitor.post(text, wallet.sign(text))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf_failed")
    assert not burned(fields["nonce"])


def test_24_with_the_csrf_token_the_same_request_signs_in(wallet):
    visitor = Visitor(enforce_csrf_checks=True)
    text = render(visitor.fields(wallet))
    token = visitor.client.cookies["csrftoken"].value
    assert visitor.post(text, wallet.sign(text), **{"X-CSRFToken": token}).status_code == 200


def test_24_signing_out_needs_the_token_too(wallet):
    visitor = Visitor(enforce_csrf_checks=True)
    text = render(visitor.fields(wallet))
    token = visitor.client.cookies["csrftoken"].value
    visitor.post(text, wallet.sign(text), **{"X-CSRFToken": token})
    assert visitor.client.post(f"{BASE}logout").status_code == 403
    assert visitor.signed_in


def test_24_the_attackers_own_message_does_not_sign_the_victim_in(wallet):
    attacker, victim = Visitor(), Visitor()
    victim.nonce()
    text = render(attacker.fields(wallet))
    assert refuse(victim, text, wallet.sign(text), 401, "invalid_nonce")


def test_25_a_disabled_user_is_not_signed_in(visitor, wallet):
    user = Visitor().sign_in(wallet)
    User.objects.filter(pk=user.pk).update(is_active=False)
    fields = visitor.fields(wallet)
    text = render(fields)
    assert refuse(visitor, text, wallet.sign(text), 401, "account_inactive")
    assert burned(fields["nonce"])
    assert not visitor.signed_in


def test_25_a_disabled_users_wallet_does_not_end_somebody_elses_session(visitor, wallet):
    user = Visitor().sign_in(wallet)
    User.objects.filter(pk=user.pk).update(is_active=False)
    visitor.sign_in(KeyWallet())
    text = render(visitor.fields(wallet))
    assert refuse(visitor, text, wallet.sign(text), 401, "account_inactive")
    assert visitor.signed_in


def test_29_a_second_factor_holds_the_sign_in_there(visitor, wallet):
    user = Visitor().sign_in(wallet)
    Authenticator.objects.create(user=user, type="totp", data={"secret": "irrelevant"})
    answer = visitor.prove(wallet)
    assert refused(answer, 401, "mfa_required")
    assert not visitor.signed_in
    assert "_auth_user_id" not in visitor.session
    page = visitor.client.get("/accounts/2fa/authenticate/")
    assert page.status_code == 200


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/rates/BTC_USD/", "/rates/BTC_USD/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("http://[", "/"),
    ],
)
def test_after_a_second_factor_the_way_goes_on_within_this_site_only(visitor, wallet, asked, given):
    user = Visitor().sign_in(wallet)
    code = set_up_recovery_codes(user)
    text = render(visitor.fields(wallet))
    body = {"message": text, "signature": wallet.sign(text), "next": asked}
    assert refused(visitor.send(json.dumps(body)), 401, "mfa_required")
    answer = visitor.client.post("/accounts/2fa/authenticate/", {"code": code})
    assert (answer.status_code, answer["Location"]) == (302, given)


def test_next_must_be_text(visitor, wallet):
    text = render(visitor.fields(wallet))
    body = {"message": text, "signature": wallet.sign(text), "next": ["/rates/"]}
    assert refused(visitor.send(json.dumps(body)), 400, "malformed_request")


def set_up_recovery_codes(user):
    """A second factor; returns one code that satisfies it."""
    TOTP.activate(user, generate_totp_secret())
    codes: list[str] = RecoveryCodes.activate(user).get_unused_codes()
    return codes[0]


def test_30_a_user_named_like_an_address_has_nothing_of_the_wallet(visitor, wallet):
    squatter = User.objects.create_user(wallet.address)
    lower = User.objects.create_user(wallet.address.lower())
    user = visitor.sign_in(wallet)
    assert user.pk not in (squatter.pk, lower.pk)
    assert not SocialAccount.objects.filter(user__in=[squatter, lower]).exists()


def test_31_a_contract_at_the_same_address_is_another_identity(visitor, wallet, rf):
    from accounts.ethereum.provider import EthereumProvider

    user = visitor.sign_in(wallet)
    uid = f"eip155:11155111:{wallet.address}"
    contract = ProvenWallet(uid=uid, address=wallet.address, chain_id=11155111, kind="contract")
    login = EthereumProvider(rf.get("/")).sociallogin_from_response(rf.get("/"), contract)
    login.lookup()
    assert login.account.uid == uid != SocialAccount.objects.get(user=user).uid
    assert not login.is_existing


# --- 34 to 36 --------------------------------------------------------------------------------


def test_34_known_and_unknown_wallets_get_the_same_refusal(wallet):
    Visitor().sign_in(wallet)
    answers = []
    for owner in (wallet, KeyWallet()):
        visitor = Visitor()
        text = render(visitor.fields(owner))
        answers.append(visitor.post(text, KeyWallet().sign(text)))
    known, unknown = answers
    assert refused(known, 401, "invalid_signature")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)


def test_34_a_nonce_is_found_by_its_key(visitor, wallet, django_assert_max_num_queries):
    text = render(visitor.fields(wallet, nonce="0" * 32))
    with django_assert_max_num_queries(2) as queries:
        visitor.post(text, wallet.sign(text))
    assert any("UPDATE" in query["sql"] and "nonce" in query["sql"] for query in queries)


def test_35_next_is_not_looked_at(visitor, wallet):
    text = render(visitor.fields(wallet))
    body = {"message": text, "signature": wallet.sign(text), "next": "https://evil.example/"}
    answer = visitor.client.post(
        f"{BASE}verify?next=https://evil.example/", body, content_type="application/json"
    )
    assert answer.status_code == 200
    assert "Location" not in answer
    assert "evil.example" not in answer.content.decode()


def test_35_a_forged_host_changes_nothing_in_the_message(visitor, settings):
    settings.ALLOWED_HOSTS = ["*"]
    answer = visitor.client.get(f"{BASE}nonce", headers={"Host": "evil.example"})
    assert answer.json()["domain"] == "desk.example"
    assert "evil.example" not in answer.content.decode()


def test_35_a_host_that_is_not_ours_is_refused(visitor):
    answer = visitor.client.get(f"{BASE}nonce", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"


def test_35_a_forged_forwarded_address_does_not_dodge_the_limit(visitor):
    statuses = [
        visitor.client.get(f"{BASE}nonce", headers={"X-Forwarded-For": f"10.1.1.{n}"}).status_code
        for n in range(31)
    ]
    assert statuses == [200] * 30 + [429]


def test_35_behind_one_proxy_only_the_proxys_word_counts(visitor, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1

    def ask(forwarded):
        header = {"X-Forwarded-For": forwarded}
        return visitor.client.get(f"{BASE}nonce", headers=header).status_code

    forged = [ask(f"10.1.1.{number}, 10.2.2.2") for number in range(31)]
    assert forged == [200] * 30 + [429]
    assert ask("10.3.3.3") == 200


def test_36_deactivation_ends_access_at_the_next_request(visitor, wallet):
    user = visitor.sign_in(wallet)
    assert visitor.signed_in
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not visitor.signed_in


def test_36_a_new_password_ends_other_sessions(visitor, wallet):
    user = visitor.sign_in(wallet)
    user.set_password("a long new phrase")
    user.save()
    assert not visitor.signed_in


# --- Limits ----------------------------------------------------------------------------------


def test_the_21st_attempt_in_a_minute_waits(visitor):
    for _ in range(20):
        assert refused(visitor.post("no message", "0x"), 400, "malformed_message")
    answer = visitor.post("no message", "0x")
    assert refused(answer, 429, "rate_limited")
    assert answer["Retry-After"] == "60"


def test_an_address_that_is_limited_leaves_others_alone(visitor, wallet):
    for _ in range(21):
        visitor.post("no message", "0x")
    assert Visitor(address="10.0.0.9").prove(wallet).status_code == 200


def test_the_11th_attempt_of_one_user_waits_at_any_address(visitor, wallet):
    visitor.sign_in(wallet)
    cookie = visitor.session_key
    for number in range(11):
        twin = Visitor(address=f"10.0.0.{number}")
        twin.client.cookies["sessionid"] = cookie
        answer = twin.post("no message", "0x", "reauth")
    assert refused(answer, 429, "rate_limited")


def test_without_the_cache_nobody_is_locked_out(visitor, wallet, settings, monkeypatch):
    from redis.exceptions import ConnectionError as Down

    def down(*args, **kwargs):
        raise Down("no server")

    monkeypatch.setattr(cache, "add", down)
    assert visitor.prove(wallet).status_code == 200


def test_every_refusal_leaves_the_desk_as_empty_as_it_was(visitor):
    before = standing()
    for body in ("", "{}", '{"message": "", "signature": ""}', '{"process": "connect"}'):
        assert 400 <= visitor.send(body).status_code < 500
    assert standing() == before

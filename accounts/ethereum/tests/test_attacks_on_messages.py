"""Attack rows 1 to 11, 18 and 20: nonces and messages. Refused, and nothing changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts.ethereum.constants import STATEMENTS, Purpose
from accounts.ethereum.models import WalletNonce
from accounts.ethereum.tests.desk import (
    KeyWallet,
    Visitor,
    burned,
    refuse,
    refused,
    render,
    written,
)
from accounts.models import User

pytestmark = pytest.mark.django_db


# --- 1 to 3: nonces --------------------------------------------------------------------------


def test_1_a_replay_is_refused_in_the_same_session(visitor, wallet):
    text = render(visitor.fields(wallet))
    cookie = visitor.session_key
    assert visitor.post(text, wallet.sign(text)).status_code == 200
    twin = Visitor()
    twin.client.cookies["sessionid"] = cookie
    assert refused(twin.post(text, wallet.sign(text)), 401, "invalid_nonce")
    assert refuse(visitor, text, wallet.sign(text), 401, "invalid_nonce")


def test_1_a_replay_is_refused_in_another_session(visitor, wallet):
    text = render(visitor.fields(wallet))
    visitor.post(text, wallet.sign(text))
    other = Visitor()
    other.nonce()
    assert refuse(other, text, wallet.sign(text), 401, "invalid_nonce")


def test_2_a_nonce_of_another_session_is_refused_and_left_to_its_owner(visitor, wallet):
    thief = Visitor()
    thief.nonce()
    fields = visitor.fields(wallet)
    text = render(fields)
    assert refuse(thief, text, wallet.sign(text), 401, "invalid_nonce")
    assert not burned(fields["nonce"])
    assert visitor.post(text, wallet.sign(text)).status_code == 200


def test_2_an_unknown_nonce_is_refused(visitor, wallet):
    text = render(visitor.fields(wallet, nonce="0" * 32))
    assert refuse(visitor, text, wallet.sign(text), 401, "invalid_nonce")


def test_2_an_expired_nonce_is_refused(visitor, wallet):
    fields = visitor.fields(wallet)
    past = datetime.now(UTC) - timedelta(seconds=1)
    WalletNonce.objects.filter(nonce=fields["nonce"]).update(expires_at=past)
    text = render(fields)
    assert refuse(visitor, text, wallet.sign(text), 401, "invalid_nonce")


def test_2_without_any_session_the_nonce_is_refused(visitor, wallet):
    text = render(visitor.fields(wallet))
    stranger = Visitor()
    assert refuse(stranger, text, wallet.sign(text), 401, "invalid_nonce")


@pytest.mark.parametrize(
    ("asked", "used"),
    [("login", "connect"), ("connect", "login"), ("login", "reauth"), ("reauth", "connect")],
)
def test_3_a_message_for_one_purpose_is_worth_nothing_for_another(visitor, wallet, asked, used):
    visitor.sign_in(wallet)
    fields = visitor.fields(wallet, asked)
    text = render(fields)
    assert refuse(visitor, text, wallet.sign(text), 401, "invalid_nonce", used)
    assert not burned(fields["nonce"])


def test_3_the_statement_of_another_purpose_is_refused(visitor, wallet):
    text = render(visitor.fields(wallet, statement=STATEMENTS[Purpose.CONNECT]))
    assert refuse(visitor, text, wallet.sign(text), 401, "statement_mismatch")


# --- 4 to 11, 18, 20: the message ------------------------------------------------------------

FAR = {"expirationTime": written(days=36500)}
BENT_FIELDS = [
    ("4 another domain", {"domain": "evil.example"}, "domain_mismatch"),
    ("4 another case", {"domain": "Desk.example"}, "domain_mismatch"),
    ("4 a port", {"domain": "desk.example:443"}, "domain_mismatch"),
    ("4 a trailing dot", {"domain": "desk.example."}, "domain_mismatch"),
    ("4 ours as user name", {"domain": "desk.example@evil.example"}, "domain_mismatch"),
    ("5 no https", {"scheme": "ftp"}, "scheme_mismatch"),
    ("6 another path", {"uri": "https://desk.example/other"}, "uri_mismatch"),
    ("6 another site", {"uri": "https://evil.example/login"}, "uri_mismatch"),
    ("7 another chain", {"chainId": 137}, "chain_not_allowed"),
    ("7 chain zero", {"chainId": 0}, "chain_not_allowed"),
    ("3 no statement", {"statement": None}, "statement_mismatch"),
    ("3 an empty statement", {"statement": ""}, "statement_mismatch"),
    ("20 resources", {"resources": ["https://desk.example/"]}, "unexpected_field"),
    ("20 no resources, but the label", {"resources": []}, "unexpected_field"),
    ("20 a ReCap", {"resources": ["urn:recap:eyJhdHQiOnt9fQ"]}, "unexpected_field"),
    ("20 a Request ID", {"requestId": "1"}, "unexpected_field"),
    ("20 an empty Request ID", {"requestId": ""}, "unexpected_field"),
    ("9 issued in 1970", {"issuedAt": "1970-01-01T00:00:00Z"}, "issued_at_out_of_range"),
    ("9 issued in 2099", {"issuedAt": "2099-01-01T00:00:00Z"}, "issued_at_out_of_range"),
    ("9 issued 11 minutes ago", {"issuedAt": written(minutes=-11)}, "issued_at_out_of_range"),
    ("9 issued in year 1", {"issuedAt": "0001-01-01T00:00:00+14:00"}, "issued_at_out_of_range"),
    ("9 expiry in 100 years", FAR, "expiration_out_of_range"),
    ("8 expired", {"expirationTime": written(seconds=-1)}, "expired"),
    ("8 expired in year 1", {"expirationTime": "0001-01-01T00:00:00Z"}, "expired"),
    # Written when tests are collected, long before they run.
    ("8 not yet valid", {"notBefore": written(minutes=60)}, "not_yet_valid"),
]


@pytest.mark.parametrize(
    ("changes", "code"), [pytest.param(*case[1:], id=case[0]) for case in BENT_FIELDS]
)
def test_a_signed_message_that_was_not_issued_is_refused(visitor, wallet, changes, code):
    fields = visitor.fields(wallet, **changes)
    text = render(fields)
    assert refuse(visitor, text, wallet.sign(text), 401, code)
    assert burned(fields["nonce"])


def test_5_http_is_refused_outside_the_demo(visitor, wallet, settings):
    settings.DEMO = False
    text = render(visitor.fields(wallet, scheme="http"))
    assert refuse(visitor, text, wallet.sign(text), 401, "scheme_mismatch")


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_5_the_demo_takes_https_and_http(visitor, wallet, scheme):
    assert visitor.prove(wallet, scheme=scheme).status_code == 200


def test_9_expiry_before_issue_is_refused(visitor, wallet):
    times = {"issuedAt": written(seconds=50), "expirationTime": written(seconds=20)}
    text = render(visitor.fields(wallet, **times))
    assert refuse(visitor, text, wallet.sign(text), 401, "expiration_out_of_range")


@pytest.mark.parametrize("chain", ["01", "1" * 21, "9" * 1000, "-1", "\u0661", "0x1", "1e3", ""])
def test_7_a_chain_that_is_no_number_is_malformed(visitor, wallet, chain):
    fields = visitor.fields(wallet, chainId=chain)
    text = render(fields)
    assert refuse(visitor, text, wallet.sign(text), 400, "malformed_message")
    assert not burned(fields["nonce"])


def test_7_a_chain_of_5000_digits_is_too_large(visitor, wallet):
    text = render(visitor.fields(wallet, chainId="1" * 5000))
    assert refuse(visitor, text, "0x", 413, "too_large")


def test_4_a_cyrillic_letter_in_the_domain_is_malformed(visitor, wallet):
    text = render(visitor.fields(wallet, domain="d\u0435sk.example"))
    assert refuse(visitor, text, wallet.sign(text), 400, "malformed_message")


@pytest.mark.parametrize(
    "spell", [str.lower, lambda a: "0x" + a[2:].upper(), lambda a: "0x" + a[2:].swapcase()]
)
def test_10_11_an_address_without_its_checksum_makes_no_second_user(visitor, wallet, spell):
    Visitor().sign_in(wallet)
    text = render(visitor.fields(wallet, address=spell(wallet.address)))
    assert refuse(visitor, text, wallet.sign(text), 400, "bad_checksum")
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda text: text.replace("\n", "\r"), id="CR"),
        pytest.param(lambda text: text.replace("Sign", "Si\x00gn"), id="NUL"),
        pytest.param(lambda text: text.replace("Sign", "Si\u202egn"), id="bidi override"),
        pytest.param(lambda text: text + "\n", id="trailing LF"),
        pytest.param(lambda text: text + " ", id="trailing space"),
        pytest.param(
            lambda text: text.replace("\nIssued", "\nNonce: 12345678\nIssued"), id="two nonces"
        ),
        pytest.param(
            lambda text: text.replace("Sign", "Sign\nURI: https://evil.example\n"), id="a URI line"
        ),
    ],
)
def test_18_text_that_is_not_to_the_letter_is_malformed(visitor, wallet, bend):
    fields = visitor.fields(wallet)
    text = bend(render(fields))
    signature = KeyWallet().sign("anything")
    assert refuse(visitor, text, signature, 400, "malformed_message")
    assert not burned(fields["nonce"])

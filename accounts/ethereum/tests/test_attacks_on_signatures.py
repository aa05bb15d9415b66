"""Attack rows 12 to 17 and 19: signatures and bodies. Refused, and nothing changed."""

from __future__ import annotations

import json

import pytest
from eth_keys.constants import SECPK1_N as N

from accounts.ethereum.tests.desk import (
    BASE,
    KeyWallet,
    burned,
    nothing_changes,
    refuse,
    refused,
    render,
)

pytestmark = pytest.mark.django_db


# --- 12 to 16: the signature -----------------------------------------------------------------


def number(value):
    return value.to_bytes(32, "big").hex()


def high_twin(signature):
    s, v = int(signature[66:130], 16), int(signature[130:], 16)
    return f"{signature[:66]}{number(N - s)}{55 - v:02x}"


def with_v(v):
    return lambda signature: f"{signature[:130]}{v:02x}"


def compact(signature):
    r, s, v = signature[2:66], int(signature[66:130], 16), int(signature[130:], 16)
    return f"0x{r}{number(s | ((v - 27) << 255))}"


def test_13_a_bare_recovery_id_signs_in(visitor, wallet):
    text = render(visitor.fields(wallet))
    signature = wallet.sign(text)
    bare = with_v(int(signature[130:], 16) - 27)(signature)
    assert visitor.post(text, bare).status_code == 200


BENT_SIGNATURES = {
    "12 high s": high_twin,
    **{f"14 v={v}": with_v(v) for v in (2, 26, 29, 31, 37, 38, 255)},
    "15 compact": compact,
    "16 empty": lambda s: "",
    "16 prefix alone": lambda s: "0x",
    "16 odd length": lambda s: s[:-1],
    "16 66 bytes": lambda s: s + "00",
    "16 zeros": lambda s: "0x" + "0" * 130,
    "16 r zero": lambda s: f"0x{number(0)}{s[66:]}",
    "16 r = N": lambda s: f"0x{number(N)}{s[66:]}",
    "16 s zero": lambda s: f"{s[:66]}{number(0)}{s[130:]}",
    "16 s = N": lambda s: f"{s[:66]}{number(N)}{s[130:]}",
    "16 not hex": lambda s: "0x" + "zz" * 65,
    "16 two prefixes": lambda s: "0x" + s,
    "16 with a line end": lambda s: s + "\n",
    "16 in Arabic digits": lambda s: "0x" + "\u0661" * 130,
}


@pytest.mark.parametrize("bend", BENT_SIGNATURES.values(), ids=BENT_SIGNATURES.keys())
def test_a_signature_in_another_form_is_refused(visitor, wallet, bend):
    fields = visitor.fields(wallet)
    text = render(fields)
    assert refuse(visitor, text, bend(wallet.sign(text)), 401, "malformed_signature")
    assert burned(fields["nonce"])


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda wallet, text: KeyWallet().sign(text), id="another key"),
        pytest.param(lambda wallet, text: wallet.sign(text + " "), id="another text"),
        pytest.param(
            lambda wallet, text: f"0x{number(5)}{wallet.sign(text)[66:]}", id="r off the curve"
        ),
    ],
)
def test_16_a_signature_that_proves_nothing_is_refused(visitor, wallet, forge):
    fields = visitor.fields(wallet)
    text = render(fields)
    assert refuse(visitor, text, forge(wallet, text), 401, "invalid_signature")
    assert burned(fields["nonce"])


# --- 16, 17, 19: what is no request ----------------------------------------------------------


@pytest.mark.parametrize("bad", [None, 1, 1.5, True, [], {}, ["a"]])
@pytest.mark.parametrize("name", ["message", "signature", "process"])
def test_16_17_values_of_another_type_are_malformed(visitor, wallet, name, bad):
    fields = visitor.fields(wallet)
    text = render(fields)
    body = {"message": text, "signature": wallet.sign(text), "process": "login", name: bad}
    with nothing_changes(visitor):
        assert refused(visitor.send(json.dumps(body)), 400, "malformed_request")
    assert not burned(fields["nonce"])


@pytest.mark.parametrize("name", ["message", "signature"])
def test_17_a_missing_value_is_malformed(visitor, name):
    body = {"message": "a", "signature": "b"}
    del body[name]
    assert refused(visitor.send(json.dumps(body)), 400, "malformed_request")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "1",
        "[]",
        '"text"',
        "{",
        "{'a': 1}",
        "[" * 8000,
        b"\xff\xfe",
        '{"a": ' + "9" * 5000,
    ],
)
def test_17_a_body_that_is_no_object_is_malformed(visitor, body):
    with nothing_changes(visitor):
        assert refused(visitor.send(body), 400, "malformed_request")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
def test_17_another_content_type_is_malformed(visitor, content_type):
    assert refused(visitor.send("{}", content_type=content_type), 400, "malformed_request")


def test_17_an_unknown_process_is_malformed(visitor):
    body = {"message": "a", "signature": "b", "process": "redirect"}
    assert refused(visitor.send(json.dumps(body)), 400, "malformed_request")
    answer = visitor.client.get(f"{BASE}nonce", {"purpose": "redirect"})
    assert refused(answer, 400, "malformed_request")


@pytest.mark.parametrize("name", ["message", "signature"])
def test_19_a_megabyte_is_refused_before_it_is_read(visitor, wallet, name):
    fields = visitor.fields(wallet)
    text = render(fields)
    body = {"message": text, "signature": wallet.sign(text), name: "a" * 2**20}
    with nothing_changes(visitor):
        assert refused(visitor.send(json.dumps(body)), 413, "too_large")
    assert not burned(fields["nonce"])


def test_19_a_body_that_hides_its_length_is_refused(visitor):
    from django.test import RequestFactory

    from foundation.errors import TooLarge
    from foundation.json_views import read_object

    request = RequestFactory().post("/", b"a" * 9000, content_type="application/json")
    del request.META["CONTENT_LENGTH"]
    request._stream = request.META["wsgi.input"]
    with pytest.raises(TooLarge):
        read_object(request, limit=8192)


def test_19_a_message_above_the_cap_is_refused(visitor, wallet):
    fields = visitor.fields(wallet, statement="a" * 2048)
    text = render(fields)
    assert refuse(visitor, text, wallet.sign(text), 413, "too_large")
    assert not burned(fields["nonce"])

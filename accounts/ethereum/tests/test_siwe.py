"""The parser: public vectors, bends of our own, and the published library as a second opinion."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given, settings
from hypothesis import strategies as st
from siwe import SiweMessage  # type: ignore[attr-defined]  # it re-exports without saying so

from accounts.ethereum import siwe
from accounts.ethereum.tests.desk import render
from foundation.evm.signatures import recover_address

VECTORS = Path(__file__).parent / "vectors"
NAMES = {"chainId": "chain_id", "requestId": "request_id", "issuedAt": "issued_at"}
NAMES |= {"expirationTime": "expiration_time", "notBefore": "not_before"}


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def cases(name):
    return [pytest.param(value, id=key) for key, value in load(name).items()]


POSITIVE = [case["message"] for case in load("spruceid-siwe__parsing_positive").values()]
PLAIN = load("spruceid-siwe__parsing_positive")["couple of optional fields"]
FULL = {
    **PLAIN["fields"],
    "expirationTime": "2021-09-30T16:35:24.000Z",
    "notBefore": "2021-09-30T16:25:24Z",
    "requestId": "some%20id",
}


def read(message, name):
    value = getattr(message, NAMES.get(name, name))
    return list(value) if isinstance(value, tuple) else value


def expected(name, value):
    return datetime.fromisoformat(value) if name in ("issuedAt", "expirationTime") else value


def test_no_vector_file_is_left_out():
    counts = {path.stem: len(json.loads(path.read_text())) for path in VECTORS.glob("*.json")}
    assert counts == {
        "spruceid-siwe__parsing_positive": 19,
        "spruceid-siwe__parsing_negative": 29,
        "spruceid-siwe__parsing_negative_objects": 18,
        "swe-siwe__valid_specification": 9,
        "swe-siwe__valid_chars": 8,
    }


@pytest.mark.parametrize("case", cases("spruceid-siwe__parsing_positive"))
def test_a_positive_vector_gives_its_fields(case):
    message = siwe.parse(case["message"])
    wanted = {name: value for name, value in case["fields"].items() if name != "version"}
    assert {name: read(message, name) for name in wanted} == {
        name: expected(name, value) for name, value in wanted.items()
    }


@pytest.mark.parametrize("text", cases("spruceid-siwe__parsing_negative"))
def test_a_negative_vector_is_refused(text):
    with pytest.raises((siwe.MalformedMessage, siwe.BadChecksum)):
        siwe.parse(text)


@pytest.mark.parametrize("fields", cases("spruceid-siwe__parsing_negative_objects"))
def test_a_message_of_negative_fields_is_refused(fields):
    with pytest.raises((siwe.MalformedMessage, siwe.BadChecksum)):
        siwe.parse(render(fields))


@pytest.mark.parametrize("case", cases("swe-siwe__valid_specification"))
def test_absent_differs_from_empty(case):
    message = siwe.parse(case["msg"])
    assert {name: read(message, name) for name in case["items"]} == case["items"]


@pytest.mark.parametrize("case", cases("swe-siwe__valid_chars"))
def test_every_character_of_the_grammar_has_its_place(case):
    text = case["input"]
    places = {
        "scheme": {"scheme": text},
        "statement": {"statement": text},
        "pct-encoded": {"domain": f"a{text}"},
        "userinfo": {"domain": f"{text}@host"},
        "IPvFuture": {"domain": f"[{text}]"},
        "reg-name": {"domain": text},
        "segment-nz": {"uri": f"https://host/{text}"},
        "fragment": {"uri": f"https://host#{text}"},
    }
    assert case["answer"] is True
    siwe.parse(render({**FULL, **places[case["rule"]]}))


LINES = render(FULL)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LINES.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(LINES.replace("\n", "\r"), id="CR"),
        pytest.param(LINES + "\n", id="a line end after the last line"),
        pytest.param(LINES + " ", id="a space after the last line"),
        pytest.param(" " + LINES, id="a space before the first line"),
        pytest.param(LINES.replace("URI: ", "URI:  "), id="two spaces"),
        pytest.param(LINES.replace("URI: ", "uri: "), id="a label in lower case"),
        pytest.param(LINES.replace("Nonce: ", "Nonce: 12345678\nNonce: "), id="two nonces"),
        pytest.param(LINES.replace("I accept", "I\x00accept"), id="NUL"),
        pytest.param(LINES.replace("I accept", "I \u202eaccept"), id="text turned around"),
        pytest.param(LINES.replace("I accept", "I\u200baccept"), id="zero width"),
        pytest.param(LINES.replace("service.org w", "serv\u0456ce.org w"), id="Cyrillic letter"),
        pytest.param(LINES.replace("Chain ID: 1", "Chain ID: \u0661"), id="Arabic digit"),
        pytest.param(LINES.replace("Chain ID: 1", "Chain ID: 01"), id="leading zero"),
        pytest.param(LINES.replace("Chain ID: 1", "Chain ID: -1"), id="negative chain"),
        pytest.param(LINES.replace("Chain ID: 1", "Chain ID: " + "1" * 21), id="long chain"),
        pytest.param(LINES.replace("2021-09-30T16:25:24Z", "2021-02-30T16:25:24Z"), id="no day"),
        pytest.param(LINES.replace("2021-09-30T16:25:24Z", "2021-09-30T16:25:24"), id="no zone"),
        pytest.param(LINES.replace("16:25:24Z", "16:25:24.1234567890Z"), id="long fraction"),
        pytest.param(LINES.replace("service.org w", "[::zz] w"), id="no IPv6 address"),
        pytest.param(LINES.replace("service.org w", "[1::2::3] w"), id="two gaps in IPv6"),
        pytest.param(LINES.replace("https://service.org/login", "https://[::g]"), id="URI host"),
        pytest.param(LINES.replace("https://service.org/login", "//service.org"), id="no scheme"),
        pytest.param(LINES.replace("I accept", "I accept <b>"), id="a bracket in the statement"),
        pytest.param(LINES.replace("service.org w", "service.org/a w"), id="a path in the domain"),
        pytest.param(LINES.replace("32891757", "3289175_"), id="underscore in the nonce"),
        pytest.param(LINES.replace("32891757", "1" * 97), id="long nonce"),
        pytest.param(LINES.replace("I accept", "I accept" + "a" * 2048), id="too long"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_not_to_the_letter_is_malformed(text):
    with pytest.raises(siwe.MalformedMessage):
        siwe.parse(text)


@pytest.mark.parametrize("spell", [str.lower, lambda a: "0x" + a[2:].upper(), str.swapcase])
def test_an_address_without_its_checksum_has_an_error_of_its_own(spell):
    address = spell(FULL["address"]).replace("0X", "0x")
    with pytest.raises(siwe.BadChecksum):
        siwe.parse(render({**FULL, "address": address}))


def test_times_keep_their_zone():
    message = siwe.parse(render({**FULL, "issuedAt": "2021-09-30T18:25:24.123456789+02:00"}))
    assert message.issued_at == datetime.fromisoformat("2021-09-30T16:25:24.123456Z")


# --- The published library, which accepts more than we do ----------------------------


def same(message, oracle) -> bool:
    times = {name: getattr(oracle, name) for name in ("expiration_time", "not_before")}
    assert (message.scheme, message.domain, message.address) == (
        oracle.scheme,
        oracle.domain,
        oracle.address,
    )
    assert (message.statement, message.uri, message.chain_id, message.nonce) == (
        oracle.statement,
        oracle.uri,
        oracle.chain_id,
        oracle.nonce,
    )
    assert message.request_id == oracle.request_id
    assert (message.resources is None) == (oracle.resources is None)
    assert list(message.resources or ()) == list(oracle.resources or ())
    assert message.issued_at == datetime.fromisoformat(oracle.issued_at)
    for name, value in times.items():
        assert getattr(message, name) == (value and datetime.fromisoformat(value))
    return True


def ours(text):
    try:
        return siwe.parse(text)
    except (siwe.MalformedMessage, siwe.BadChecksum):
        return None


def theirs(text):
    try:
        return SiweMessage.from_message(text)
    except ValueError:
        return None


@pytest.mark.parametrize("text", [*POSITIVE, LINES])
def test_the_library_reads_the_same(text):
    assert same(siwe.parse(text), SiweMessage.from_message(text))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    text=st.sampled_from([*POSITIVE, LINES]),
    place=st.floats(0, 1, exclude_max=True),
    removed=st.integers(0, 2),
    put=st.text(st.sampled_from("aZ0:/?#[]@%2F.-~ \n<\"'{é\x00"), max_size=2),
)
def test_a_bent_message_that_both_accept_says_the_same_to_both(text, place, removed, put):
    at = int(place * len(text))
    bent = text[:at] + put + text[at + removed :]
    message = ours(bent)
    if message is not None:
        oracle = theirs(bent)
        assert oracle is not None, "we accept no more than the standard's grammar"
        assert same(message, oracle)


def test_the_library_takes_the_same_signer_for_the_same_bytes():
    account = Account.create()
    text = render({**FULL, "address": account.address})
    signature = account.sign_message(encode_defunct(text=text)).signature.hex()
    assert recover_address(text.encode(), signature) == account.address
    inside = datetime.fromisoformat("2021-09-30T16:30:00Z")
    SiweMessage.from_message(text).verify(signature, timestamp=inside)
